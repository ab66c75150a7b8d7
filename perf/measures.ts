import { setTimeout as delay } from 'node:timers/promises';
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

/** One client of node 1 multicasts without a pause and counts what it gets back, while other nodes have a member that receives. */
export async function throughput(
  rig: Rig,
  bytes: number,
  seconds: number,
  warmup: number,
  syscalls = true,
): Promise<Figures> {
  // A fresh process compiles its hot code during the first seconds; a daemon runs for months.
  if (warmup > 0) await rig.client('cpgbench', 'perf', bytes, warmup);
  const { cost, result } = await rig.cost(syscalls, () =>
    rig.client<{ messages: number; perSecond: number }>('cpgbench', 'perf', bytes, seconds),
  );
  const each = (total: number): number => total / Math.max(1, result.messages);
  return {
    perSecond: result.perSecond,
    cpuUs: each(cost.cpuMs * 1000),
    switches: each(cost.switches),
    ...(cost.syscalls === null ? {} : { syscalls: each(cost.syscalls) }),
  };
}

/** One message in flight. */
export async function message(rig: Rig, count: number): Promise<Figures> {
  await rig.client('latency', 'message', count, MESSAGE_BYTES);
  return waits(await rig.client<Waits>('latency', 'message', count, MESSAGE_BYTES));
}

/** Messages on a schedule, at a share of what the ring can do. */
export async function scheduled(rig: Rig, perSecond: number, seconds: number): Promise<Figures> {
  return waits(await rig.client<Waits>('latency', 'rate', Math.round(perSecond), seconds, MESSAGE_BYTES));
}

/** A request of another service, again and again. */
export async function request(rig: Rig, service: 'cmap' | 'quorum', count: number): Promise<Figures> {
  await rig.client('latency', service, count);
  return waits(await rig.client<Waits>('latency', service, count));
}

/** Two hundred small writes, each after the delivery of the one before, from idle. */
export async function smallWrites(rig: Rig): Promise<Figures> {
  await delay(300);
  const { totalMs } = await rig.client<Waits>('latency', 'message', SMALL_WRITES, MESSAGE_BYTES);
  return { totalMs };
}

/** What a ring costs that nobody uses, by node. */
export async function idle(rig: Rig, seconds: number): Promise<Figures> {
  await delay(1000);
  const { cost } = await rig.cost(true, () => delay(seconds * 1000));
  return {
    cpuPercent: cost.cpuMs / (seconds * 10),
    switchesPerSecond: cost.switches / seconds,
    ...(cost.syscalls === null ? {} : { syscallsPerSecond: cost.syscalls / seconds }),
  };
}
