import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  FLIGHT_HEADER_BYTES,
  FLIGHT_KINDS,
  FLIGHT_RECORD_BYTES,
  type FlightFields,
  type FlightKind,
  FlightWriter,
  flightLayoutOf,
  writeFlightHeader,
} from '../../src/observe/flight/index.ts';
import { rondo } from './run-rondo.ts';

// A flight recorder's file that somebody made up, for root to look at: every record is whole, and nothing in it is true.

const ROUNDS = 25;
const RECORDS = 120;
const NUMBERS = [
  0,
  1,
  2,
  -1,
  0.5,
  1e300,
  -1e300,
  2 ** 32,
  2 ** 53,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  1_700_000_000_000,
];
const TEXTS = ['', 'x', '\u001b[2J', 'ä\u0000\n', 'y'.repeat(400), '%s%n'];

let seed = 11;
const random = (below: number): number => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
};
const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;

function madeUp(): Uint8Array {
  const layout = flightLayoutOf(FLIGHT_HEADER_BYTES + RECORDS * FLIGHT_RECORD_BYTES);
  const bytes = new Uint8Array(layout.bytes);
  bytes.set(writeFlightHeader({ nodeId: random(4), id: '00'.repeat(16), livePath: '', layout }));
  const clock = { monotonicMs: () => pick([...NUMBERS, random(10_000)]), wallMs: () => pick(NUMBERS) };
  const kinds = Object.keys(FLIGHT_KINDS) as FlightKind[];
  for (const part of ['ring', 'main', 'clients'] as const) {
    const writer = new FlightWriter(bytes, { part, layout, life: 1 + random(3), lastSequence: random(50), clock });
    for (let count = random(RECORDS); count > 0; count--) {
      const kind = pick(kinds);
      const { numbers, lists, texts } = FLIGHT_KINDS[kind];
      const fields: Record<string, unknown> = {};
      for (const name of numbers) fields[name] = pick(NUMBERS);
      for (const name of lists) fields[name] = Array.from({ length: random(6) }, () => random(5));
      for (const name of texts) fields[name] = pick(TEXTS);
      writer.ring = { rep: random(4), seq: pick([8, 12, 1e300, Number.NaN]) };
      writer.write(kind, fields as FlightFields<typeof kind>);
    }
  }
  return bytes;
}

t.test('why and timeline bear it, and show no control characters', async (t) => {
  const path = join(t.testdir({}), 'flight');
  const strange: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    writeFileSync(path, madeUp());
    for (const command of ['why', 'timeline'])
      for (const more of [[], ['--json']]) {
        const { status, out, err } = await rondo(command, ...(command === 'why' ? ['--file', path] : [path]), ...more);
        const control = /[^\P{Cc}\n]/u.test(out + err);
        if (status > 1 || control || /Error|Invalid|undefined/.test(err))
          strange.push(`round ${round}, ${command}: ${status} ${err.slice(0, 200)}`);
      }
  }
  t.same(strange, []);
});
