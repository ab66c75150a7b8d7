import t from 'tap';
import {
  FLIGHT_HEADER_BYTES,
  FLIGHT_KINDS,
  FLIGHT_RECORD_BYTES,
  type FlightClock,
  type FlightPart,
  FlightWriter,
  flightLayoutOf,
  mergeFlights,
  readFlight,
  readFlightHeader,
  writeFlightHeader,
} from '../../../src/observe/flight/index.ts';

class TestClock implements FlightClock {
  nowMs = 1000;
  monotonicMs(): number {
    return this.nowMs;
  }
  wallMs(): number {
    return 1_700_000_000_000 + this.nowMs;
  }
}

function memory(records = 40) {
  const layout = flightLayoutOf(FLIGHT_HEADER_BYTES + records * FLIGHT_RECORD_BYTES);
  const bytes = new Uint8Array(layout.bytes);
  bytes.set(writeFlightHeader({ nodeId: 3, id: '00'.repeat(16), livePath: '', layout }));
  const clock = new TestClock();
  const writer = (part: FlightPart, life = 1, lastSequence = 0): FlightWriter =>
    new FlightWriter(bytes, { part, layout, life, lastSequence, clock });
  return { layout, bytes, clock, writer };
}

t.test('what is written is read, of both threads, in the order of time', async (t) => {
  const { bytes, clock, writer } = memory();
  const [ring, main] = [writer('ring'), writer('main')];
  main.write('start', { nodeId: 3, pid: 77, transport: 2, version: '3.1.7 (rondo 0.1.0) äöü' });
  clock.nowMs = 1010.25;
  ring.ring = { rep: 1, seq: 2 ** 52 };
  ring.write('operational', { members: [1, 2, 3], joined: [3], left: [], lost: [] });
  clock.nowMs = 1020;
  main.write('quorum', { quorate: 1, rule: 0, votes: 3, needed: 2, expected: 3, members: [1, 2, 3] });
  const records = readFlight(bytes)?.records ?? [];
  t.match(records, [
    { kind: 'start', part: 'main', life: 1, sequence: 1, nodeId: 3, pid: 77, version: '3.1.7 (rondo 0.1.0) äöü' },
    { kind: 'operational', part: 'ring', monotonicMs: 1010.25, ring: { rep: 1, seq: 2 ** 52 }, joined: [3], left: [] },
    { kind: 'quorum', quorate: 1, needed: 2, members: [1, 2, 3] },
  ]);
  t.equal(records[0]?.wallMs, 1_700_000_001_000);
});

t.test('a record that does not fit is continued, and whole or not there', async (t) => {
  const { bytes, layout, writer } = memory();
  const members = Array.from({ length: 100 }, (_, i) => i + 1);
  writer('ring').write('operational', { members, joined: members, left: [], lost: [7] });
  t.match(readFlight(bytes)?.records, [{ kind: 'operational', members, joined: members, left: [], lost: [7] }]);
  bytes.fill(0, layout.parts[0]!.offset + FLIGHT_RECORD_BYTES, layout.parts[0]!.offset + 2 * FLIGHT_RECORD_BYTES);
  t.same(readFlight(bytes)?.records, []);
});

t.test('the oldest go when there is no room, and each part has its own', async (t) => {
  const { bytes, clock, layout, writer } = memory();
  const [ring, clients] = [writer('ring'), writer('clients')];
  ring.write('failedToReceive', {});
  const room = layout.parts[2]!.records;
  for (let pid = 1; pid <= 3 * room; pid++) {
    clock.nowMs += 1000;
    clients.write('clientJoined', { service: 2, pid, uid: 0, name: 'tool' });
  }
  const records = readFlight(bytes)?.records ?? [];
  t.equal(records[0]?.kind, 'failedToReceive');
  t.same(
    records.flatMap((record) => (record.kind === 'clientJoined' ? record.pid : [])),
    Array.from({ length: room }, (_, i) => 2 * room + 1 + i),
  );
});

