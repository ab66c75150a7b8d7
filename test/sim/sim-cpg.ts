import { type FrameMemory, frameMemory } from '../../src/lib/frame-memory.ts';
import {
  CPG_CONFIGURATION_CHANGE,
  CPG_JOIN,
  CPG_MCAST,
  decodeCpgConfigurationChange,
} from '../../src/services/codec/cpg.ts';
import { groupNameValue } from '../../src/services/codec/fields.ts';
import { messageError, messageId } from '../../src/services/codec/struct.ts';
import { type CpgConnection, SCRATCH_BYTES } from '../../src/services/cpg/cpg-connection.ts';
import { CpgCore } from '../../src/services/cpg/cpg-core.ts';
import { Group, type ProcessGroups } from '../../src/totem/index.ts';

const GROUPS = ['alpha', 'beta', 'gamma'].map((name) => new Uint8Array(Buffer.from(name)));
const CLIENTS_MAX = 3;
const OK = 1;

/** What the CPG of one node works with; the simulator's node implements it. */
export interface SimCpgHost {
  readonly nodeId: number;
  readonly groups: ProcessGroups;
  syncInProgress(): boolean;
  random(low: number, high: number): number;
  violation(text: string): void;
}

/** A client program of one node: the events of its library. */
class SimClient {
  readonly connection: CpgConnection;
  readonly memory: FrameMemory = frameMemory(new Uint8Array(SCRATCH_BYTES + 8192));
  /** `node:pid` of the members of its group, by the last configuration event. */
  members: readonly string[] = [];
  group = -1;
  private claimed = 0;

  constructor(
    readonly id: number,
    readonly pid: number,
    core: CpgCore,
    private readonly violation: (text: string) => void,
  ) {
    this.connection = core.opened({
      id,
      memory: this.memory,
      user: { uid: 0, privileged: true },
      scratch: 0,
      respond: (message) => this.respond(message),
      dispatch: (message) => this.event(message),
      claim: (bytes) => {
        this.claimed = bytes;
        return bytes <= 4096 ? SCRATCH_BYTES : -1;
      },
      claimed: this.memory,
      commit: () => this.event(this.memory.bytes.subarray(SCRATCH_BYTES, SCRATCH_BYTES + this.claimed)),
      hasHungUp: () => false,
    });
  }

  lastError = 0;
  private respond(message: Uint8Array): void {
    this.lastError = messageError(message);
  }

  private event(bytes: Uint8Array): void {
    if (messageId(bytes) !== CPG_CONFIGURATION_CHANGE.id) return;
    const change = decodeCpgConfigurationChange(bytes);
    if (change === null) {
      this.violation('a configuration event that does not decode');
      return;
    }
    const name = ({ nodeId, pid }: { readonly nodeId: number; readonly pid: number }) => `${nodeId}:${pid}`;
    const next = change.members.map(name);
    const joined = change.joined.map(name);
    const left = change.left.map(name);
    const before = this.members.filter((member) => !left.includes(member));
    // Every list must follow from the one before: nobody comes or goes without being named.
    const expected = [...new Set([...before, ...joined.filter((member) => next.includes(member))])].sort().join();
    if (this.members.length > 0 && [...next].sort().join() !== expected)
      this.violation(`client ${this.pid}: [${this.members}] +[${joined}] -[${left}] gives [${next}]`);
    this.members = next;
  }
}

/** CPG of one node with its clients, as the ring thread runs it. */
export class SimCpg {
  readonly core: CpgCore;
  private readonly clients: SimClient[] = [];
  private nextPid = 1;

  constructor(private readonly host: SimCpgHost) {
    const { groups } = host;
    this.core = new CpgCore({
      nodeId: host.nodeId,
      mcast: (message) => groups.mcast(Group.SERVICES, message),
      mcastParts: (headIn, head, headBytes, bodyIn, body, bodyBytes) => {
        if (!groups.beginMessage(Group.SERVICES, headBytes + bodyBytes)) return false;
        groups.append(headIn, head, headBytes);
        groups.append(bodyIn, body, bodyBytes);
        groups.endMessage();
        return true;
      },
      syncInProgress: () => host.syncInProgress(),
      hasRoom: (bytes) => {
        const packets = groups.reserve(bytes);
        if (packets > 0) groups.release(packets);
        return packets > 0;
      },
      canEverSend: (bytes) => bytes < groups.messageBytesMax,
      zeroCopy: { open: () => false, close: () => {}, read: () => null, closeAll: () => {} },
      log: () => {},
      dropped: (reason) => {
        // A sender whose join is behind a change of membership is unknown for a while; stock drops its messages too.
        if (reason !== 'senderNotInGroup' && reason !== 'notJoined') host.violation(`cpg dropped a message: ${reason}`);
      },
    });
  }

  /** One random act of one client. */
  act(): void {
    const dice = this.host.random(0, 9);
    if (dice < 3 && this.clients.length < CLIENTS_MAX) this.open();
    else if (dice === 3) this.close(this.host.random(0, 2));
    else this.speak(this.host.random(0, 2));
  }

  private open(): void {
    const pid = this.nextPid++;
    const client = new SimClient(pid, pid, this.core, (text) => this.host.violation(text));
    const index = this.host.random(0, GROUPS.length - 1);
    const request = CPG_JOIN.message({ group: groupNameValue(GROUPS[index]!), pid, flags: 0 });
    client.memory.bytes.set(request, SCRATCH_BYTES);
    const result = this.core.request(client.connection, SCRATCH_BYTES, request.length);
    if (result !== 'done' || client.lastError !== OK) {
      this.core.closed(client.connection);
      return;
    }
    client.group = index;
    this.clients.push(client);
  }

  private close(index: number): void {
    const client = this.clients[index];
    if (client === undefined) return;
    this.clients.splice(index, 1);
    this.core.closed(client.connection);
  }

  private speak(index: number): void {
    const client = this.clients[index];
    if (client === undefined) return;
    const data = new Uint8Array(this.host.random(0, 600)).fill(client.pid);
    const request = CPG_MCAST.message({ guarantee: 2, messageBytes: data.length }, data);
    client.memory.bytes.set(request, SCRATCH_BYTES);
    this.core.request(client.connection, SCRATCH_BYTES, request.length);
  }

  /** `node:pid:group` of the clients that live here. */
  get truth(): readonly string[] {
    return this.clients.map(({ pid, group }) => `${this.host.nodeId}:${pid}:${Buffer.from(GROUPS[group]!)}`);
  }

  /** The same as this node believes it of the whole cluster. */
  get belief(): readonly string[] {
    return this.core.membership.processes.all.map(
      ({ nodeId, pid, group }) => `${nodeId}:${pid}:${Buffer.from(group.name)}`,
    );
  }

  /** The events of the clients agree with what the node believes. */
  checkClients(): void {
    for (const client of this.clients) {
      const group = Buffer.from(GROUPS[client.group]!).toString();
      const members = this.belief.filter((entry) => entry.endsWith(`:${group}`)).map((e) => e.replace(`:${group}`, ''));
      if ([...client.members].sort().join() !== members.sort().join())
        this.host.violation(`client ${client.pid} sees [${client.members}], the node [${members}]`);
    }
  }
}
