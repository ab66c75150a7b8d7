import { type FrameMemory, frameMemory } from '../../../src/lib/frame-memory.ts';
import type { RingId } from '../../../src/lib/ring-id.ts';
import {
  CPG_CONFIGURATION_CHANGE,
  CPG_DELIVER,
  CPG_FINALIZE,
  CPG_JOIN,
  CPG_LEAVE,
  CPG_MCAST,
  CPG_PARTIAL_DELIVER,
  CPG_TOTEM_CONFIGURATION,
  decodeCpgConfigurationChange,
} from '../../../src/services/codec/cpg.ts';
import { groupNameValue, U32_ELEMENT } from '../../../src/services/codec/fields.ts';
import { messageError, messageId } from '../../../src/services/codec/struct.ts';
import { type CpgConnection, SCRATCH_BYTES } from '../../../src/services/cpg/cpg-connection.ts';
import { CpgCore } from '../../../src/services/cpg/cpg-core.ts';
import { SyncCore } from '../../../src/services/sync/sync-core.ts';

export const name = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

const MEMORY_BYTES = 4 << 20;
const REQUEST_AT = 1 << 20;
const EVENT_AT = 2 << 20;

/** A client and its connection: the events that it got, as short texts. */
export class ToyClient {
  readonly responses: { id: number; error: number; bytes: Uint8Array }[] = [];
  readonly events: string[] = [];
  readonly raw: Uint8Array[] = [];
  readonly connection: CpgConnection;
  /** Else events wait, in memory that was another client's. */
  ringFree = true;
  /** No claim is granted: the client is gone. */
  refuses = false;
  hungUp = false;

  constructor(
    readonly node: ToyNode,
    readonly id: number,
    readonly pid: number,
    uid: number,
  ) {
    let claimed: FrameMemory = node.memory;
    let length = 0;
    this.connection = node.cpg.opened({
      id,
      user: { uid, privileged: uid === 0 },
      memory: node.memory,
      scratch: id * SCRATCH_BYTES,
      respond: (message) => {
        this.responses.push({ id: messageId(message), error: messageError(message), bytes: message.slice() });
      },
      dispatch: (message) => this.event(message.slice()),
      claim: (bytes) => {
        if (this.refuses) return -1;
        length = bytes;
        claimed = this.ringFree ? node.memory : frameMemory(new Uint8Array(EVENT_AT + 3 + bytes).fill(0xee));
        return EVENT_AT + 3; // any alignment
      },
      get claimed() {
        return claimed;
      },
      commit: () => this.event(claimed.bytes.slice(EVENT_AT + 3, EVENT_AT + 3 + length)),
      hasHungUp: () => this.hungUp,
    });
  }

  request(bytes: Uint8Array): 'done' | 'wait' {
    this.node.memory.bytes.set(bytes, REQUEST_AT);
    return this.node.cpg.request(this.connection, REQUEST_AT, bytes.length);
  }

  /** Status of a synchronous request; -1: it has to wait. */
  call(bytes: Uint8Array): number {
    return this.request(bytes) === 'wait' ? -1 : this.responses.at(-1)!.error;
  }

  join(group: string, flags = 0): number {
    const field = { length: group.length, bytes: name(group.slice(0, 128)) };
    return this.call(CPG_JOIN.message({ group: field, pid: this.pid, flags }));
  }

  leave(group: string): number {
    return this.call(CPG_LEAVE.message({ group: groupNameValue(name(group)), pid: this.pid }));
  }

  finalize(): number {
    return this.call(CPG_FINALIZE.message());
  }

  mcast(data: string): 'done' | 'wait' {
    return this.request(CPG_MCAST.message({ guarantee: 2, messageBytes: data.length }, name(data)));
  }

  close(): void {
    this.node.clients.splice(this.node.clients.indexOf(this), 1);
    this.node.cpg.closed(this.connection);
  }

  private event(bytes: Uint8Array): void {
    this.raw.push(bytes);
    this.events.push(eventText(bytes));
  }
}

const list = (addresses: readonly { nodeId: number; pid: number; reason: number }[]): string =>
  addresses.map(({ nodeId, pid, reason }) => `${nodeId}:${pid}${reason === 0 ? '' : `!${reason}`}`).join(' ');

function eventText(bytes: Uint8Array): string {
  switch (messageId(bytes)) {
    case CPG_CONFIGURATION_CHANGE.id: {
      const change = decodeCpgConfigurationChange(bytes)!;
      return `${text(change.group)} [${list(change.members)}] +[${list(change.joined)}] -[${list(change.left)}]`;
    }
    case CPG_TOTEM_CONFIGURATION.id: {
      const { ringId, memberCount } = CPG_TOTEM_CONFIGURATION.decode(bytes)!;
      return `totem ${ringId.rep}.${ringId.seq} [${CPG_TOTEM_CONFIGURATION.tailList(bytes, memberCount, U32_ELEMENT)}]`;
    }
    case CPG_PARTIAL_DELIVER.id: {
      const { group, nodeId, pid, type, fragmentBytes, messageBytes } = CPG_PARTIAL_DELIVER.decode(bytes)!;
      const data = text(CPG_PARTIAL_DELIVER.tailBytes(bytes, fragmentBytes)!);
      return `${text(group.bytes)} ${nodeId}:${pid} part ${type} of ${messageBytes} "${data}"`;
    }
    default: {
      const { group, nodeId, pid, messageBytes } = CPG_DELIVER.decode(bytes)!;
      return `${text(group.bytes)} ${nodeId}:${pid} "${text(CPG_DELIVER.tailBytes(bytes, messageBytes)!)}"`;
    }
  }
}

