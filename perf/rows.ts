import type { DaemonKind } from '../test/interop/lab/node.ts';
import { memory, startTimes } from './footprint.ts';
import { lossy } from './lossy.ts';
import {
  type Figures,
  groupOf,
  idle,
  membership,
  message,
  request,
  scheduled,
  smallWrites,
  throughput,
  underLoad,
} from './measures.ts';
import { Rig, type Setup } from './rig.ts';

export const MEASURES = [
  'throughput',
  'senders',
  'message',
  'half',
  'full',
  'requests',
  'writes',
  'idle',
  'start',
  'memory',
  'formation',
  'failover',
  'loss',
] as const;
type Measure = (typeof MEASURES)[number];

export interface Wanted {
  readonly measures: readonly Measure[];
  readonly sizes: readonly number[];
  /** Shares of datagrams that are lost, percent. */
  readonly losses: readonly number[];
  readonly seconds: number;
  readonly warmup: number;
}

/** Figures of one ring by the names of their rows. */
type Rows = Map<string, Figures>;
type Measuring = (rig: Rig, wanted: Wanted, rows: Rows) => Promise<void>;

/** So many are measured after twice as many that are not: 200 small writes show what a fresh daemon takes. */
const ROUND_TRIPS = 12_000;
const SENDERS = 3;
/** Rates that both kinds of daemon carry, so that their waits can be compared. */
const HALF_LOAD = 10_000;
const RATE_UNDER_LOAD = 500;
const LOSS_BYTES = 1400;
const MEMORY_SECONDS_MIN = 5;
const IDLE_SECONDS_MIN = 4;

/** The first load of a ring compiles the code of all: with three nodes and 64 B rates go on growing for five seconds. */
const FIRST_WARMUP_TIMES = 3;

async function rates(rig: Rig, { sizes, seconds, warmup }: Wanted, rows: Rows, senders: number): Promise<void> {
  await rig.receivers(groupOf(senders), senders);
  const suffix = senders === 1 ? '' : `, ${senders} senders`;
  for (const [at, bytes] of sizes.entries()) {
    const load = { bytes, seconds, warmup: at === 0 ? FIRST_WARMUP_TIMES * warmup : warmup, senders };
    rows.set(`${bytes} B${suffix}`, await throughput(rig, load));
  }
}

/** In the order in which they are measured: what needs a fresh or an idle daemon comes first, what breaks the ring last. */
const MEASURING: Readonly<Record<Measure, Measuring>> = {
  formation: async (rig, _, rows) => void rows.set('formation', { viewMs: rig.formedMs }),
  start: async (rig, _, rows) => void rows.set('start', await startTimes(rig)),
  memory: async (rig, { seconds }, rows) =>
    void rows.set('memory', await memory(rig, Math.max(MEMORY_SECONDS_MIN, seconds))),
  idle: async (rig, { seconds }, rows) => void rows.set('idle', await idle(rig, Math.max(IDLE_SECONDS_MIN, seconds))),
  writes: async (rig, _, rows) => void rows.set('200 small writes', await smallWrites(rig)),
  requests: async (rig, _, rows) => {
    rows.set('cmap_get', await request(rig, 'cmap', ROUND_TRIPS));
    rows.set('quorum_getquorate', await request(rig, 'quorum', ROUND_TRIPS));
  },
  message: async (rig, _, rows) =>
    void rows.set('one message', await message(rig, Math.ceil(ROUND_TRIPS / rig.lab.nodes.length))),
  half: async (rig, { seconds }, rows) =>
    void rows.set(`${HALF_LOAD} messages/s`, await scheduled(rig, HALF_LOAD, seconds)),
  full: async (rig, { seconds }, rows) => void rows.set('at full load', await underLoad(rig, RATE_UNDER_LOAD, seconds)),
  throughput: (rig, wanted, rows) => rates(rig, wanted, rows, 1),
  senders: (rig, wanted, rows) => rates(rig, wanted, rows, SENDERS),
  loss: async (rig, { losses, seconds }, rows) => {
    if (rig.lab.nodes.length === 1) return;
    for (const percent of losses) {
      const { perSec, ringChanges } = await lossy(rig.lab, percent, LOSS_BYTES, seconds);
      rows.set(`${percent} % lost`, { lossyPerSecond: perSec, newRings: ringChanges });
    }
    for (const node of rig.lab.nodes) await node.heal();
  },
  failover: async (rig, _, rows) => {
    if (rig.lab.nodes.length === 1) return;
    for (const loaded of [false, true]) {
      const { lost, back } = await membership(rig, loaded);
      const state = loaded ? 'loaded' : 'idle';
      rows.set(`failover, ${state}`, lost);
      rows.set(`rejoin, ${state}`, back);
    }
  },
};

/** All figures of one ring, row by row. */
export async function measureRing(setup: Setup, kind: DaemonKind, wanted: Wanted): Promise<Rows> {
  const rows: Rows = new Map();
  const names = (Object.keys(MEASURING) as Measure[]).filter((name) => wanted.measures.includes(name));
  await Rig.with(setup, kind, async (rig) => {
    for (const name of names) await MEASURING[name](rig, wanted, rows);
  });
  return rows;
}
