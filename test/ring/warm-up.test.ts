import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { TotemConfig, TransportName } from '../../src/config/totem-config.ts';
import { monotonicMs } from '../../src/os/clock.ts';
import { threadCpuMs } from '../../src/os/schedule.ts';
import { WarmUpSlices } from '../../src/ring/warm-up/slices.ts';
import { WarmUp } from '../../src/ring/warm-up/warm-up.ts';
import { CPG_MCAST } from '../../src/services/codec/cpg.ts';
import { TestRing, testPort, totemConfig } from './ring-harness.ts';
import { listenForCpg, RawCpgClient } from './test-client.ts';

const ROUNDS = 450; // a flood, rests, and guests that came and went
const KEY = 'c0'.repeat(32);
/** Of a delivered message of one byte. */
const EVENT_BYTES = 185;

const config = (transport: TransportName, changes: Partial<TotemConfig> = {}): TotemConfig => ({
  ...totemConfig(7, 3, testPort(0), transport),
  ...changes,
});
const v6: TotemConfig['links'] = config('udpu').links.map((link) => ({ ...link, family: 6, bindAddress: '::1' }));
const crypto = { model: 'openssl', cipher: 'aes256', hash: 'sha256', keyFingerprint: KEY } as const;
const compression = { ...config('knet').compression, model: 'zlib' };

const CONFIGURATIONS: Readonly<Record<string, TotemConfig>> = {
  udpu: config('udpu'),
  udp: config('udp'),
  'udpu, IPv6': config('udpu', { links: v6 }),
  knet: config('knet'),
  'knet, encrypted': config('knet', { crypto }),
  'knet, compressed': config('knet', { compression }),
};

const descriptors = (): readonly string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return []; // that of the directory itself
    }
  });

/** Sockets of this process that a network knows. */
function networkSockets(): readonly string[] {
  const tables = ['udp', 'udp6', 'raw', 'raw6', 'tcp', 'tcp6'].map((name) => {
    try {
      return readFileSync(`/proc/self/net/${name}`, 'utf8');
    } catch {
      return ''; // no IPv6 here
    }
  });
  const inodes = new Set(tables.flatMap((text) => text.split('\n').map((line) => line.trim().split(/\s+/)[9] ?? '')));
  return descriptors().filter((link) => inodes.has(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? '-'));
}

const sharedFiles = (): readonly string[] =>
  readdirSync('/dev/shm').filter((name) => name.includes(`-${process.pid}-`));

async function practise(warmUp: WarmUp, rounds: number): Promise<void> {
  const untilMs = monotonicMs() + 20_000;
  while (warmUp.rounds < rounds) {
    if (!warmUp.step(monotonicMs())) await delay(1);
    if (monotonicMs() > untilMs) throw new Error(`only ${warmUp.rounds} rounds`);
  }
}

for (const [name, configuration] of Object.entries(CONFIGURATIONS)) {
  t.test(`a ring in memory, ${name}: no network, no files, nothing left`, async (t) => {
    const before = { open: descriptors(), network: networkSockets(), files: sharedFiles() };
    const warmUp = new WarmUp(configuration);
    await practise(warmUp, 10);
    t.same(networkSockets(), before.network, 'no socket that a network knows');
    t.same(sharedFiles(), before.files, 'no files');
    await practise(warmUp, ROUNDS);
    warmUp.close();
    t.equal(descriptors().length, before.open.length, 'all descriptors are closed');
  });
}

interface Run {
  readonly lines: string[];
  readonly lowered: number;
  readonly raised: number;
}

/** Runs slices until they are over; `each` is called between them. */
async function slices(configuration: TotemConfig, each: (ring: { messages: number }) => void = () => {}): Promise<Run> {
  const lines: string[] = [];
  let lowered = 0;
  let raised = 0;
  const served = { messages: 0 };
  const warmUp = new WarmUpSlices(configuration, (level, _subsystem, text) => lines.push(`${level} ${text}`), {
    lower: () => lowered++,
    raise: () => raised++,
  });
  while (!warmUp.isOver) {
    if (warmUp.practise(monotonicMs(), 10, served.messages) > 0) await delay(1);
    each(served);
  }
  return { lines, lowered, raised };
}

t.test('it is bounded, and takes real-time priority back after each slice', async (t) => {
  const open = descriptors().length;
  const startMs = threadCpuMs();
  const { lines, lowered, raised } = await slices(config('knet', { crypto }));
  const tookMs = threadCpuMs() - startMs;
  t.ok(tookMs < 1000, `${tookMs} ms of processor time`); // 500, and what the test itself takes
  t.ok(lowered > 10);
  t.equal(raised, lowered);
  t.equal(lines.length, 1);
  t.match(
    lines[0],
    /^debug The warm-up .* over \((all rounds|time is up|others need the processor)\): \d+ rounds in \d+ ms$/,
  );
  t.equal(descriptors().length, open);
});

