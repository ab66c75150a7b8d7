import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { type HandshakeRates, HandshakeTurns } from '../../src/arbiter/qnetd/handshake-turns.ts';

const RATES: HandshakeRates = { perPlaceAtOnce: 10, perPlacePerSecond: 2, perSecond: 40 };
/** Longer than its pause between two looks. */
const LOOK_MS = 60;

function made(rates = RATES) {
  const clock = { nowMs: 1000 };
  const turns = new HandshakeTurns(rates, () => clock.nowMs);
  const begun: string[] = [];
  const ask = (place: string) => turns.ask(place, () => void begun.push(place));
  const pass = async (ms: number): Promise<void> => {
    clock.nowMs += ms;
    await sleep(LOOK_MS);
  };
  return { turns, begun, ask, pass };
}

t.test('so many at once, so many a second, of one place and of all', async (t) => {
  const { turns, begun, ask, pass } = made();
  t.teardown(() => turns.close());
  for (let at = 0; at < 100; at++) ask('one');
  t.equal(begun.length, 10, 'a quarter of a second’s');
  await pass(0);
  t.equal(begun.length, 10);
  await pass(1000);
  t.equal(begun.length, 12, 'of one place fewer');
  t.same(turns.counts, { begun: 12, delayed: 90 });
  for (let at = 0; at < 100; at++) ask(`other ${at}`);
  await pass(1000);
  t.equal(begun.length, 22, 'of all places');
});

t.test('who waits behind hundreds of another place is next', async (t) => {
  const { turns, begun, ask, pass } = made({ ...RATES, perPlaceAtOnce: 1000 });
  t.teardown(() => turns.close());
  for (let at = 0; at < 500; at++) ask('one');
  ask('other');
  await pass(50);
  t.same(begun.slice(10), ['one', 'other']);
});

t.test('who goes does not wait any more, and nothing is left', async (t) => {
  const { turns, begun, ask, pass } = made();
  for (let at = 0; at < 10; at++) ask('one');
  const taken = ask('one');
  ask('one');
  taken?.();
  taken?.();
  await pass(10_000);
  t.equal(begun.length, 11);
  t.equal(ask('one'), null, 'at once again');
  ask('one');
  turns.close();
  await pass(10_000);
  t.equal(begun.length, 13);
});

t.test('a place a handshake: the table stays small', async (t) => {
  const { turns, ask, pass } = made({ ...RATES, perSecond: 100_000 });
  t.teardown(() => turns.close());
  for (let at = 0; at < 10_000; at++) {
    ask(`place ${at}`);
    if (at % 1000 === 999) await pass(1000);
  }
  const { size } = Reflect.get(turns, 'places') as Map<string, unknown>;
  t.ok(size <= 4096, `${size} places`);
});
