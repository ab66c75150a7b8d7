import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { costOf } from '../../perf/counters.ts';
import { CPG_MCAST } from '../../src/services/codec/cpg.ts';
import { TestRing, testPort, totemConfig } from './ring-harness.ts';
import { listenForCpg, RawCpgClient } from './test-client.ts';

/**
 * What a message costs the ring thread, in numbers that a busy machine does not raise: with fewer turns of the processor more messages are
 * handled in each. (Bytes: allocation.test.ts.) A call, or a sleep, for each message, or for each of a few, is beyond the bounds.
 */
const SYSCALLS_MAX = 0.25;
const SWITCHES_MAX = 0.05;
const MESSAGES = 100_000;
const IN_FLIGHT = 1000;

/** By visit of the token, on nodes that only receive: a datagram or two are read, one is sent, and the thread sleeps until the next. */
const VISIT_SYSCALLS_MAX = 5;
const VISIT_SWITCHES_MAX = 2;
const VISITS = 150;
const NODES = 3;
/** Fills a frame of knet, and no more: a slow machine has more frames a visit, not fewer. */
const FRAME_MESSAGES = 30;
const FRAME_MESSAGE_BYTES = 1400;

/** The thread of this process that has used the most processor time since `before`. */
function busiest(before: ReadonlyMap<string, number>): number {
  const grown = [...runtimes()].map(([thread, ns]) => ({ thread, ns: ns - (before.get(thread) ?? 0) }));
  const others = grown.filter(({ thread }) => Number(thread) !== process.pid);
  return Number(others.sort((a, b) => b.ns - a.ns)[0]?.thread);
}

const runtimes = (): Map<string, number> =>
  new Map(
    readdirSync('/proc/self/task').map((thread) => [
      thread,
      Number(readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
    ]),
  );

async function pump(client: RawCpgClient, request: Uint8Array, messages: number): Promise<void> {
  const start = client.events;
  for (let posted = 0; client.events - start < messages; ) {
    client.take();
    const room = Math.min(messages - posted, IN_FLIGHT - (posted - (client.events - start)));
    // Never a few: how the two threads take turns must not matter.
    const sent = room >= Math.min(messages - posted, IN_FLIGHT / 2) && room > 0 ? client.post(request, room) : 0;
    posted += sent;
    if (sent === 0) await new Promise(setImmediate);
  }
}

const countable = spawnSync('perf', ['stat', '-e', 'raw_syscalls:sys_enter', 'true']).status === 0;

t.test('system calls and context switches of the ring thread by message', { timeout: 120_000 }, async (t) => {
  const instance = `costs-${process.pid}`;
  const ring = new TestRing({ spinUs: 0 });
  ring.start(totemConfig(1, 1, testPort(0)));
  await ring.synced([1]);
  const listener = listenForCpg(ring, instance);
  const client = await RawCpgClient.connect(instance);
  t.equal(await client.join('grp'), 1);
  while (client.take() === 0) await new Promise(setImmediate); // its own join
  const data = new Uint8Array(64);
  const request = CPG_MCAST.message({ guarantee: 2, messageBytes: data.length }, data);
  client.events = 0;
  const before = runtimes();
  await pump(client, request, MESSAGES / 2);
  const thread = busiest(before);
  const { cost } = await costOf({ thread }, countable, () => pump(client, request, MESSAGES));
  const switches = cost.switches / MESSAGES;
  t.ok(switches <= SWITCHES_MAX, `${switches} context switches a message`);
  if (cost.syscalls === null) t.comment('system calls were not counted: perf cannot');
  else t.ok(cost.syscalls / MESSAGES <= SYSCALLS_MAX, `${cost.syscalls / MESSAGES} system calls a message`);
  t.comment(
    `${switches} switches, ${(cost.syscalls ?? 0) / MESSAGES} system calls, ${(1000 * cost.cpuMs) / MESSAGES} µs`,
  );
  client.close();
  listener.close();
  await ring.stop();
});

/** Starts a ring and returns the thread that it runs in. */
async function startedIn(ring: TestRing, before: ReadonlyMap<string, number>): Promise<number> {
  await ring.until('the thread runs', () => ring.messages.some(({ op }) => op === 'ready'));
  return busiest(new Map([...before].map(([thread]) => [thread, Number.POSITIVE_INFINITY])));
}

t.test(
  'system calls and context switches by visit of the token, three nodes over knet',
  { timeout: 120_000 },
  async (t) => {
    const instance = `visits-${process.pid}`;
    const rings: TestRing[] = [];
    const threads: number[] = [];
    for (let i = 0; i < NODES; i++) {
      const before = runtimes();
      const ring = new TestRing({ spinUs: 0 });
      rings.push(ring);
      threads.push(await startedIn(ring, before));
    }
    const [first, ...others] = rings as [TestRing, ...TestRing[]];
    const port = testPort(10);
    rings.forEach((ring, i) => {
      ring.start({ ...totemConfig(i + 1, NODES, port, 'knet', { tokenMs: 3000 }), netMtu: 65_536 });
    });
    await Promise.all(rings.map((ring) => ring.synced([1, 2, 3], 60_000)));
    const listener = listenForCpg(first, instance);
    const client = await RawCpgClient.connect(instance);
    t.equal(await client.join('grp'), 1);
    while (client.take() === 0) await new Promise(setImmediate);
    const data = new Uint8Array(FRAME_MESSAGE_BYTES);
    const request = CPG_MCAST.message({ guarantee: 2, messageBytes: data.length }, data);
    client.events = 0;
    const visits = (ring: TestRing): number => ring.statistic('srp.orf_token_rx');
    const pumpVisits = async (): Promise<void> => {
      const end = visits(first) + VISITS;
      while (visits(first) < end) await pump(client, request, FRAME_MESSAGES);
    };
    await pumpVisits();
    for (const [i, ring] of others.entries()) {
      const start = { visits: Number.NaN };
      const { cost, result } = await costOf({ thread: threads[i + 1]! }, countable, async () => {
        start.visits = visits(ring);
        await pumpVisits();
        return visits(ring) - start.visits;
      });
      const switches = cost.switches / result;
      t.ok(switches <= VISIT_SWITCHES_MAX, `node ${i + 2}: ${switches} context switches a visit`);
      if (cost.syscalls === null) t.comment('system calls were not counted: perf cannot');
      else
        t.ok(
          cost.syscalls / result <= VISIT_SYSCALLS_MAX,
          `node ${i + 2}: ${cost.syscalls / result} system calls a visit`,
        );
      t.comment(`${result} visits, ${(1000 * cost.cpuMs) / result} µs of CPU each`);
    }
    client.close();
    listener.close();
    await Promise.all(rings.map((ring) => ring.stop()));
  },
);