t.test('a slice that waits long for the processor is the last one', async (t) => {
  const word = new Int32Array(new SharedArrayBuffer(4));
  let waits = 0;
  const warmUp = new WarmUpSlices(config('udpu'), () => {}, {
    lower: () => {
      waits++;
      Atomics.wait(word, 0, 0, 150);
    },
    raise: () => {},
  });
  const untilMs = monotonicMs() + 20_000;
  while (!warmUp.isOver && monotonicMs() < untilMs) if (warmUp.practise(monotonicMs(), 10, 0) > 0) await delay(1);
  t.equal(waits, 1);
});

t.test('it waits while messages come, and ends when there were many', async (t) => {
  let count = 0;
  const { lines } = await slices(config('udpu'), (ring) => {
    if (++count % 10 === 0) ring.messages += 100;
  });
  t.match(lines, [/messages come/]);
  const quiet = new WarmUpSlices(config('udpu'), () => {}, { lower: () => {}, raise: () => {} });
  const nowMs = monotonicMs();
  t.equal(quiet.practise(nowMs, 5, 1), 0, 'a slice in place of sleep');
  t.ok(quiet.practise(nowMs + 1000, 5, 2) > 0, 'a message came just now');
  t.equal(quiet.practise(nowMs + 1010, 5, 2), 0);
  quiet.end('enough');
});

t.test('one that fails says why, and leaves nothing', async (t) => {
  const open = descriptors().length;
  const { lines } = await slices(config('knet', { crypto: { ...crypto, hash: 'none' } }));
  t.match(lines, [/\(a cipher needs a hash.*: 0 rounds/]);
  t.equal(descriptors().length, open);
});

/** What a ring of one tells of itself after its start. */
async function stateAfter(warmUp: boolean): Promise<Readonly<Record<string, unknown>>> {
  const ring = new TestRing({ warmUp });
  ring.start(totemConfig(1, 1, testPort(1)));
  await ring.synced([1]);
  const lines = (): readonly string[] =>
    ring.messages.flatMap((message) => (message.op === 'log' ? `${message.level} ${message.message}` : []));
  const isOver = (): boolean => lines().some((line) => /warm-up .* over/.test(line));
  if (warmUp) await ring.until('the end of the warm-up', isOver, 20_000);
  else await delay(300);
  const seen = {
    lines: lines().filter((line) => !/^debug The warm-up .*: \d+ rounds in/.test(line)),
    warmUps: lines().filter((line) => /warm-up/.test(line)).length,
    operations: ring.messages.map(({ op }) => op).filter((op) => op !== 'log'),
    statistics: [...ring.statistics.keys()],
    messages: [...ring.statistics.keys()]
      .filter((name) => /mcast|rondo\.cpg|rondo\.dropped|msg_/.test(name))
      .map((name) => [name, ring.statistic(name)]),
    clients: await ring.query('clients'),
    engines: await ring.query('engines'),
    stats: await ring.query('stats'),
    // A busy machine is seen, too.
    records: ring.flight.records().flatMap(({ kind }) => (/^(tokenWarning|pause)$/.test(kind) ? [] : kind)),
  };
  await ring.stop();
  return seen;
}

t.test('nobody sees it but for a line of the level debug; without the setting there is none', async (t) => {
  const { warmUps: none, ...without } = await stateAfter(false);
  const { warmUps: one, ...withIt } = await stateAfter(true);
  t.equal(none, 0);
  t.equal(one, 1);
  t.same(withIt, without);
});

t.test('clients are served meanwhile', async (t) => {
  const instance = `warm-up-${process.pid}`;
  const ring = new TestRing({ warmUp: true });
  ring.start(totemConfig(1, 1, testPort(2)));
  await ring.synced([1]);
  const listener = listenForCpg(ring, instance);
  const client = await RawCpgClient.connect(instance);
  t.equal(await client.join('group'), 1);
  const joinedMs = monotonicMs() + 10_000;
  while (client.take() === 0 && monotonicMs() < joinedMs) await new Promise(setImmediate);
  const received: number[] = [];
  for (let n = 0; n < 200; n++) {
    client.post(CPG_MCAST.message({ guarantee: 2, messageBytes: 1 }, Uint8Array.of(n)), 1);
    const untilMs = monotonicMs() + 10_000;
    while (received.length <= n && monotonicMs() < untilMs) {
      client.take((bytes, offset, length) => {
        if (length === EVENT_BYTES) received.push(bytes[offset + length - 1]!);
      });
      await new Promise(setImmediate);
    }
  }
  t.same(
    received,
    Array.from({ length: 200 }, (_, n) => n),
  );
  client.close();
  listener.close();
  await ring.stop();
});
