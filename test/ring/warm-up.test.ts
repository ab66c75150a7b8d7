import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { TotemConfig, TransportName } from '../../src/config/totem-config.ts';
import type { LogFunction } from '../../src/lib/log.ts';
import { monotonicMs } from '../../src/os/clock.ts';
import { probeRoundRobin, threadCpuMs } from '../../src/os/schedule.ts';
import type { Machine } from '../../src/ring/warm-up/machine.ts';
import { type Practice, WarmUpSlices } from '../../src/ring/warm-up/slices.ts';
import { WarmUp } from '../../src/ring/warm-up/warm-up.ts';
import { CPG_MCAST } from '../../src/services/codec/cpg.ts';
import { TestRing, testPort, totemConfig } from './ring-harness.ts';
import { listenForCpg, RawCpgClient } from './test-client.ts';

const ROUNDS = 450; // a flood, rests, and guests that came and went
/** Beside others of real-time priority a second can take a minute. */
const PRACTICE_MS_MAX = 100_000;
const KEY = 'c0'.repeat(32);
/** Of a delivered message of one byte. */
const EVENT_BYTES = 185;
const SCHED_RR = '2';

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
  const untilMs = monotonicMs() + PRACTICE_MS_MAX;
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

/** A machine whose time goes on only while somebody works or sleeps. */
class QuietMachine implements Machine {
  now = 0;
  cpu = 0;
  free = true;
  readonly held: boolean[] = [];

  nowMs(): number {
    return this.now;
  }
  threadCpuMs(): number {
    return this.cpu;
  }
  hasFreeProcessor(): boolean {
    return this.free;
  }
  holdOptimizer(hold: boolean): void {
    this.held.push(hold);
  }
  work(ms: number): void {
    this.now += ms;
    this.cpu += ms;
  }
}

interface Bench {
  readonly machine: QuietMachine;
  readonly slices: WarmUpSlices;
  readonly lines: string[];
  /** When steps began. */
  readonly steps: number[];
  readonly state: { rounds: number; closed: number };
}

/** Each step takes so long; `work` says how else. */
function bench(stepMs = 0.02, work: (machine: QuietMachine) => void = (machine) => machine.work(stepMs)): Bench {
  const machine = new QuietMachine();
  const lines: string[] = [];
  const steps: number[] = [];
  const state = { rounds: 0, closed: 0 };
  const practice: Practice = {
    get rounds() {
      return state.rounds;
    },
    step: () => {
      steps.push(machine.now);
      work(machine);
      state.rounds++;
      return true;
    },
    close: () => void state.closed++,
  };
  const log: LogFunction = (level, _subsystem, text) => void lines.push(`${level} ${text}`);
  return { machine, slices: new WarmUpSlices(config('udpu'), log, machine, () => practice), lines, steps, state };
}

/** The loop's turns until the warm-up is over, or until then; `each` gives the messages so far. */
function turns({ machine, slices }: Bench, untilMs: number, each: (nowMs: number) => number = () => 0): void {
  while (!slices.isOver && machine.now < untilMs) {
    const sleepMs = slices.practise(machine.now, 20, each(machine.now));
    machine.now += Math.max(sleepMs, 0.001);
  }
}

t.test('it ends after all rounds, in short slices, and sleeps between them', async (t) => {
  const run = bench();
  turns(run, 10_000);
  t.match(run.lines, [/^debug The warm-up .* over \(all rounds\): 400\d rounds in \d+ ms$/]);
  t.equal(run.state.closed, 1);
  t.ok(run.machine.cpu > 75 && run.machine.cpu < 85, `${run.machine.cpu} ms of processor time`);
  const share = run.machine.cpu / run.machine.now;
  t.ok(share > 0.7 && share < 0.85, `${share} of the processor`);
});

t.test('where all processors are wanted it takes a third of one', async (t) => {
  const run = bench();
  run.machine.free = false;
  turns(run, 10_000);
  t.match(run.lines, [/all rounds/]);
  const share = run.machine.cpu / run.machine.now;
  t.ok(share > 0.3 && share < 0.36, `${share} of the processor`);
});

t.test('it is bounded by processor time and by time', async (t) => {
  const long = bench(1);
  turns(long, 10_000);
  t.match(long.lines, [/\(time is up\): 50[01] rounds in 50[01] ms$/]);
  const slow = bench(0, (machine) => {
    machine.now += 0.1;
    slow.state.rounds = 0;
  });
  turns(slow, 10_000);
  t.match(slow.lines, [/\(time is up\)/]);
  t.ok(slow.machine.now > 5000 && slow.machine.now < 5010, `${slow.machine.now} ms`);
});

t.test('a slice that waits long for the processor is the last one', async (t) => {
  const run = bench(0, (machine) => {
    machine.now += 150;
  });
  turns(run, 10_000);
  t.equal(run.steps.length, 1);
  t.match(run.lines, [/\(others need the processor\): 1 rounds/]);
});

t.test('after some slices that wait for the processor there are no more, and each is put off for longer', async (t) => {
  const run = bench(0, (machine) => {
    machine.now += 10;
  });
  turns(run, 10_000);
  t.equal(run.steps.length, 8);
  t.ok(
    run.steps.every((ms, i) => i === 0 || ms - run.steps[i - 1]! > 29), // 10, and twice that
    run.steps.join(' '),
  );
  t.match(run.lines, [/others need the processor/]);
});

