import { setImmediate as turn } from 'node:timers/promises';
import { planSteps, type SimEventPlan, type SimPlan, type SimRun } from './cluster.ts';

/** How something is spread over the runs, milliseconds. */
export interface Spread {
  readonly runs: number;
  readonly least: number;
  readonly median: number;
  readonly p90: number;
  readonly most: number;
}

export interface FailoverPrediction {
  readonly event: SimEventPlan;
  /** Until every survivor has a ring without the node, and its services are synchronised; `null`: it never happened. */
  readonly failover: Spread | null;
  /** Runs in which it did not happen before the end. */
  readonly missed: number;
}

export interface Prediction {
  readonly runs: number;
  /** Until the first ring of all nodes. */
  readonly forming: Spread | null;
  readonly failovers: readonly FailoverPrediction[];
  /** Runs in which a node that did nothing wrong was removed from a ring. */
  readonly falseRuns: number;
  /** Rings that broke and formed anew without anybody having left: each stops the cluster for a while. */
  readonly reformed: number;
  /** The chance of a false removal in one run is below this, with 95 % confidence. */
  readonly falseChanceMax: number;
}

/** Around an event that removes a node, others may be removed with it: their ring breaks. */
const AFTERMATH_MS = 60_000;

/** A signal is noticed between turns of the loop only, and a run of many nodes takes minutes. */
const TURN_MS = 50;

/** Runs a plan with so many seeds; when it is stopped, what it has seen until then. */
export async function predict(
  plan: SimPlan,
  runs: number,
  isStopped: () => boolean = () => false,
): Promise<Prediction> {
  const done: SimRun[] = [];
  let turnMs = performance.now();
  for (let seed = 1; seed <= runs && !isStopped(); seed++) {
    const steps = planSteps(plan, seed);
    for (let step = steps.next(); !isStopped(); step = steps.next()) {
      if (step.done === true) {
        done.push(step.value);
        break;
      }
      if (performance.now() - turnMs < TURN_MS) continue;
      await turn();
      turnMs = performance.now();
    }
  }
  const formed = done.filter(({ formedMs }) => formedMs !== null);
  const falseRuns = formed.filter((run) => hasFalseRemoval(plan, run)).length;
  return {
    runs: done.length,
    forming: spread(formed.flatMap(({ formedMs }) => formedMs ?? [])),
    failovers: plan.events.filter(removes).map((event) => failover(plan, event, formed)),
    falseRuns,
    reformed: formed.reduce((sum, run) => sum + reforms(run), 0),
    falseChanceMax: upperBound(falseRuns, formed.length),
  };
}

const removes = ({ kind }: SimEventPlan): boolean => kind === 'kill' || kind === 'power';

function failover(plan: SimPlan, event: SimEventPlan, runs: readonly SimRun[]): FailoverPrediction {
  const times = runs.flatMap((run) => failoverMs(plan, event, run) ?? []);
  return { event, failover: spread(times), missed: runs.length - times.length };
}

/** `null`: some survivor never had a ring without it. */
function failoverMs({ totem, events }: SimPlan, event: SimEventPlan, run: SimRun): number | null {
  if (event.kind !== 'kill' && event.kind !== 'power') return null;
  const gone = new Set(
    events.flatMap((other) => (other.kind === 'kill' || other.kind === 'power' ? [other.node] : [])),
  );
  let latest = 0;
  for (const { nodeId } of totem.members) {
    if (gone.has(nodeId)) continue;
    const seen = run.synchronised.find(
      ({ atMs, node, members }) => node === nodeId && atMs >= event.atMs && !members.includes(event.node),
    );
    if (seen === undefined) return null;
    latest = Math.max(latest, seen.atMs - event.atMs);
  }
  return latest;
}

/** A node that ran and whose links were whole left a ring of somebody who was as well. */
function hasFalseRemoval({ events }: SimPlan, run: SimRun): boolean {
  return run.changes.some(({ atMs, node, left }) =>
    left.some((gone) => !events.some((event) => excuses(event, gone, node, atMs))),
  );
}

function excuses(event: SimEventPlan, gone: number, by: number, atMs: number): boolean {
  if (atMs < event.atMs) return false;
  if (event.kind === 'cut') return [event.a, event.b].some((node) => node === gone || node === by);
  if (event.kind === 'pause')
    return (event.node === gone || event.node === by) && atMs < event.atMs + event.forMs + AFTERMATH_MS;
  return event.node === gone;
}

/** As one node sees it: all do, at about the same time. */
function reforms({ changes }: SimRun): number {
  const counts = new Map<number, number>();
  for (const { node, left } of changes) counts.set(node, (counts.get(node) ?? 0) + (left.length === 0 ? 1 : 0));
  return Math.max(0, ...counts.values());
}

function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b).map((value) => Math.round(value));
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { runs: sorted.length, least: sorted[0]!, median: at(0.5), p90: at(0.9), most: sorted.at(-1)! };
}

/** Wilson's upper bound of a share, 95 % on this side; for none at all about three in so many runs. */
function upperBound(hits: number, runs: number): number {
  if (runs === 0) return 1;
  if (hits === 0) return Math.min(1, 3 / runs);
  const z = 1.645;
  const share = hits / runs;
  const centre = share + (z * z) / (2 * runs);
  const width = z * Math.sqrt((share * (1 - share)) / runs + (z * z) / (4 * runs * runs));
  return Math.min(1, (centre + width) / (1 + (z * z) / runs));
}
