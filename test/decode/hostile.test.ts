import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Datagrams } from '../../src/decode/index.ts';
import { RingStory } from '../../src/decode/ring-story.ts';
import { frameMemory } from '../../src/lib/frame-memory.ts';
import { isoTime } from '../../src/lib/iso-time.ts';
import { encodeJoin } from '../../src/totem/wire/join.ts';
import { rondo } from '../cli/run-rondo.ts';

// What somebody else wrote, for root to look at: captures and flight data.

const u16 = (value: number): number[] => [value >>> 8, value & 255];
const u32le = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
const directory = t.testdir({});
const file = (name: string, bytes: Uint8Array): string => {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
};

function packet(payload: Uint8Array): number[] {
  const udp = [...u16(5405), ...u16(5405), ...u16(8 + payload.length), 0, 0, ...payload];
  return [0x45, 0, ...u16(20 + udp.length), 0, 7, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, ...udp];
}

function joinFrame(): Uint8Array {
  const { bytes, view } = frameMemory(new Uint8Array(200));
  return bytes.subarray(0, encodeJoin(view, 0, { leave: false, systemFrom: 1, ringSeq: 8, proc: [1, 2], failed: [2] }));
}

function pcapng(packets: readonly (readonly number[])[], resolution: number, time: number): Uint8Array {
  const block = (type: number, body: readonly number[]): number[] => {
    const padded = [...body, ...new Array<number>((4 - (body.length % 4)) % 4).fill(0)];
    const length = u32le(12 + padded.length);
    return [...u32le(type), ...length, ...padded, ...length];
  };
  const unit = [9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0];
  return Uint8Array.from([
    ...block(0x0a0d0d0a, [...u32le(0x1a2b3c4d), 1, 0, 0, 0, ...new Array<number>(8).fill(255)]),
    ...block(1, [101, 0, 0, 0, ...u32le(0), ...unit]),
    ...packets.flatMap((bytes) =>
      block(6, [0, time, 5, bytes.length, bytes.length].flatMap(u32le).concat(bytes as number[])),
    ),
  ]);
}

t.test('a time that is none', async (t) => {
  t.equal(isoTime(1e300), '1e+300');
  t.equal(isoTime(0), '1970-01-01T00:00:00.000Z');
  const path = file('time', pcapng([packet(joinFrame())], 0, 0xffff_ffff));
  for (const more of [[], ['--packets'], ['--json']]) {
    const { status, out, err } = await rondo('decode', path, ...more);
    t.same([status, err], [0, ''], 'it is shown as it is');
    t.match(out, /JOIN/);
  }
});

t.test('a packet in more pieces than there can be', async (t) => {
  const datagrams = new Datagrams();
  const before = process.cpuUsage();
  for (let at = 0; at < 60_000; at++) {
    const offset = 8 * (1 + (at % 8000));
    const bytes = Uint8Array.from(packet(new Uint8Array(8)).slice(0, 36));
    bytes.set([...u16(36), 0, 7, ...u16((at === 0 ? 0 : 0x2000) | (offset >> 3))], 2);
    datagrams.read({ index: at, timeMs: 0, link: 101, bytes, wireBytes: 36 });
  }
  const { user } = process.cpuUsage(before);
  t.ok(user < 4_000_000, `${Math.round(user / 1000)} ms`);
});

t.test('a ring of made-up numbers, nodes and ways', async (t) => {
  const rings = new RingStory(() => {});
  const data = (seq: number) => ({ ring: '1.8', seq, tokenSeq: seq, messages: [] });
  const where = (to: string) => ({
    index: 1,
    timeMs: 1,
    from: '10.0.0.1',
    to,
    fromPort: 1,
    toPort: 1,
    payload: new Uint8Array(0),
    missingBytes: 0,
  });
  for (let at = 0; at < 40_000; at++) {
    const fact = { kind: 'message', node: at, text: '', data: data(at * 100_000), packet: where('10.0.0.2') } as const;
    rings.message(fact);
    rings.token({ ...fact, kind: 'token' });
    rings.message({ ...fact, data: data(7), packet: where(`10.1.${at >> 8}.${at & 255}`) });
  }
  const [ring] = [
    ...(Reflect.get(rings, 'rings') as Map<string, { seen: Map<number, string>; nodes: Set<number> }>).values(),
  ];
  t.ok(ring!.seen.size <= 16_384, `${ring!.seen.size} numbers`);
  t.ok(ring!.nodes.size <= 1_024, `${ring!.nodes.size} nodes`);
  t.ok(Math.max(...[...ring!.seen.values()].map(({ length }) => length)) < 20_000);
});

t.test('captures that are damaged on purpose', async (t) => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const whole = pcapng([packet(joinFrame()), packet(joinFrame()), packet(new Uint8Array(40).fill(9))], 6, 1);
  const strange: string[] = [];
  for (let round = 0; round < 40; round++) {
    const bytes = Uint8Array.from(whole);
    for (let change = 0; change <= random(6); change++) bytes[random(bytes.length)] = random(256);
    const path = file('mutated', bytes.subarray(0, random(4) === 0 ? random(bytes.length) : bytes.length));
    const { status, out, err } = await rondo('decode', path, ...(random(2) === 0 ? ['--packets'] : []));
    if (status > 2 || /[^\P{Cc}\n]/u.test(out + err) || /Error:/.test(err)) strange.push(`${round}: ${status} ${err}`);
  }
  t.same(strange, []);
});

t.test('flight data that is a pipe, a device, a directory, or too much', async (t) => {
  const pipe = join(directory, 'pipe');
  execFileSync('mkfifo', [pipe]);
  for (const path of [pipe, '/dev/zero', directory]) {
    const { status, err } = await rondo('blackbox', path);
    t.not(status, 0);
    t.match(err, /not a regular file/, path);
  }
});
