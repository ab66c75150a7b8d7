import { Socket } from 'node:net';
import { type ResourceLimits, Worker } from 'node:worker_threads';
import { MainBridge } from '../../src/bridge/main-bridge.ts';
import type { FromRing, RingQuery, ToRing } from '../../src/bridge/messages.ts';
import type { RecordWriter } from '../../src/bridge/record-ring.ts';
import {
  DEFAULT_RING_WORKER_OPTIONS,
  type FlightMemory,
  RING_WORKER_DATA_VERSION,
  type RingWorkerData,
} from '../../src/bridge/ring-worker-data.ts';
import { allocateShared } from '../../src/bridge/shared-layout.ts';
import type { TotemConfig, TotemTimings, TransportName } from '../../src/config/totem-config.ts';
import { type FlightRecord, flightLayout, readFlight, writeFlightHeader } from '../../src/observe/flight/index.ts';
import { Arena } from '../../src/os/arena.ts';
import { closeEventfd, openEventfd, signalEventfd } from '../../src/os/eventfd.ts';
import { closeFd } from '../../src/os/fd.ts';
import { openSocketPair } from '../../src/os/socket.ts';
import { knetLinkDefaults, partDefaults } from '../config/defaults.ts';
import { timings } from '../totem/bench.ts';

/** Stock's timers, shortened: a test should not wait for seconds. */
export const TIMINGS: TotemTimings = {
  ...timings({ tokenMs: 400 }),
  tokenRetransmitsBeforeLoss: 4,
  downcheckMs: 1000,
};

/** A flight recorder's memory without a file. */
export class TestFlight {
  readonly memory: FlightMemory;
  private readonly arena: Arena;

  constructor() {
    const layout = flightLayout([1000, 10, 10]);
    this.arena = Arena.map(layout.bytes);
    this.arena.u8.set(writeFlightHeader({ nodeId: 1, id: '00'.repeat(16), livePath: '', layout }));
    const { address, byteLength } = this.arena;
    this.memory = { address, byteLength, records: layout.parts.map((part) => part.records), life: 1, lastSequence: 0 };
  }

  records(): readonly FlightRecord[] {
    return readFlight(this.arena.u8)?.records ?? [];
  }
}

/** Ports of this process: several clones may run the tests at the same time. */
export const testPort = (index: number): number => 20_000 + (process.pid % 2000) * 20 + index;

/** Node n has the address 127.0.0.n. */
export function totemConfig(
  nodeId: number,
  nodes: number,
  port: number,
  transport: TransportName = 'udpu',
  changes: Partial<TotemTimings> = {},
): TotemConfig {
  const address = (id: number): string => `127.0.0.${id}`;
  return {
    nodeId,
    clusterName: 'test',
    transport,
    netMtu: 1500,
    ipDscp: 0,
    linkPolicy: 'passive',
    ...partDefaults(),
    timings: { ...TIMINGS, ...changes },
    links: [
      {
        linkId: 0,
        bindAddress: address(nodeId),
        family: 4,
        port,
        multicastAddress: '239.192.1.72',
        broadcast: false,
        ttl: 1,
        knet: knetLinkDefaults(4000),
      },
    ],
    members: Array.from({ length: nodes }, (_, i) => ({ nodeId: i + 1, name: '', addresses: [address(i + 1)] })),
    crypto: { model: 'none', cipher: 'none', hash: 'none', keyFingerprint: '' },
    tokenNodes: 1,
  };
}

/** The main thread's side of one ring thread, as small as it can be. */
export class TestRing {
  readonly messages: FromRing[] = [];
  readonly delivered: { readonly nodeId: number; readonly text: string }[] = [];
  readonly bridge: MainBridge;
  readonly exited: Promise<number>;
  readonly statistics = new Map<string, number>();
  /** What the thread has recorded. */
  readonly flight = new TestFlight();
  private readonly worker: Worker;
  private readonly doorbell: Socket;
  private readonly waiters = new Set<() => void>();
  private draining = false;

