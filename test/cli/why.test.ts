import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openFlightRecorder } from '../../src/daemon/flight-recorder.ts';
import { openRingFlight } from '../../src/ring/flight.ts';
import { rondo } from './run-rondo.ts';

const directory = mkdtempSync(join(tmpdir(), 'why-'));
t.teardown(() => rmSync(directory, { recursive: true }));

function record(pid: number, end: boolean): void {
  const recorder = openFlightRecorder({ stateDirectory: directory, bytes: 1 << 18, nodeId: 4, log: () => {} });
  recorder.main.write('start', { nodeId: 4, pid, transport: 2, version: 'test' });
  const ring = openRingFlight(recorder.memory);
  const empty = { members: [], candidates: [4], failed: [] };
  ring.write('gather', { reason: 15, from: 0, node: 0, silentMs: 0, ...empty });
  ring.ring = { rep: 4, seq: 12 };
  ring.write('commit', {});
  ring.write('operational', { members: [4], joined: [4], left: [], lost: [] });
  ring.write('syncDone', { totalMs: 1 });
  recorder.clients.write('clientJoined', { service: 2, pid: 77, uid: 0, name: 'somebody' });
  if (end) recorder.main.write('end', { status: 0, cause: 0, reason: 'SIGTERM \u001b[2J' });
  recorder.close();
}

t.test('rondo why and timeline, from files', async (t) => {
  record(2 ** 22 + 1, true);
  const why = await rondo('why', '--file', directory);
  t.equal(why.status, 0);
  t.match(why.text, /ring 4\.c: node 4 joined\. Members: 4\n {2}Why: this daemon started\./);
  t.match(why.text, /ended with status 0, stop: SIGTERM \\x1b\[2J/, 'and what others wrote does nothing to a terminal');
  record(2 ** 22 + 2, false);
  const killed = await rondo('why', '1', '-f', join(directory, 'flight'));
  t.match(
    killed.text,
    /\(pid 4194305\) ended with status 0.*\n.*ring 4\.c[\s\S]*\(pid 4194306\) recorded: it was killed/,
  );
  const json = JSON.parse((await rondo('why', '--json', '--file', directory)).text);
  t.match(json, { nodeId: 4, lives: [{ end: { status: 0 } }, { end: null }], changes: [{ life: 1 }, { life: 2 }] });
  const one = (await rondo('timeline', '--last', '1', directory)).text;
  t.equal(one.match(/^Ring /gm)?.length, 1);
  t.notMatch(one, /Before a first ring/);
  t.equal((await rondo('timeline', '--last', '0', directory)).status, 2);
  t.notMatch(one, /somebody/);
  t.match((await rondo('timeline', '--clients', directory)).text, /client somebody \(pid 77, user 0\) came to cpg/);
  t.match(
    (await rondo('timeline', directory)).text,
    /Ring 4\.c, members 4, as node 4 recorded it \(formed at .*\)\n {2}.*OPERATIONAL/,
  );
});

t.test('what cannot be read: what it is, and what to do', async (t) => {
  const missing = await rondo('why', '--file', join(directory, 'nothing'));
  t.equal(missing.status, 1);
  t.match(missing.text, /cannot be read: ENOENT.*Name its file, or the state directory it lies in, and be root/);
  writeFileSync(join(directory, 'text'), 'x'.repeat(10_000));
  t.match((await rondo('timeline', join(directory, 'text'))).text, /text is not the file of a flight recorder/);
  t.equal((await rondo('why', 'often', '--file', directory)).status, 2);
});
