import { type Call, isLinearizable, type Model } from './linearizability.ts';

/** What programs of a test write down, one JSON object a line: a call when it begins, its result when there is one. Times are of one clock. */
export type HistoryLine =
  | { readonly begins: string; readonly what: MapInput | CounterInput; readonly at: number }
  | { readonly ends: string; readonly output: string | boolean; readonly at: number };

/** Values of a key are unique texts, and empty before the first one. */
export type MapInput =
  | { readonly key: string; readonly op: 'read' }
  | { readonly key: string; readonly op: 'write'; readonly value: string }
  | { readonly key: string; readonly op: 'swap'; readonly from: string; readonly to: string };

export type CounterInput = { readonly key: null; readonly op: 'add' | 'read' };

type MapCall = Call<MapInput, string | boolean>;
type CounterCall = Call<CounterInput, string | boolean>;

const VALUE: Model<string, MapInput, string | boolean> = {
  initial: '',
  step: (value, input) => {
    if (input.op === 'read') return [value, value];
    if (input.op === 'write') return [input.value, true];
    return value === input.from ? [input.to, true] : [value, false];
  },
  key: String,
};

export interface Verdict {
  readonly problems: readonly string[];
  /** Calls with a known result. */
  readonly known: number;
  readonly unknown: number;
}

/** Whether one order explains all calls, key by key; and for the counter, too. Calls without a result may have happened, late, or not. */
export function checkHistory(lines: readonly HistoryLine[]): Verdict {
  const results = new Map(lines.flatMap((line) => ('ends' in line ? [[line.ends, line] as const] : [])));
  const keys = new Map<string, MapCall[]>();
  const counter: CounterCall[] = [];
  let known = 0;
  let unknown = 0;
  for (const line of lines) {
    if (!('begins' in line)) continue;
    const end = results.get(line.begins);
    if (end === undefined) unknown++;
    else known++;
    if (end === undefined && line.what.op === 'read') continue; // it changed nothing
    const rest = { output: end?.output, began: line.at, ended: end?.at ?? Number.POSITIVE_INFINITY };
    const { what } = line;
    if (what.key === null) counter.push({ input: what, ...rest });
    else keys.set(what.key, [...(keys.get(what.key) ?? []), { input: what, ...rest }]);
  }
  const wrong = [...keys].flatMap(([key, calls]) =>
    isLinearizable(VALUE, calls) ? [] : [`no order explains the ${calls.length} calls of key ${key}`],
  );
  return { problems: [...wrong, ...checkCounter(counter)], known, unknown };
}

/**
 * Of a counter to which only 1 is added: sums name the order, so no search is needed. Every sum is given once, no call that began after
 * another one ended has a smaller one, and a sum that nobody got is that of a call without a result.
 */
export function checkCounter(calls: readonly CounterCall[]): string[] {
  const problems: string[] = [];
  const place = ({ input, output }: CounterCall): number => 2 * Number(output) + (input.op === 'read' ? 1 : 0);
  const ordered = calls
    .filter(({ output }) => output !== undefined)
    .sort((a, b) => place(a) - place(b) || a.began - b.began);
  const lost = calls.filter(({ output }) => output === undefined).sort((a, b) => a.began - b.began);
  let latest: CounterCall | null = null;
  let sum = 0;
  let used = 0;
  for (const call of ordered) {
    const value = Number(call.output);
    const isAdd = call.input.op === 'add';
    if (isAdd && value <= sum) problems.push(`the sum ${value} was given twice`);
    if (latest !== null && call.ended < latest.began) {
      problems.push(`${shown(call)} was over before a call began that has less: ${shown(latest)}`);
    }
    const missing = value - sum - (isAdd ? 1 : 0);
    for (let i = 0; i < missing; i++) {
      const adder = lost[used++];
      if (adder === undefined) problems.push(`nobody made the sum ${sum + i + 1}`);
      else if (adder.began > call.ended) problems.push(`the sum ${sum + i + 1} was made before its call`);
    }
    if (latest === null || call.began > latest.began) latest = call;
    sum = Math.max(sum, value);
  }
  return problems;
}

const shown = ({ input, output, began, ended }: CounterCall): string => `${input.op} = ${output} [${began}, ${ended}]`;

/** What holders of a lock write into what it protects. */
export type ResourceLine =
  | { readonly what: 'enter' | 'leave'; readonly holder: string; readonly token: string }
  /** `stallMs`: for how long the process did not run before. */
  | { readonly what: 'lost'; readonly holder: string; readonly token: string; readonly stallMs: number }
  /** Written by who killed it. */
  | { readonly what: 'dead'; readonly holder: string };

/** Longer stalls of a process are beyond what `lost` promises. */
const STALL_MS_MAX = 250;

export function checkResource(lines: readonly ResourceLine[]): { problems: string[]; holders: number; stalls: number } {
  const problems: string[] = [];
  const inside = new Map<string, string>();
  let highest = 0n;
  let holders = 0;
  let stalls = 0;
  const end = (holder: string, token: string, at: number): string =>
    lines.slice(at).flatMap((line) => {
      const isIts = line.holder === holder && ('token' in line ? line.token === token : true);
      if (!isIts || line.what === 'enter') return [];
      return [line.what === 'lost' && line.stallMs > STALL_MS_MAX ? 'stall' : line.what];
    })[0] ?? 'nothing';
  lines.forEach((line, at) => {
    if (line.what !== 'enter') {
      inside.delete(line.holder);
      return;
    }
    holders++;
    if (BigInt(line.token) <= highest) problems.push(`${line.holder}: token ${line.token} after ${highest}`);
    highest = BigInt(line.token);
    for (const [other, token] of inside) {
      if (end(other, token, at) === 'stall') stalls++;
      else problems.push(`${line.holder} holds it beside ${other}, which ends with ${end(other, token, at)}`);
    }
    inside.set(line.holder, line.token);
  });
  return { problems, holders, stalls };
}
