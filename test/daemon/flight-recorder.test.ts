import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { copyRuns } from '../../src/daemon/flight-copy.ts';
import { type FlightRecorder, flightBytes, openFlightRecorder } from '../../src/daemon/flight-recorder.ts';
import {
  FLIGHT_RECORD_BYTES,
  type FlightRecord,
  loadFlight,
  readFlightHeader,
  readLive,
  writeFlightHeader,
} from '../../src/observe/flight/index.ts';
import { openRingFlight } from '../../src/ring/flight.ts';

const LIVE = '/dev/shm';
const before = new Set(readdirSync(LIVE));
/** Files in /dev/shm that this test has made. */
const live = (): string[] => readdirSync(LIVE).filter((name) => name.startsWith('rondo-flight-') && !before.has(name));
t.afterEach(() => {
  for (const name of live()) rmSync(join(LIVE, name));
});

function place() {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'flight-'));
  t.teardown(() => rmSync(stateDirectory, { recursive: true, force: true }));
  const logs: string[] = [];
  const open = (bytes = 1 << 18): FlightRecorder =>
    openFlightRecorder({ stateDirectory, bytes, nodeId: 7, log: (level, _, text) => logs.push(`${level} ${text}`) });
  return { stateDirectory, logs, open };
}

const start = (recorder: FlightRecorder, pid: number): void => {
  recorder.main.write('start', { nodeId: 7, pid, transport: 2, version: 'test' });
};
const kinds = (records: readonly FlightRecord[]): string[] => records.map(({ kind }) => kind);
const pids = (records: readonly FlightRecord[]): number[] =>
  records.flatMap((record) => (record.kind === 'start' ? record.pid : []));

t.test('records of both threads come into the file, and stay over the lives of the daemon', async (t) => {
  const { stateDirectory, open } = place();
  for (const pid of [11, 12, 13]) {
    const recorder = open();
    start(recorder, pid);
    const ring = openRingFlight(recorder.memory);
    ring.ring = { rep: 1, seq: 8 };
    ring.write('operational', { members: [1, 7], joined: [7], left: [], lost: [] });
    recorder.main.write('end', { status: 0, cause: 0, reason: 'test' });
    recorder.close();
  }
  const { records, livePath, nodeId } = loadFlight(stateDirectory);
  t.same(pids(records), [11, 12, 13]);
  t.equal(kinds(records).filter((kind) => kind === 'operational').length, 3);
  t.same([...new Set(records.map(({ life }) => life))], [1, 2, 3]);
  t.equal(livePath, '');
  t.equal(nodeId, 7);
  t.same(live(), [], 'the memory is gone with the daemon');
  t.equal(statSync(join(stateDirectory, 'flight')).mode & 0o777, 0o600);
});

t.test('what was not copied when the daemon was killed is read, and taken over by the next start', async (t) => {
  const { stateDirectory, open } = place();
  const killed = open();
  start(killed, 21);
  openRingFlight(killed.memory).write('failedToReceive', {});
  t.equal(live().length, 1, 'no copy, no close: as after SIGKILL');
  t.same(kinds(loadFlight(stateDirectory).records), ['start', 'failedToReceive']);
  // The lock of the memory ends with the process; here this one holds it, which taking over does not mind.
  const next = open();
  start(next, 22);
  next.close();
  t.same(pids(loadFlight(stateDirectory).records), [21, 22]);
  t.ok(kinds(loadFlight(stateDirectory).records).includes('failedToReceive'));
  t.same(live(), []);
});

t.test('a running daemon copies by itself', async (t) => {
  const { stateDirectory, open } = place();
  const recorder = open();
  recorder.start();
  start(recorder, 31);
  const file = join(stateDirectory, 'flight');
  for (let i = 0; i < 100 && !readFileSync(file).includes('test'); i++) await sleep(50);
  t.ok(readFileSync(file).includes('test'));
  t.match(recorder.recent(), [{ kind: 'start', pid: 31 }]);
  recorder.close();
});

