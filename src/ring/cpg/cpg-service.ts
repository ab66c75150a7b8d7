import type { ProcessPlace } from '../../bridge/messages.ts';
import { LocalMemory } from '../../ipc/local-memory.ts';
import { attachConnection } from '../../ipc/server/attach.ts';
import type { ConnectionRings } from '../../ipc/server/chunk-connection.ts';
import type { ConnectionMemory, ServerConnection } from '../../ipc/server/connection.ts';
import { discardConnectionFiles } from '../../ipc/server/files.ts';
import { LocalConnection } from '../../ipc/server/local-connection.ts';
import { RingPool } from '../../ipc/server/pool.ts';
import { RingConnection } from '../../ipc/server/ring-connection.ts';
import { Allowance } from '../../lib/allowance.ts';
import { assert } from '../../lib/assert.ts';
import type { AttachedClient, ClientDescriptor } from '../../lib/client-descriptor.ts';
import type { FrameMemory } from '../../lib/frame-memory.ts';
import type { LogFunction } from '../../lib/log.ts';
import { objectList } from '../../lib/object-list.ts';
import { Repeats } from '../../lib/repeats.ts';
import { Arena } from '../../os/arena.ts';
import { monotonicMs } from '../../os/clock.ts';
import { Errno, errnoName } from '../../os/errno.ts';
import { shutdownSocket } from '../../os/socket.ts';
import type { CpgAddress } from '../../services/codec/base.ts';
import { SCRATCH_BYTES } from '../../services/cpg/cpg-connection.ts';
import { CpgCore } from '../../services/cpg/cpg-core.ts';
import { CPG_DROP_REASONS, type CpgDropReason, type CpgHost } from '../../services/cpg/cpg-host.ts';
import { CPG_SERVICE } from '../../services/cpg/service.ts';
import { unknownMessageText } from '../../services/engine.ts';
import type { SyncParticipant } from '../../services/sync/sync-core.ts';
import { Group } from '../../totem/index.ts';
import { type DropCounters, dropCounters } from '../drop-counters.ts';
import type { EngineRing, RingEngine, RingEnvironment } from '../ring-engine.ts';
import { AttachedCpgClient, type CpgClientEvents } from './cpg-client.ts';
import { Doorbells } from './doorbells.ts';
import { Patience } from './patience.ts';
import { Sharing } from './sharing.ts';
import { SlowClients } from './slow-clients.ts';
import { ZeroCopyFiles } from './zero-copy-files.ts';

/** How often to check whether a client that hung up has been served. */
const GONE_RETRY_MS = 2;
/** Requests that a client left behind when it hung up are served this long at most (a stock server drops them). */
const FAREWELL_MS = 2000;
/** Giving rings, files and sockets of ended connections back, in one turn of the loop: a user's thousand can end at once. */
const RELEASE_MS = 3;
const SCRATCH_ALIGN_BYTES = 8;
/** Changes of groups that are reported to the main thread at once, and in the long run; processes of each. */
const REPORTS_AT_ONCE = 256;
const REPORTS_PER_SECOND = 64;
const REPORTED_PROCESSES_MAX = 128;
/** Zero-copy buffers of one user that are refused for the same reason are logged this often. */
const REFUSALS_PERIOD_MS = 5_000;