/** One node: CPG and sync over an agreed order that the test hands out. */
export class ToyNode {
  readonly memory = (() => {
    const bytes = new Uint8Array(MEMORY_BYTES);
    return { bytes, view: new DataView(bytes.buffer) };
  })();
  readonly cpg: CpgCore;
  readonly sync: SyncCore;
  readonly clients: ToyClient[] = [];
  readonly dropped: string[] = [];
  full = false;

  constructor(
    readonly id: number,
    readonly cluster: ToyCluster,
  ) {
    const send = (message: Uint8Array, group: 'a' | 'sync'): boolean => {
      if (this.full) return false;
      cluster.log.push({ from: id, group, message });
      return true;
    };
    this.cpg = new CpgCore({
      nodeId: id,
      mcast: (message) => send(message.slice(), 'a'),
      mcastParts: (headIn, head, headBytes, bodyIn, body, bodyBytes) => {
        const message = new Uint8Array(headBytes + bodyBytes);
        message.set(headIn.subarray(head, head + headBytes));
        message.set(bodyIn.subarray(body, body + bodyBytes), headBytes);
        return send(message, 'a');
      },
      syncInProgress: () => this.sync.isInProgress(),
      hasRoom: () => !this.full,
      canEverSend: (bytes) => bytes < 1_100_000,
      zeroCopy: cluster.zeroCopy,
      log: () => {},
      dropped: (reason) => void this.dropped.push(reason),
    });
    this.sync = new SyncCore(id, {
      mcastSync: (message) => send(message.slice(), 'sync'),
      inProgressChanged: () => {},
      completed: () => {},
      late: () => {},
      dropped: () => {},
    });
    this.sync.add(this.cpg.sync);
  }

  client(pid: number, uid = 0): ToyClient {
    const client = new ToyClient(this, this.cluster.nextClientId++, pid, uid);
    this.clients.push(client);
    return client;
  }

  deliver(from: number, group: 'a' | 'sync', message: Uint8Array): void {
    if (group === 'sync') {
      this.sync.message(from, message, 0, message.length);
      return;
    }
    const padded = new Uint8Array(message.length + 5);
    padded.set(message, 5);
    const memory = { bytes: padded, view: new DataView(padded.buffer) };
    const id = memory.view.getInt32(5, true);
    if (id >> 16 === 2) this.cpg.deliver(id & 0xffff, from, memory, 5, message.length);
  }
}

export class ToyCluster {
  readonly nodes = new Map<number, ToyNode>();
  readonly log: { from: number; group: 'a' | 'sync'; message: Uint8Array }[] = [];
  nextClientId = 1;
  zeroCopy = {
    open: (_id: number, _path: string, _bytes: number): boolean => false,
    close: () => {},
    read: (_id: number, _token: bigint): Uint8Array | null => null,
    closeAll: () => {},
  };
  private seq = 1;

  /** Starts nodes and brings them through their first sync as one ring. */
  start(...ids: number[]): ToyNode[] {
    const nodes = ids.map((id) => {
      const node = new ToyNode(id, this);
      this.nodes.set(id, node);
      return node;
    });
    this.ring(ids);
    this.run();
    return nodes;
  }

  /** A new ring of these nodes; every one of them came from `transitional(node)`, by default from the same ring. */
  ring(members: number[], transitional: (id: number) => number[] = () => members): RingId {
    this.seq += 4;
    const ringId = { rep: Math.min(...members), seq: this.seq };
    for (const id of members) {
      const node = this.nodes.get(id)!;
      const common = { left: [], joined: [], ringId };
      node.sync.configurationChange({ kind: 'transitional', members: transitional(id), ...common });
      node.sync.configurationChange({ kind: 'regular', members, ...common });
    }
    this.members = members;
    return ringId;
  }
  private members: number[] = [];

  deliverOne(): boolean {
    const item = this.log.shift();
    if (item === undefined) return false;
    for (const id of this.members) this.nodes.get(id)!.deliver(item.from, item.group, item.message);
    return true;
  }

  run(): void {
    for (;;) {
      if (this.deliverOne()) continue;
      for (const id of this.members) {
        const node = this.nodes.get(id)!;
        node.sync.retry();
        node.cpg.retry();
      }
      if (this.log.length === 0) return;
    }
  }
}