t.test('more records than there is room for: the latest are there', async (t) => {
  const { stateDirectory, open } = place();
  const recorder = open();
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 40; i++)
      recorder.clients.write('clientJoined', { service: 2, pid: 40 * round + i, uid: 0, name: 'x' });
    recorder.flush();
  }
  recorder.close();
  const found = loadFlight(stateDirectory).records.flatMap((r) => (r.kind === 'clientJoined' ? r.pid : []));
  t.same(
    found,
    [...found].sort((a, b) => a - b),
  );
  t.ok(found.length > 0);
});

t.test('a file of another size begins anew', async (t) => {
  const { stateDirectory, logs, open } = place();
  const file = join(stateDirectory, 'flight');
  writeFileSync(file, '');
  const first = open();
  start(first, 40);
  first.close();
  truncateSync(file, 5000);
  const recorder = open(1 << 19);
  start(recorder, 41);
  recorder.close();
  t.same(pids(loadFlight(stateDirectory).records), [41]);
  t.same(logs, []);
});

t.test('a file that is something else is not overwritten, and the daemon goes on without a recorder', async (t) => {
  const { stateDirectory, logs, open } = place();
  const precious = join(stateDirectory, 'precious');
  writeFileSync(precious, 'mine');
  symlinkSync(precious, join(stateDirectory, 'flight'));
  const recorder = open();
  t.equal(recorder.memory, null);
  recorder.main.write('commit', {});
  recorder.close();
  t.match(logs, [/^warning There is no flight recorder: .*is not a flight recorder's file; remove it.*rondo why/]);
  t.equal(readFileSync(precious, 'utf8'), 'mine');
});

t.test('a file that names another file: it is not opened', async (t) => {
  const { stateDirectory, open } = place();
  const recorder = open();
  start(recorder, 61);
  recorder.close();
  const file = join(stateDirectory, 'flight');
  const bytes = readFileSync(file);
  const copy = join(stateDirectory, 'copy');
  writeFileSync(copy, bytes);
  const header = readFlightHeader(bytes)!;
  writeFileSync(file, Buffer.concat([writeFlightHeader({ ...header, livePath: copy }), bytes.subarray(4096)]));
  t.equal(readLive(copy, header.id, process.geteuid?.() ?? 0), null);
  t.same(pids(loadFlight(file).records), [61]);
});

t.test('no recorder is wanted', async (t) => {
  const { stateDirectory, logs, open } = place();
  t.equal(open(0).memory, null);
  t.notOk(existsSync(join(stateDirectory, 'flight')));
  t.same(logs, []);
  const sized = (bytes: number | null): number => flightBytes({ getU32: () => bytes });
  t.same([sized(null), sized(0), sized(1)], [4 << 20, 0, 1 << 18]);
});

t.test('memory of a daemon whose state directory is gone is removed; what another file names stays', async (t) => {
  const gone = place();
  gone.open();
  const kept = place();
  const killed = kept.open();
  start(killed, 51);
  rmSync(gone.stateDirectory, { recursive: true });
  t.equal(live().length, 2);
  // Both are locked by this process, which lives: nothing is removed.
  place().open().close();
  t.equal(live().length, 2);
  t.same(pids(loadFlight(kept.stateDirectory).records), [51]);
});

t.test('copies: each record once, in pieces that both rings have together', async (t) => {
  const from = { part: 'ring', offset: 4096, records: 8 } as const;
  const to = { part: 'ring', offset: 4096, records: 20 } as const;
  let copied = 0;
  const places = new Map<number, number>();
  for (const last of [3, 8, 9, 15, 22, 25]) {
    for (const run of copyRuns(from, to, copied, last)) {
      const count = run.bytes / FLIGHT_RECORD_BYTES;
      for (let i = 0; i < count; i++) {
        const sequence = run.last - count + 1 + i;
        t.equal((run.from - 4096) / FLIGHT_RECORD_BYTES + i, (sequence - 1) % 8);
        t.equal((run.to - 4096) / FLIGHT_RECORD_BYTES + i, (sequence - 1) % 20);
        places.set(sequence, (places.get(sequence) ?? 0) + 1);
      }
      copied = run.last;
    }
  }
  t.same(
    [...places.values()],
    Array.from({ length: 25 }, () => 1),
  );
  t.same(
    copyRuns(from, to, 0, 100).map(({ last }) => last),
    [96, 100],
    'what is gone is left out',
  );
});
