/**
 * Whether a history of calls is linearizable: whether each call can be given one moment between its beginning and its end such that, one after
 * the other in the order of these moments, the calls give the results that were seen. Search by Wing and Gong, with Lowe's memory of
 * configurations that were tried.
 */
export interface Call<Input, Output> {
  readonly input: Input;
  /** `undefined`: its fate is not known; it may have happened at any time since, or never. */
  readonly output: Output | undefined;
  readonly began: number;
  readonly ended: number;
}

export interface Model<State, Input, Output> {
  readonly initial: State;
  /** The state after a call and its result. */
  step(state: State, input: Input): readonly [State, Output];
  /** States and results that are equal have equal keys. */
  key(value: State | Output): string;
}

export function isLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Call<Input, Output>[],
): boolean {
  const calls = [...history].sort((a, b) => a.began - b.began);
  const required = calls.filter(({ output }) => output !== undefined).length;
  const done = new Uint8Array(calls.length);
  const tried = new Set<string>();
  const search = (state: State, left: number, first: number): boolean => {
    if (left === 0) return true;
    while (done[first] === 1) first++;
    const configuration = `${first}/${Buffer.from(done.subarray(first)).toString('latin1')}/${model.key(state)}`;
    if (tried.has(configuration)) return false;
    tried.add(configuration);
    let earliestEnd = Number.POSITIVE_INFINITY;
    for (let at = first; at < calls.length; at++) {
      if (done[at] === 0 && calls[at]!.output !== undefined) earliestEnd = Math.min(earliestEnd, calls[at]!.ended);
    }
    for (let at = first; at < calls.length && calls[at]!.began <= earliestEnd; at++) {
      if (done[at] === 1) continue;
      const { input, output } = calls[at]!;
      const [next, result] = model.step(state, input);
      if (output !== undefined && model.key(result) !== model.key(output)) continue;
      done[at] = 1;
      if (search(next, output === undefined ? left : left - 1, first)) return true;
      done[at] = 0;
    }
    return false;
  };
  return search(model.initial, required, 0);
}

export type RegisterInput =
  | { readonly op: 'read' }
  | { readonly op: 'write'; readonly value: number }
  /** Gives whether it was `from`. */
  | { readonly op: 'swap'; readonly from: number; readonly to: number };

export const REGISTER: Model<number, RegisterInput, number | boolean> = {
  initial: 0,
  step: (state, input) => {
    if (input.op === 'read') return [state, state];
    if (input.op === 'write') return [input.value, true];
    return state === input.from ? [input.to, true] : [state, false];
  },
  key: String,
};