/** CPG with its clients: the connections that the main thread accepted, served from the loop. */
export class CpgService implements CpgHost, RingEngine {
  readonly core: CpgCore;
  readonly nodeId: number;
  readonly log: LogFunction;
  readonly zeroCopy: ZeroCopyFiles;
  private readonly pool: RingPool;
  private readonly patience: Patience;
  private readonly clients = new Map<number, AttachedCpgClient>();
  private readonly doorbells: Doorbells<AttachedCpgClient>;
  private readonly touched = objectList<AttachedCpgClient>();
  private readonly slow: SlowClients<AttachedCpgClient>;
  private readonly gone = new Set<AttachedCpgClient>();
  /** Clients in this process. */
  private readonly local = new Set<AttachedCpgClient>();
  private readonly reports = new Allowance(REPORTS_AT_ONCE, REPORTS_PER_SECOND);
  private readonly refusals = new Repeats(REFUSALS_PERIOD_MS);
  /** Ended; what the process holds for them is still to be given back. */
  private readonly released = objectList<ServerConnection>();
  /** When those that hung up are looked at again. */
  private goneRetryMs = Number.POSITIVE_INFINITY;
  /** A connection ended since the requests were looked at: one that waited for that has its turn at once. */
  private ended = false;
  private readonly sharing = new Sharing();
  /** Of the turn in hand. */
  private turnMs = 0;
  private readonly clientEvents: CpgClientEvents = {
    touch: (client) => this.touch(client),
    served: ({ id }) => this.sharing.served(id, this.turnMs),
    publishEvents: () => this.publishEvents(),
    hasHungUp: (client) => this.hasHungUp(client),
    sendsWait: ({ user }, nowMs) => this.patience.holds(user.uid, nowMs),
    tooLarge: (client, bytes) => this.tooLarge(client, bytes),
  };
  /** Messages of the ring by function; the main thread shows them as `runtime.services.cpg.<fn>.rx` and `.tx`. */
  private readonly drops: DropCounters<CpgDropReason>;
  private readonly rx: Float64Array;
  private readonly tx: Float64Array;
  /** Scratch of closed clients, by arena. */
  private readonly freeScratch = new Map<ConnectionMemory, number[]>();

  constructor(
    private readonly env: RingEnvironment,
    private readonly ring: EngineRing,
  ) {
    this.nodeId = ring.nodeId;
    this.log = env.bridge.log;
    const { name, messages } = CPG_SERVICE;
    this.rx = env.statistics.range(messages.map((_, fn) => `rondo.${name}.${fn}.rx`));
    this.tx = env.statistics.range(messages.map((_, fn) => `rondo.${name}.${fn}.tx`));
    this.drops = dropCounters(env.statistics, name, CPG_DROP_REASONS);
    this.pool = new RingPool(env.arena);
    this.patience = new Patience(this.pool.events);
    this.zeroCopy = new ZeroCopyFiles(
      (id) => this.clients.get(id)?.connection.euid ?? -1,
      (id, reason) => this.bufferRefused(id, reason),
    );
    this.doorbells = new Doorbells(env.descriptors);
    this.slow = new SlowClients(env.descriptors, (client) => this.close(client));
    this.core = new CpgCore(this);
  }

  /** A flood of joins costs the main thread no more than the allowance; who wants to know is told of a part. */
  processesChanged(group: Uint8Array, joined: readonly CpgAddress[], left: readonly CpgAddress[]): void {
    if (!this.ring.reportProcesses || !this.reports.take(this.ring.nowMs())) return;
    const places = (list: readonly CpgAddress[]): ProcessPlace[] =>
      list.slice(0, REPORTED_PROCESSES_MAX).map(({ nodeId, pid }) => ({ nodeId, pid }));
    const name = Buffer.from(group).toString();
    this.env.bridge.send({ op: 'processes', group: name, joined: places(joined), left: places(left) });
  }

  get serviceId(): number {
    return CPG_SERVICE.serviceId;
  }

  get sync(): SyncParticipant {
    return this.core.sync;
  }

  get needsRetry(): boolean {
    return this.core.needsRetry;
  }

  describe(): unknown {
    return this.core.describe();
  }

  // ---- clients -----------------------------------------------------------------------------------------------------

  /** Takes a client over from the main thread. */
  attach(descriptor: ClientDescriptor): void {
    // Who hung up before this one connected is gone before its first request: leaves precede its join.
    this.env.descriptors.wait(0);
    const connection = attachConnection(this.pool, descriptor);
    if (typeof connection === 'number') {
      discardConnectionFiles(descriptor);
      shutdownSocket(descriptor.fd);
      this.refused(descriptor, connection);
      return;
    }
    const scratch = this.takeScratch(connection.memory);
    if (scratch < 0) {
      connection.close('stays');
      this.refused(descriptor, scratch);
      return;
    }
    const client = this.adopt(connection, scratch);
    const watched = this.watch(client);
    if (watched < 0) {
      this.log('error', 'QB', `Client ${descriptor.pid} cannot be watched: ${errnoName(watched)}`, 'not watched');
      this.close(client);
    }
    // Flow control of a connection made during a sync starts open (services.md 2.3).
  }

