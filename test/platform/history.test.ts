import t from 'tap';
import { checkHistory, checkResource, type HistoryLine, type MapInput, type ResourceLine } from './history.ts';

let calls = 0;
const call = (
  what: MapInput | { key: null; op: 'add' | 'read' },
  output: string | boolean | null,
  from: number,
  to: number,
) => {
  const id = String(++calls);
  const begins: HistoryLine = { begins: id, what, at: from };
  return output === null ? [begins] : [begins, { ends: id, output, at: to } as HistoryLine];
};
const add = { key: null, op: 'add' } as const;
const read = { key: null, op: 'read' } as const;
const problems = (...parts: readonly HistoryLine[][]): readonly string[] => checkHistory(parts.flat()).problems;

t.test('a counter: lost, doubled and stale additions are found', async (t) => {
  t.same(problems(call(add, '1', 1, 2), call(add, '2', 3, 4), call(read, '2', 5, 6)), []);
  t.same(problems(call(add, '2', 1, 9), call(add, '1', 2, 3)), [], 'they overlap');
  t.same(problems(call(read, '0', 3, 4), call(read, '0', 1, 2)), [], 'equal ones, written down in another order');
  t.match(problems(call(add, '1', 1, 2), call(add, '1', 3, 4)), [/given twice/]);
  t.match(problems(call(add, '2', 1, 2), call(add, '1', 3, 4)), [/was over before a call began that has less/]);
  t.match(
    problems(call(add, '1', 1, 2), call(read, '0', 3, 4)),
    [/was over before a call began that has less/],
    'a stale read',
  );
  t.match(problems(call(add, '1', 1, 2), call(add, '3', 3, 4)), [/nobody made the sum 2/], 'it was counted twice');
  t.same(
    problems(call(add, null, 1, 0), call(add, '1', 3, 4), call(add, '3', 5, 6)),
    [],
    'by the one without a result',
  );
  t.match(problems(call(add, '2', 1, 2), call(add, null, 3, 0)), [/before its call/]);
});

t.test('a key: values that come back, get lost or were never written are found', async (t) => {
  const write = (value: string) => ({ key: 'k', op: 'write', value }) as const;
  const reads = { key: 'k', op: 'read' } as const;
  const swap = { key: 'k', op: 'swap', from: 'a', to: 'b' } as const;
  t.same(problems(call(write('a'), true, 1, 2), call(swap, true, 3, 4), call(reads, 'b', 5, 6)), []);
  t.match(problems(call(write('a'), true, 1, 2), call(reads, '', 3, 4)), [/key k/]);
  t.match(problems(call(write('a'), true, 1, 2), call(swap, false, 3, 4)), [/key k/]);
  t.same(problems(call(write('a'), null, 1, 0), call(reads, '', 3, 4), call(reads, 'a', 5, 6)), []);
  t.match(problems(call(reads, 'x', 3, 4)), [/key k/]);
});

t.test('what a lock protects: two holders and tokens that do not grow are found', async (t) => {
  const enter = (holder: string, token: number): ResourceLine => ({ what: 'enter', holder, token: String(token) });
  const leave = (holder: string, token: number): ResourceLine => ({ what: 'leave', holder, token: String(token) });
  const lost = (holder: string, token: number, stallMs: number): ResourceLine => ({
    what: 'lost',
    holder,
    token: String(token),
    stallMs,
  });
  t.match(checkResource([enter('a', 1), leave('a', 1), enter('b', 2), { what: 'dead', holder: 'b' }, enter('a', 3)]), {
    problems: [],
    holders: 3,
  });
  t.match(checkResource([enter('a', 1), enter('b', 2), leave('a', 1)]).problems, [/b holds it beside a/]);
  t.match(checkResource([enter('a', 1), enter('b', 2), lost('a', 1, 20)]).problems, [/b holds it beside a/]);
  t.match(checkResource([enter('a', 1), enter('b', 2), lost('a', 1, 900)]), { problems: [], stalls: 1 });
  t.match(checkResource([enter('a', 2), leave('a', 2), enter('b', 2)]).problems, [/token 2 after 2/]);
});