  constructor(options: Partial<RingWorkerData['options']> = {}, resourceLimits: ResourceLimits = {}) {
    const shared = allocateShared();
    const ringDoorbellFd = openEventfd();
    const [mainFd, mainDoorbellFd] = openSocketPair();
    this.bridge = new MainBridge(shared, () => signalEventfd(ringDoorbellFd));
    this.doorbell = new Socket({ fd: mainFd, readable: true, writable: false });
    this.doorbell.on('data', () => this.drain());
    this.doorbell.on('error', () => {});
    const workerData: RingWorkerData = {
      version: RING_WORKER_DATA_VERSION,
      shared,
      ringDoorbellFd,
      mainDoorbellFd,
      localMemory: null,
      transmit: null,
      options: { ...DEFAULT_RING_WORKER_OPTIONS, flight: this.flight.memory, ...options },
    };
    this.worker = new Worker(new URL('../../workers/ring.js', import.meta.url), { workerData, resourceLimits });
    this.worker.on('error', (error) =>
      this.messages.push({ op: 'fatal', code: 'worker', message: String(error.stack) }),
    );
    this.exited = new Promise((resolve) => {
      this.worker.once('exit', (code) => {
        this.drain();
        this.doorbell.destroy();
        closeFd(mainDoorbellFd);
        closeEventfd(ringDoorbellFd);
        resolve(code);
      });
    });
    this.drain();
  }

  start(config: TotemConfig, remoteServices: readonly number[] = [0, 1, 3], storedRingSeq = 0): void {
    this.send({
      op: 'start',
      config,
      reportProcesses: true,
      storedRingSeq,
      reservedRingSeq: storedRingSeq + 1000,
      remoteServices: remoteServices.map((serviceId) => ({
        serviceId,
        takesPartInSync: serviceId === 3,
        processGroup: null,
      })),
    });
    this.send({ op: 'servicesLoaded' });
  }

  send(message: ToRing): void {
    this.bridge.send(message);
  }

  /** Multicasts a message of service 1, or of another, function 9. */
  mcast(text: string, service = 1): boolean {
    const bytes = new Uint8Array(16 + text.length);
    bytes.set(Buffer.from(text, 'latin1'), 16);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, (service << 16) | 9, true);
    view.setInt32(8, bytes.length, true);
    return this.bridge.mcast(service, 9, bytes);
  }

  async until(what: string, condition: () => boolean, timeoutMs = 10_000): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (!condition()) return;
        clearTimeout(timer);
        this.waiters.delete(check);
        resolve();
      };
      const timer = setTimeout(() => {
        this.waiters.delete(check);
        reject(new Error(`not within ${timeoutMs} ms: ${what}; seen: ${JSON.stringify(this.messages.slice(-12))}`));
      }, timeoutMs);
      this.waiters.add(check);
    });
  }

  /** Waits for the sync that ends with these members. */
  async synced(members: readonly number[], timeoutMs = 10_000): Promise<void> {
    const isSynced = (): boolean => {
      const done = this.messages.findLast((message) => message.op === 'syncCompleted');
      const change = this.messages.findLast((message) => message.op === 'configurationChange');
      return (
        done?.op === 'syncCompleted' &&
        change?.op === 'configurationChange' &&
        change.change.members.join() === members.join() &&
        done.ringId.seq === change.change.ringId.seq
      );
    };
    await this.until(`sync of ${members.join(' ')}`, isSynced, timeoutMs);
  }

  private nextQuery = 1;
  async query(what: RingQuery): Promise<unknown> {
    const queryId = this.nextQuery++;
    this.send({ op: 'query', queryId, what });
    let value: unknown;
    await this.until(`answer to ${what}`, () => {
      const result = this.messages.findLast((message) => message.op === 'queryResult' && message.queryId === queryId);
      if (result?.op !== 'queryResult') return false;
      value = result.value;
      return true;
    });
    return value;
  }

  sendUnknownRecord(): void {
    (Reflect.get(this.bridge, 'writer') as RecordWriter).tryWrite(99, 0, new Uint8Array(4), 0, 4);
    this.send({ op: 'servicesLoaded' }); // wakes the thread
  }

  async stop(): Promise<void> {
    this.send({ op: 'stop' });
    await this.exited;
  }

  statistic(name: string): number {
    return this.bridge.views.statistics[this.statistics.get(name) ?? -1] ?? Number.NaN;
  }

  private drain(): void {
    if (this.draining) return;
    this.draining = true;
    const more = this.bridge.drain({
      message: (message) => this.message(message),
      deliver: (nodeId, payload) => {
        this.delivered.push({ nodeId, text: Buffer.from(payload.slice(16)).toString('latin1') });
      },
    });
    this.draining = false;
    for (const waiter of this.waiters) waiter();
    if (more) setImmediate(() => this.drain());
  }

  private message(message: FromRing): void {
    this.messages.push(message);
    if (message.op === 'statistics') for (const { name, slot } of message.names) this.statistics.set(name, slot);
    if (message.op === 'reserveRingSeq') this.send({ op: 'ringSeqReserved', upTo: message.upTo + 1000 });
    if (message.op === 'sync' && message.step.kind === 'process') {
      this.send({ op: 'syncDone', serviceId: message.step.serviceId, ringId: message.step.ringId });
    }
  }
}