  attachWithoutFiles(descriptor: ClientDescriptor): ConnectionRings {
    const connection = attachConnection(this.pool, descriptor);
    assert(connection instanceof RingConnection, 'there is room for a client of the warm-up');
    const client = this.adopt(connection, this.takeScratch(connection.memory));
    this.watch(client);
    return connection.withoutFiles();
  }

  /** Takes a client in this process over. */
  attachLocal(client: AttachedClient, shared: SharedArrayBuffer): void {
    this.env.descriptors.wait(0);
    this.knocked();
    const memory = LocalMemory.attach(shared, client.maxMessageBytes);
    const { bridge } = this.env;
    const connection = new LocalConnection(memory, client, this.pool.events, () => bridge.notifyClients());
    this.local.add(this.adopt(connection, memory.scratch));
    this.knocked(); // its first request may be there
  }

  private adopt(connection: ServerConnection, scratch: number): AttachedCpgClient {
    const client = new AttachedCpgClient(connection, this.core, scratch, this.clientEvents);
    this.clients.set(client.id, client);
    return client;
  }

  /** Clients in this process have requests, room, or are gone: nobody says who, there are few. */
  knocked(): void {
    for (const client of this.local) {
      const { connection } = client;
      connection.drainBytes();
      if (connection.hungUp || connection.fault !== null) this.hungUp(client);
      this.doorbells.activate(client);
    }
  }

  /** 0, or -errno. */
  private watch(client: AttachedCpgClient): number {
    const { descriptors } = this.env;
    const { fd, inputFd } = client.connection;
    const watched = descriptors.tryAdd(fd, (hungUp) => this.readable(client, hungUp));
    if (watched < 0 || inputFd === fd) return watched;
    return descriptors.tryAddEdges(inputFd, () => this.input(client));
  }

  private unwatch({ connection: { fd, inputFd } }: AttachedCpgClient): void {
    if (fd < 0) return;
    this.env.descriptors.remove(fd);
    this.env.descriptors.remove(inputFd);
  }

  private refused(descriptor: ClientDescriptor, errno: number): void {
    this.log('error', 'QB', `No room for the rings of client ${descriptor.pid}: ${errnoName(errno)}`);
    this.env.bridge.send({ op: 'clientClosed', id: descriptor.id });
  }

  /** Scratch in the same memory as the rings of the client; -errno when that is used up. */
  private takeScratch(memory: ConnectionMemory): number {
    const used = this.freeScratch.get(memory)?.pop();
    if (used !== undefined) return used;
    if (!(memory instanceof Arena)) return -Errno.ENOMEM;
    return memory.freeBytes < SCRATCH_BYTES + SCRATCH_ALIGN_BYTES
      ? -Errno.ENOMEM
      : memory.allocate(SCRATCH_BYTES, SCRATCH_ALIGN_BYTES);
  }

  private giveScratch({ connection, scratch }: AttachedCpgClient): void {
    const free = this.freeScratch.get(connection.memory);
    if (free === undefined) this.freeScratch.set(connection.memory, [scratch]);
    else free.push(scratch);
  }

  /** All connections end; their leaves are multicast (services.md 11.4). */
  closeAll(): void {
    for (const client of [...this.clients.values()]) this.close(client);
    this.release(Number.POSITIVE_INFINITY);
  }

  dispose(): void {
    this.slow.dispose();
    this.zeroCopy.dispose();
  }

  /** Requests of all clients that have some; returns how many. */
  serve(nowMs: number): number {
    this.ended = false;
    this.turnMs = nowMs;
    return this.doorbells.serve(nowMs);
  }

  hasRequests(): boolean {
    return this.doorbells.hasRequests();
  }