t.test('it waits until no messages have come for a while, and nothing is optimised meanwhile', async (t) => {
  const run = bench();
  const { slices, machine } = run;
  t.equal(slices.practise(0, 5, 7), 0, 'begins in place of sleep');
  t.equal(slices.practise(1, 5, 7), 0);
  t.equal(run.steps.length > 0, true);
  const before = run.steps.length;
  t.same(machine.held, []);
  t.equal(slices.practise(100, 50, 8), 10, 'a message came just now');
  t.same(machine.held, [true]);
  t.equal(slices.practise(105, 2, 9), 2, 'the loop has something to do sooner');
  t.equal(slices.practise(114, 50, 9), 1);
  t.equal(run.steps.length, before);
  t.same(machine.held, [true]);
  machine.now = 115;
  t.equal(slices.practise(115, 50, 9), 0);
  t.same(machine.held, [true, false]);
  t.ok(run.steps.length > before);
});

t.test('a client that never pauses for long cannot put it off for ever', async (t) => {
  const run = bench();
  turns(run, 1200, (nowMs) => Math.floor(nowMs / 5));
  const [first = 0, ...others] = run.steps.filter((ms) => ms > 5);
  t.ok(first > 900 && first < 1100, `${first} ms`);
  t.ok(others.length > 0);
});

t.test('messages that do not end have their code optimised, and after many it is over', async (t) => {
  const run = bench();
  let count = 0;
  turns(run, 10_000, () => {
    count += 10;
    return count;
  });
  t.same(run.machine.held, [true, false]);
  t.match(run.lines, [/messages come/]);
  const busy = bench();
  busy.slices.practise(0, 5, 0);
  busy.slices.practise(1, 5, 1);
  t.same(busy.machine.held, [true]);
  busy.slices.look(2, 1500); // a loop that does not sleep
  t.same(busy.machine.held, [true, false]);
  busy.slices.practise(3, 5, 1501);
  busy.slices.look(4, 3000);
  t.equal(busy.slices.isOver, true);
});

t.test('nothing is held once it is over', async (t) => {
  const run = bench();
  run.slices.practise(0, 5, 0);
  run.slices.look(6000, 0); // of a busy loop; the next sleep asks once more
  t.equal(run.slices.isOver, true);
  t.equal(run.slices.practise(6001, 5, 1), 0);
  t.same(run.machine.held, []);
});

t.test('what is held is let go at the end', async (t) => {
  const run = bench();
  run.slices.practise(0, 5, 0);
  run.slices.practise(1, 5, 1);
  run.slices.end('the node stops');
  t.same(run.machine.held, [true, false]);
});

/** Runs real slices until they are over. */
async function real(configuration: TotemConfig): Promise<readonly string[]> {
  const lines: string[] = [];
  const slices = new WarmUpSlices(configuration, (level, _subsystem, text) => void lines.push(`${level} ${text}`));
  while (!slices.isOver) if (slices.practise(monotonicMs(), 10, 0) > 0) await delay(1);
  return lines;
}

t.test('a real one leaves nothing, whatever it ends for', async (t) => {
  const open = descriptors().length;
  const startMs = threadCpuMs();
  t.match(await real(config('knet', { crypto })), [/^debug The warm-up .* over \(.*\): \d+ rounds in \d+ ms$/]);
  const tookMs = threadCpuMs() - startMs;
  t.ok(tookMs < 1500, `${tookMs} ms of processor time`); // 500, and what the test itself takes
  t.equal(descriptors().length, open);
});

t.test('one that fails says why, and leaves nothing', async (t) => {
  const open = descriptors().length;
  const lines: string[] = [];
  const log: LogFunction = (level, _subsystem, text) => void lines.push(`${level} ${text}`);
  const slices = new WarmUpSlices(config('knet', { crypto: { ...crypto, hash: 'none' } }), log, new QuietMachine());
  for (let turn = 0; turn < 100 && !slices.isOver; turn++) slices.practise(0, 10, 0);
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
  if (warmUp) await ring.until('the end of the warm-up', isOver, PRACTICE_MS_MAX);
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

/** The scheduling policies of this process's threads; field 41 of their files. */
const policies = (): readonly string[] =>
  readdirSync('/proc/self/task').map((thread) => {
    const text = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(') ') + 2).split(' ')[38] ?? '';
  });

const probed = probeRoundRobin();
t.test('the thread keeps its real-time priority', { skip: probed.ok ? false : probed.errno }, async (t) => {
  const ring = new TestRing({ warmUp: true, schedRr: true, schedPriority: 1 });
  ring.start(totemConfig(1, 1, testPort(3)));
  await ring.synced([1]);
  const seen = new Set<number>();
  const isOver = (): boolean =>
    ring.messages.some((message) => message.op === 'log' && /warm-up .* over/.test(message.message));
  while (!isOver()) {
    seen.add(policies().filter((policy) => policy === SCHED_RR).length);
    await delay(1);
  }
  t.same([...seen], [1]);
  await ring.stop();
});
