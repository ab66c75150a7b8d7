import { getHeapStatistics } from 'node:v8';
import { receiveMessageOnPort } from 'node:worker_threads';
import { KeyBox } from '../bridge/key-box.ts';
import { RecordKind, type RingHeap, type RingQuery, type ToRing } from '../bridge/messages.ts';
import { RingBridge } from '../bridge/ring-bridge.ts';
import type { RingWorkerData } from '../bridge/ring-worker-data.ts';
import { StateWord } from '../bridge/shared-layout.ts';
import { assert, unreachable } from '../lib/assert.ts';
import { RondoError } from '../lib/errors.ts';
import { failureText } from '../lib/failure.ts';
import { type FlightLog, PAUSE_NOTICED_BY } from '../observe/flight/index.ts';
import { ARENA_BYTES_MAX, Arena } from '../os/arena.ts';
import { monotonicMs } from '../os/clock.ts';
import { CollectionWatch } from '../os/collection-watch.ts';
import { clearEventfd, notifyBytesAddress } from '../os/eventfd.ts';
import { withinMemory } from '../os/memory-limit.ts';
import { lockRange, roundRobinPriorityMax, setRoundRobin, yieldCpu } from '../os/schedule.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL, sendBytes } from '../os/socket.ts';
import { TransmitShared } from '../transport/knet/transmit/shared.ts';
import { KERNEL_WIRE } from '../transport/wire.ts';
import { Deafness } from './deafness.ts';
import { Descriptors } from './descriptors.ts';
import { openRingFlight } from './flight.ts';
import { RunningRing } from './running-ring.ts';
import { SharedStatistics } from './shared-statistics.ts';
import { SpinControl } from './spin-control.ts';
import { WarmUpSlices } from './warm-up/slices.ts';

/** Records of the main thread that one turn handles. */
const RECORDS_PER_TURN = 64;
/** Rounds of the loop between two looks at whether it has ended. */
const ROUNDS_PER_CALL = 64;
/** Busy turns between two looks at the descriptors. */
const TURNS_PER_LOOK = 64;
const SLEEP_MS_MAX = 1000;
/** A sleep shorter than this is not rounded up to milliseconds. */
const EXACT_MS = 1;
/** While the ring stalls for the main thread, it looks this often whether that reads again. */
const STALL_LOOK_MS = 5;
/** The thread's own lateness is reported when a turn came this much too late (config-and-tools.md 4.4). */
const PAUSE_SHARE = 0.8;
/** How long `stop` waits for the send queue. */
const DRAIN_MS = 500;

/** Frames, send queues and assemblies. Reserved address space: only what is used is touched. */
const TOTEM_REGION_BYTES_MAX = 256 << 20;
/** On a small machine: the ring slows down when this is full, and goes on. */
const TOTEM_REGION_SHARE = 1 / 5;
const TOTEM_REGION_BYTES_MIN = 24 << 20;
const PAGE_BYTES = 4096;

/** Messages that must keep their order behind multicasts that found no room. */
type Deferred =
  | { readonly kind: 'mcast'; readonly bytes: Uint8Array }
  | { readonly kind: 'message'; readonly message: ToRing };

/**
 * The ring thread: waits in epoll, never for anything else, and never returns to libuv.
 *
 *   turn:  records of the main thread → clients' requests → network → timers → flush → events to clients and main
 *   nothing done:  spin a little while that pays (spin-control.ts), then sleep until a descriptor or the next deadline
 */
export class RingThread {
  private readonly bridge: RingBridge;
  private readonly arena = Arena.map(ARENA_BYTES_MAX);
  private readonly descriptors = new Descriptors();
  private readonly deafness = new Deafness();
  private readonly statistics: SharedStatistics;
  private readonly spin: SpinControl;
  private readonly decoder = new TextDecoder();
  private readonly deferred: Deferred[] = [];
  private readonly keys = new KeyBox();
  private readonly collections = new CollectionWatch();
  private readonly flight: FlightLog;
  private ring: RunningRing | null = null;
  private warmUp: WarmUpSlices | null = null;
  private stopAtMs = Number.POSITIVE_INFINITY;
  private ended = false;
  private turns = 0;
  private expectedMs = Number.POSITIVE_INFINITY;
  private tokenMs = 1000;