  /** Events become visible and the clients are woken, once a turn; connections that ended are closed. */
  finishTurn(nowMs: number): void {
    for (let index = 0; index < this.touched.length; index++) {
      const client = this.touched[index]!;
      client.touched = false;
      const { connection } = client;
      connection.flushEvents();
      if (connection.fault !== null) this.close(client);
      else if (connection.queueing || connection.notifyOutstanding > 0) this.slow.add(client, nowMs);
    }
    this.touched.length = 0;
    if (this.gone.size > 0) this.closeGone(nowMs);
    this.slow.turn(nowMs);
    if (this.released.length > 0) this.release(monotonicMs() + RELEASE_MS);
  }

  /** Events so far become visible; the rest of the turn's end follows in `finishTurn`. */
  private publishEvents(): void {
    for (let index = 0; index < this.touched.length; index++) this.touched[index]!.connection.flushEvents();
  }

  beforeSleep(nowMs: number): void {
    this.slow.beforeSleep();
    this.doorbells.beforeSleep(nowMs);
  }

  nextDeadlineMs(): number {
    if (this.ended || this.released.length > 0) return 0;
    const clientsMs = Math.min(this.slow.nextMs, this.doorbells.nextMs);
    return Math.min(clientsMs, this.gone.size > 0 ? this.goneRetryMs : Number.POSITIVE_INFINITY);
  }

  /** Sync began or ended: word 2 stops multicasts in the library, and nothing is read from the rings (services.md 2.3). */
  syncChanged(inProgress: boolean): void {
    for (const { connection } of this.clients.values()) connection.setFlowControl(inProgress ? 2 : 0);
  }

  describeClients(): readonly unknown[] {
    return [...this.clients.values()].map(({ connection, member, eventsTooLarge }) => ({
      id: connection.id,
      pid: connection.pid,
      serviceId: connection.serviceId,
      processName: connection.processName,
      statistics: { ...connection.statistics },
      eventsTooLarge,
      state: member.state,
    }));
  }

  private readable(client: AttachedCpgClient, hungUp: boolean): void {
    const { connection } = client;
    connection.drainBytes();
    if (hungUp) connection.drainToEnd();
    if (connection.hungUp || connection.fault !== null) this.hungUp(client);
    else this.doorbells.rang(client, this.ring.nowMs());
    this.doorbells.activate(client);
  }

  /** A datagram came. Its socket stays readable until it is taken, so it reports arrivals only; it is looked at until it is empty. */
  private input(client: AttachedCpgClient): void {
    client.connection.noteInput();
    client.connection.statistics.wakes++;
    this.doorbells.activate(client);
  }

  /** Hung up: not to be waited for any more. What it left in its ring is served first, unless it broke something. */
  private hungUp(client: AttachedCpgClient): void {
    if (this.gone.has(client)) return;
    this.unwatch(client);
    client.goneAtMs = this.ring.nowMs() + FAREWELL_MS;
    this.gone.add(client);
    this.goneRetryMs = 0;
  }

  /** Reads its socket to the end now. One that hung up and left nothing behind is closed at once. */
  private hasHungUp(client: AttachedCpgClient): boolean {
    const { connection } = client;
    connection.drainToEnd();
    if (!connection.hungUp && connection.fault === null) return false;
    this.hungUp(client);
    this.doorbells.activate(client);
    if (connection.requestsAvailable() === 0 || connection.fault !== null) this.close(client);
    return true;
  }

  private touch(client: AttachedCpgClient): void {
    if (client.touched) return;
    client.touched = true;
    this.touched.push(client);
  }

  /** The client does not hear of it before it sends: libcpg does not look at the response. */
  private bufferRefused(id: number, reason: string): void {
    const client = this.clients.get(id);
    if (client === undefined) return;
    const { euid, pid, processName } = client.connection;
    const keptBack = this.refusals.admit(`${euid} ${reason}`, this.ring.nowMs());
    if (keptBack === null) return;
    const more = keptBack > 0 ? ` (and ${keptBack} more before)` : '';
    const text = `A zero-copy buffer of ${processName} (${pid}) was refused: ${reason}${more}`;
    this.log('warning', 'CPG', text, 'buffer refused');
  }

