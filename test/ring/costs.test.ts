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