t.test('a torn record is noticed, whichever byte is wrong', async (t) => {
  const { bytes, layout, writer } = memory();
  const ring = writer('ring');
  ring.write('gather', {
    reason: 2,
    from: 0,
    node: 0,
    silentMs: 1000,
    members: [1, 2],
    candidates: [1, 2],
    failed: [],
  });
  ring.write('commit', {});
  const at = layout.parts[0]!.offset;
  for (let byte = 0; byte < FLIGHT_RECORD_BYTES; byte++) {
    const before = bytes[at + byte]!;
    bytes[at + byte] = before ^ 0x41;
    const found = readFlight(bytes);
    t.match(found, { torn: 1, records: { length: 1 } }, `byte ${byte}`);
    bytes[at + byte] = before;
  }
  t.match(readFlight(bytes), { torn: 0, records: { length: 2 } });
});

t.test('later lives come after earlier ones, whatever their clock says', async (t) => {
  const { bytes, clock, writer } = memory();
  writer('main').write('end', { status: 0, cause: 0, reason: 'SIGTERM' });
  clock.nowMs = 5; // the machine was started anew
  writer('main', 2, 1).write('start', { nodeId: 1, pid: 2, transport: 0, version: 'x' });
  t.match(readFlight(bytes)?.records, [
    { kind: 'end', life: 1 },
    { kind: 'start', life: 2, sequence: 2 },
  ]);
});

t.test('a kind that comes too often is counted', async (t) => {
  const { bytes, clock, writer } = memory(1000);
  const ring = writer('ring');
  for (let i = 0; i < 500; i++) ring.write('leave', { node: 9 });
  clock.nowMs += 2000;
  ring.write('commit', {});
  ring.write('leave', { node: 10 });
  const kinds = (readFlight(bytes)?.records ?? []).map(({ kind }) => kind);
  t.equal(kinds.filter((kind) => kind === 'leave').length, 65);
  t.match(
    readFlight(bytes)?.records.find(({ kind }) => kind === 'omitted'),
    { kind: 'omitted', count: 436 },
  );
  t.ok(kinds.includes('commit'), 'other kinds have their own allowance');
});

t.test('files are merged, each record once', async (t) => {
  const { bytes, writer } = memory();
  const ring = writer('ring');
  ring.write('commit', {});
  const older = { records: readFlight(bytes)?.records ?? [] };
  ring.write('failedToReceive', {});
  const live = { records: readFlight(bytes)?.records ?? [] };
  t.match(
    mergeFlights([older, live]).map(({ kind }) => kind),
    ['commit', 'failedToReceive'],
  );
});

t.test('what is no such file is refused, and whatever is in one does no harm', async (t) => {
  const { bytes, writer } = memory();
  t.equal(readFlightHeader(new Uint8Array(10)), null);
  t.equal(readFlight(new Uint8Array(8192)), null);
  writer('ring').write('operational', { members: [1], joined: [], left: [], lost: [] });
  let seed = 1;
  for (let i = 0; i < 300; i++) {
    const copy = bytes.slice(0, FLIGHT_HEADER_BYTES + (i % 7) * FLIGHT_RECORD_BYTES);
    for (let n = 0; n < 20; n++) {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      copy[seed % copy.length] = seed >>> 24;
    }
    readFlight(copy);
  }
});

t.test('numbers of kinds are unique, and fields fit', async (t) => {
  const kinds = Object.values(FLIGHT_KINDS);
  t.equal(new Set(kinds.map(({ code }) => code)).size, kinds.length);
  t.ok(kinds.every(({ numbers, code }) => numbers.length <= 8 && code > 0 && code < 128));
  const heads = ['life', 'part', 'sequence', 'monotonicMs', 'wallMs', 'ring', 'kind'];
  const names = kinds.flatMap(({ numbers, lists, texts }): string[] => [...numbers, ...lists, ...texts]);
  t.same(
    names.filter((name) => heads.includes(name)),
    [],
  );
});