  private tooLarge(client: AttachedCpgClient, bytes: number): void {
    this.dropped('tooLargeForClient');
    if (client.eventsTooLarge > 1) return; // logged once, counted always
    const { processName, pid, maxMessageBytes } = client.connection;
    const limit = `it receives ${maxMessageBytes} bytes at most; this is said once`;
    this.log(
      'warning',
      'CPG',
      `An event of ${bytes} bytes for ${processName} (${pid}) was dropped: ${limit}`,
      'too large',
    );
  }

  private closeGone(nowMs: number): void {
    this.goneRetryMs = nowMs + GONE_RETRY_MS;
    for (const client of this.gone) {
      const { connection, goneAtMs } = client;
      const finished = connection.requestsAvailable() === 0 || connection.fault !== null;
      if (finished || nowMs >= goneAtMs) this.close(client);
    }
  }

  private close(client: AttachedCpgClient): void {
    if (!this.clients.delete(client.id)) return;
    this.ended = true;
    const { connection } = client;
    if (connection.fault !== null && !connection.hungUp && connection.fault !== 'disconnected') {
      const who = `${connection.processName} (${connection.pid})`;
      this.log('warning', 'CPG', `Connection of ${who} closed: ${connection.fault}`, 'closed');
    }
    this.unwatch(client);
    this.doorbells.remove(client);
    this.slow.remove(client);
    this.gone.delete(client);
    this.core.closed(client.member);
    if (!this.local.delete(client)) this.giveScratch(client);
    this.released.push(connection);
  }

  /** The kernel's part of the end, which costs most. Others have heard that the client is gone. */
  private release(endMs: number): void {
    for (let connection = this.released.pop(); connection !== undefined; connection = this.released.pop()) {
      connection.close('stays');
      this.env.bridge.send({ op: 'clientClosed', id: connection.id });
      if (monotonicMs() >= endMs) return;
    }
  }

  sendsSoon(): boolean {
    return this.doorbells.sendSoon();
  }

  // ---- ring --------------------------------------------------------------------------------------------------------

  tokenSent(): void {
    if (this.core.needsRetry) this.core.retry();
    this.announceAhead();
  }

  /**
   * Before the packets of this visit leave: wakes a client that waits for the one message that it has sent. Afterwards the next members of the ring
   * have the processors, and where the client shares those its next message would miss the next token.
   */
  private announceAhead(): void {
    const client = this.touched.length === 1 ? this.touched[0]! : null;
    if (client?.waitsForIt !== true) return;
    client.connection.flushEvents();
    this.ring.wokeAhead();
  }

  delivered(fn: number, nodeId: number, memory: FrameMemory, offset: number, length: number): void {
    if (fn < this.rx.length) this.rx[fn]!++;
    else this.log('warning', 'MAIN', unknownMessageText(fn, this.serviceId, this.rx.length));
    this.core.deliver(fn, nodeId, memory, offset, length);
  }

  // ---- CpgHost -----------------------------------------------------------------------------------------------------

  mcast(message: Uint8Array): boolean {
    const sent = this.ring.groups.mcast(Group.SERVICES, message);
    if (sent) this.tx[message[0]!]!++; // the low byte of the header's id is the function
    return sent;
  }

  mcastParts(
    headIn: Uint8Array,
    head: number,
    headBytes: number,
    bodyIn: Uint8Array,
    body: number,
    bodyBytes: number,
  ): boolean {
    const { groups } = this.ring;
    if (!groups.beginMessage(Group.SERVICES, headBytes + bodyBytes)) return false;
    groups.append(headIn, head, headBytes);
    groups.append(bodyIn, body, bodyBytes);
    groups.endMessage();
    this.tx[headIn[head]!]!++;
    return true;
  }

  syncInProgress(): boolean {
    return this.ring.sync.isInProgress();
  }

  hasRoom(bytes: number): boolean {
    return this.ring.hasRoom(bytes, this.sharing.holds(this.turnMs));
  }

  canEverSend(bytes: number): boolean {
    return bytes < this.ring.groups.messageBytesMax;
  }

  dropped(reason: CpgDropReason): void {
    this.drops[reason]();
  }
}
