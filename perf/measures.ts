import { setTimeout as delay } from 'node:timers/promises';
import { cpuMsOf } from './counters.ts';
import { failover } from './membership.ts';
import type { Rig } from './rig.ts';

/** What one ring gives for one row: numbers by name, their units in the name's end. */
export type Figures = Readonly<Record<string, number>>;

interface Waits {
  readonly p50: number;
  readonly p99: number;
  readonly totalMs: number;
}

const waits = ({ p50, p99 }: Waits): Figures => ({ p50Us: p50, p99Us: p99 });
/** An update of Proxmox's pmxcfs, roughly. */
const SMALL_WRITES = 200;
const MESSAGE_BYTES = 64;
const LOAD_BYTES = 1400;
const LOAD_MS = 500;
const SYSCALLS_SECONDS = 0.3;
/** Code that runs twenty times a second is compiled after minutes, and a ring that nobody uses goes on for months. */
const IDLE_AFTER_MS = 60_000;

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

export interface Load {
  readonly bytes: number;
  readonly seconds: number;
  /** A fresh process compiles its hot code during the first seconds; a daemon runs for months. */
  readonly warmup: number;
  /** System calls are counted, too, afterwards: that slows each of them down. */
  readonly syscalls?: boolean;
  /** Clients that send: on the first nodes, one on each as far as there are nodes. */
  readonly senders?: number;
}

/** Clients multicast without a pause and count what they get back, while other nodes have a member that receives. */
export async function throughput(rig: Rig, load: Load): Promise<Figures> {
  const { bytes, seconds, warmup, syscalls = true, senders = 1 } = load;
  const group = groupOf(senders);
  const { nodes } = rig.lab;
  const send = (forSeconds: number): Promise<readonly Sent[]> =>
    Promise.all(
      Array.from({ length: senders }, (_, at) =>
        rig.clientOn<Sent>(nodes[at % nodes.length] ?? rig.first, 'cpgbench', group, bytes, forSeconds),
      ),
    );
  if (warmup > 0) await send(warmup);
  const { cost, result } = await rig.cost(false, () => send(seconds));
  const counted = syscalls ? await rig.cost(true, () => send(Math.min(seconds, SYSCALLS_SECONDS))) : null;
  const messagesOf = (sent: readonly Sent[]): number => Math.max(1, sum(sent.map(({ messages }) => messages)));
  const each = (total: number): number => total / messagesOf(result);
  return {
    perSecond: sum(result.map(({ perSecond }) => perSecond)),
    cpuUs: each(cost.cpuMs * 1000),
    switches: each(cost.switches),
    ...(counted === null || counted.cost.syscalls === null
      ? {}
      : { syscalls: counted.cost.syscalls / messagesOf(counted.result) }),
  };
}

interface Sent {
  readonly messages: number;
  readonly perSecond: number;
}

/** Each number of senders has a group of its own: members that receive stay in theirs. */
export const groupOf = (senders: number): string => `perf${senders}`;

/** A daemon of ours compiles its code while the first thousands of messages come: these are not what a ring does for weeks. */
const WARMUP_TIMES = 2;

/** One message in flight, and how long a rotation of the token takes meanwhile. */
export async function message(rig: Rig, count: number): Promise<Figures> {
  await rig.client('latency', 'message', WARMUP_TIMES * count, MESSAGE_BYTES);
  const tokens = await rig.counter('orf_token_rx');
  const found = await rig.client<Waits>('latency', 'message', count, MESSAGE_BYTES);
  const rotations = Math.max(1, (await rig.counter('orf_token_rx')) - tokens);
  return { ...waits(found), rotationUs: (found.totalMs * 1000) / rotations };
}

/** Messages on a schedule, at a share of what the ring can do. */
export async function scheduled(rig: Rig, perSecond: number, seconds: number): Promise<Figures> {
  return waits(await rig.client<Waits>('latency', 'rate', Math.round(perSecond), seconds, MESSAGE_BYTES));
}

/** The same while another client of node 1 multicasts without a pause. */
export async function underLoad(rig: Rig, perSecond: number, seconds: number): Promise<Figures> {
  const load = await rig.load(LOAD_BYTES);
  await delay(LOAD_MS);
  const figures = await scheduled(rig, perSecond, seconds);
  await load.stop('SIGKILL');
  return figures;
}

/** A request of another service, again and again. */
export async function request(rig: Rig, service: 'cmap' | 'quorum', count: number): Promise<Figures> {
  await rig.client('latency', service, WARMUP_TIMES * count);
  return waits(await rig.client<Waits>('latency', service, count));
}

/** Two hundred small writes, each after the delivery of the one before, from idle. */
export async function smallWrites(rig: Rig): Promise<Figures> {
  await delay(300);
  const { totalMs } = await rig.client<Waits>('latency', 'message', SMALL_WRITES, MESSAGE_BYTES);
  return { totalMs };
}

/** What a ring costs that nobody uses: node 1, and the processor time of all. */
export async function idle(rig: Rig, seconds: number): Promise<Figures> {
  await delay(IDLE_AFTER_MS);
  const all = (): number => rig.lab.nodes.reduce((sum, { daemon }) => sum + cpuMsOf(daemon?.pid ?? 0), 0);
  const before = all();
  const { cost } = await rig.cost(true, () => delay(seconds * 1000));
  return {
    cpuPercent: cost.cpuMs / (seconds * 10),
    ringPercent: (all() - before) / (seconds * 10),
    switchesPerSecond: cost.switches / seconds,
    ...(cost.syscalls === null ? {} : { syscallsPerSecond: cost.syscalls / seconds }),
  };
}

/** The node that is killed is the last one; load is that of a client on node 1. */
export async function membership(
  rig: Rig,
  loaded: boolean,
): Promise<{ readonly lost: Figures; readonly back: Figures }> {
  const load = loaded ? await rig.load(LOAD_BYTES) : null;
  const { lostMs, backMs } = await failover(rig.lab);
  await load?.stop('SIGKILL');
  return { lost: { viewMs: lostMs }, back: { viewMs: backMs } };
}