  constructor(private readonly data: RingWorkerData) {
    this.bridge = new RingBridge(
      data.shared,
      () => {
        // A full socket buffer means that the main thread has plenty to wake up for.
        sendBytes(data.mainDoorbellFd, notifyBytesAddress, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
      },
      () => monotonicMs(),
    );
    this.statistics = new SharedStatistics(this.bridge.views.statistics);
    this.flight = openRingFlight(data.options.flight);
    this.spin = new SpinControl(data.options.spinUs / 1000);
    this.descriptors.add(data.ringDoorbellFd, () => {
      clearEventfd(data.ringDoorbellFd);
    });
  }

  /** Until `stop`. */
  run(): void {
    this.schedule();
    this.bridge.send({ op: 'ready' });
    while (!this.ended) this.rounds();
    this.warmUp?.end('the node stops');
    this.descriptors.close();
    if (this.mayUnmap) this.arena.unmap(); // a program may go on, and start another node
  }

  /** Some rounds of the loop. A function that runs for ever is compiled in the middle of a round, a second time, as soon as it sees something new. */
  private rounds(): void {
    for (let i = 0; i < ROUNDS_PER_CALL && !this.ended; i++) this.round();
  }

  private round(): void {
    const nowMs = monotonicMs();
    const work = this.turn(nowMs);
    if (this.ring !== null) this.spin.turn(nowMs, this.ring.messages);
    if (work > 0) {
      this.spin.worked();
      if (++this.turns % TURNS_PER_LOOK === 0) this.look(nowMs);
      if (this.ring?.drained !== true || this.deferred.length > 0) return;
    }
    if (this.spin.maySpin(nowMs)) {
      yieldCpu(); // with two spinners on one core nothing would move without it
    } else {
      this.sleep();
    }
  }

  /** What a busy loop, which does not come to sleep, has to see as well. */
  private look(nowMs: number): void {
    this.descriptors.wait(0);
    if (this.ring !== null) this.warmUp?.look(nowMs, this.ring.messages);
  }

  /** Not while a transmit thread may be at work in it, because another one has failed. */
  private get mayUnmap(): boolean {
    const { transmit } = this.data;
    if (transmit === null) return true;
    const shared = new TransmitShared(transmit);
    return !shared.hasFailed || shared.haveEnded;
  }

  private turn(nowMs: number): number {
    const { state } = this.bridge.views;
    state[StateWord.LOOP_TURNS] = (state[StateWord.LOOP_TURNS]! + 1) | 0;
    this.watchLateness(nowMs);
    let work = this.readRecords();
    if (this.bridge.takeKnock()) this.ring?.knocked();
    const stalled = this.isStalled(nowMs);
    if (stalled !== (state[StateWord.STALLED] === 1)) this.reportStall(stalled);
    if (this.ring !== null && !stalled) {
      if (this.deferred.length > 0) this.runDeferred();
      work += this.ring.turn(nowMs);
    }
    if (this.stopAtMs < Number.POSITIVE_INFINITY && (nowMs >= this.stopAtMs || this.ring?.isDrained() === true)) {
      this.end();
    }
    if (nowMs >= this.bridge.limit.dueMs) this.bridge.limit.report();
    this.announceStatistics();
    this.bridge.flush();
    return work;
  }

  private sleep(): void {
    const { ring } = this;
    const startMs = monotonicMs();
    ring?.beforeSleep(startMs);
    const stalled = this.isStalled(startMs);
    const ringMs = stalled ? startMs + STALL_LOOK_MS : (ring?.nextDeadlineMs() ?? Number.POSITIVE_INFINITY);
    const timeoutMs = sleepMs(Math.min(ringMs, this.stopAtMs) - startMs);
    if (timeoutMs <= 0 || !this.bridge.prepareSleep()) {
      this.spin.sleeps(startMs);
      return;
    }
    this.spin.sleeps(startMs);
    const ready = this.wait(startMs, timeoutMs);
    this.bridge.awake();
    if (ready > 0) this.spin.wakes(monotonicMs());
  }

  /** Until something comes, or `timeoutMs` are over; less, when the warm-up has a use for the time. */
  private wait(startMs: number, timeoutMs: number): number {
    const { ring, warmUp } = this;
    const practises = warmUp !== null && ring?.synchronized === true;
    const limitMs = practises ? warmUp.practise(startMs, timeoutMs, ring.messages) : timeoutMs;
    if (warmUp?.isOver === true) this.warmUp = null;
    this.expectedMs = startMs + limitMs;
    return this.descriptors.wait(limitMs);
  }

  // ---- records of the main thread ----------------------------------------------------------------------------------

  private readRecords(): number {
    const { reader } = this.bridge;
    let count = 0;
    while (count < RECORDS_PER_TURN && reader.peek()) {
      count++;
      const { kind, payloadOffset, payloadLength } = reader;
      const payload = reader.bytes.subarray(payloadOffset, payloadOffset + payloadLength);
      if (kind === RecordKind.MCAST) this.mcast(payload);
      else if (kind === RecordKind.KEY) this.keys.take(payload);
      else {
        assert(kind === RecordKind.JSON, 'unknown record from the main thread');
        const message = JSON.parse(this.decoder.decode(payload.slice())) as ToRing;
        reader.release();
        this.message(message);
        continue;
      }
      reader.release();
    }
    if (count > 0) this.bridge.recordsRead();
    return count;
  }

  private mcast(payload: Uint8Array): void {
    const sent = this.deferred.length === 0 && this.ring?.router.mcast(payload) === true;
    if (!sent) this.deferred.push({ kind: 'mcast', bytes: payload.slice() });
  }

  /** Multicasts that found no room, and what came after them and must stay there. */
  private runDeferred(): void {
    for (let next = this.deferred[0]; next !== undefined; next = this.deferred[0]) {
      if (next.kind === 'mcast' && this.ring?.router.mcast(next.bytes) !== true) return;
      this.deferred.shift();
      if (next.kind === 'message') this.apply(next.message);
    }
  }

  private message(message: ToRing): void {
    // "Everything that it sent precedes this record", and an orderly end comes after what was multicast before it.
    const ordered =
      message.op === 'reloadDone' ||
      message.op === 'syncDone' ||
      message.op === 'stop' ||
      message.op === 'unloadService';
    if (ordered && this.deferred.length > 0) this.deferred.push({ kind: 'message', message });
    else this.apply(message);
  }

  private apply(message: ToRing): void {
    const { ring } = this;
    switch (message.op) {
      case 'start':
        this.start(message);
        break;
      case 'reconfigure':
        this.tokenMs = message.config.timings.tokenMs;
        ring?.reconfigure(message.config);
        this.keys.wipe();
        break;
      case 'change':
        this.tokenMs = message.changes.timings.tokenMs ?? this.tokenMs;
        ring?.change(message.changes);
        break;
      case 'nozzle':
        ring?.transport.useNozzle?.(message.fd);
        break;
      case 'reloadDone':
        ring?.reloads.done();
        break;
      case 'ringSeqReserved':
        ring?.groups.srp.ringSeqReserved(message.upTo);
        ring?.transport.flush();
        break;
      case 'clientAttach':
        ring?.attach(message.client);
        break;
      case 'localAttach':
        ring?.attachLocal(message.client, this.localMemory());
        break;
      case 'syncDone':
        ring?.sync.processDone(message.serviceId, message.ringId);
        break;
      case 'servicesLoaded':
        ring?.servicesLoaded();
        break;
      case 'forceGather':
        ring?.groups.srp.forceGather();
        ring?.transport.flush();
        break;
      case 'query':
        this.bridge.send({ op: 'queryResult', queryId: message.queryId, value: this.resultOf(message.what) });
        break;
      case 'unloadService':
        ring?.unload(message.serviceId);
        this.bridge.send({ op: 'serviceUnloaded', serviceId: message.serviceId });
        break;
      case 'stop':
        this.stopAtMs = ring === null ? 0 : monotonicMs() + DRAIN_MS;
        if (ring === null) this.end();
        break;
      case 'die':
        ring?.die();
        this.bridge.flush();
        this.ended = true;
        break;
      case 'deafTo':
        this.deafness.set(message.addresses);
        break;
      case 'pause':
        Atomics.wait(this.bridge.views.state, StateWord.PAUSED, 1);
        break;
      default:
        unreachable(message);
    }
  }

  /** What the program's thread has sent ahead of the record in hand. This thread never returns to libuv, and needs not. */
  private localMemory(): SharedArrayBuffer {
    const { localMemory } = this.data;
    const memory: unknown = localMemory === null ? null : receiveMessageOnPort(localMemory)?.message;
    assert(memory instanceof SharedArrayBuffer, 'the memory of a client precedes it');
    return memory;
  }

  private start(message: Extract<ToRing, { op: 'start' }>): void {
    const { arena, bridge, descriptors, deafness, statistics, keys, flight } = this;
    this.tokenMs = message.config.timings.tokenMs;
    try {
      const { transmit } = this.data;
      const wire = KERNEL_WIRE;
      const environment = { arena, bridge, descriptors, deafness, statistics, keys, flight, transmit, wire };
      const ring = new RunningRing(environment, message, totemRegionBytes(), monotonicMs());
      ring.open();
      this.ring = ring;
      if (this.data.options.warmUp) this.warmUp = new WarmUpSlices(message.config, bridge.log);
    } finally {
      keys.wipe();
    }
    if (this.data.options.lockMemory) this.lockFrames();
  }

  /** What Totem and the transport have taken of the arena; files of clients that are mapped behind it stay as they are. */
  private lockFrames(): void {
    const { arena } = this;
    const locked = lockRange(arena.address, arena.byteLength - arena.freeBytes);
    if (!locked.ok) this.bridge.log('warning', 'MAIN', `Could not lock the memory of the frames: ${locked.errno}`);
  }

  private resultOf(what: RingQuery): unknown {
    if (what === 'heap') return this.heap();
    const { ring } = this;
    if (ring === null) return null;
    switch (what) {
      case 'links':
        return ring.transport.linkStatus();
      case 'clients':
        return ring.describeClients();
      case 'engines':
        return ring.describeEngines();
      case 'stats':
        return { phase: ring.groups.srp.phase, members: ring.groups.srp.members, ringId: ring.groups.srp.ringId };
    }
  }

  private heap(): RingHeap {
    this.collections.start();
    return { usedBytes: getHeapStatistics().used_heap_size, collections: this.collections.take() };
  }

  private end(): void {
    this.ring?.leave();
    this.bridge.send({ op: 'stopped', ringSeqUsed: this.ring?.groups.srp.ringId.seq ?? 0 });
    this.bridge.flush();
    this.ended = true;
  }

  /** The loop threw: reports to the main thread why, and closes what a program that goes on would have open for ever, as far as that still works. */
  fail(error: unknown): void {
    try {
      this.bridge.send({ op: 'fatal', ...fatalText(error) });
      this.bridge.flush();
      this.warmUp?.end('the thread fails');
      this.ring?.die();
      this.descriptors.close();
    } catch {
      // The worker's 'error' event follows in any case.
    }
  }

  // ---- the thread itself -------------------------------------------------------------------------------------------

  /** As stock: SCHED_RR if it may, with a clear message if not, going on without (config-and-tools.md 1.5.7). */
  private schedule(): void {
    const { schedRr, schedPriority } = this.data.options;
    if (!schedRr) return;
    const got = setRoundRobin(schedPriority > 0 ? schedPriority : roundRobinPriorityMax());
    if (!got.ok)
      this.bridge.log('warning', 'MAIN', `Could not set SCHED_RR at priority ${schedPriority}: ${got.errno}`);
  }

  private watchLateness(nowMs: number): void {
    const lateMs = nowMs - this.expectedMs;
    this.expectedMs = nowMs;
    const thresholdMs = this.tokenMs * PAUSE_SHARE;
    if (lateMs <= thresholdMs) return;
    this.flight.write('pause', { ms: lateMs, noticedBy: PAUSE_NOTICED_BY.indexOf('ring thread'), thresholdMs });
    this.bridge.send({ op: 'paused', timestampMs: Date.now(), delayMs: lateMs, thresholdMs });
  }

  /** The main thread is far behind, or the ring waits for its reload. */
  private isStalled(nowMs: number): boolean {
    return this.bridge.isSaturated() || this.ring?.reloads.holds(nowMs, this.tokenMs) === true;
  }

  private reportStall(stalled: boolean): void {
    Atomics.store(this.bridge.views.state, StateWord.STALLED, stalled ? 1 : 0);
  }

  private announceStatistics(): void {
    const names = this.statistics.takeFresh();
    if (names.length > 0) this.bridge.send({ op: 'statistics', names });
  }
}

/** Totem's part of the arena, whole pages. */
function totemRegionBytes(): number {
  const wanted = withinMemory(TOTEM_REGION_BYTES_MAX, TOTEM_REGION_SHARE);
  return Math.max(TOTEM_REGION_BYTES_MIN, wanted) & -PAGE_BYTES;
}

/** How long to sleep until something is due: what is near is met exactly, the rest to the next millisecond. */
const sleepMs = (dueMs: number): number => (dueMs < EXACT_MS ? dueMs : Math.min(SLEEP_MS_MAX, Math.ceil(dueMs)));

/** For `fatal`: what the main thread logs and exits with. */
function fatalText(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof RondoError) return { code: error.code, message: error.message };
  return { code: 'RONDO_RING_FAILED', message: failureText(error) }; // its stack follows with the end of the worker
}
