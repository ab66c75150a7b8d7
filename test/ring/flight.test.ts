import t from 'tap';
import type { FlightKind, FlightRecord, FlightRecordOf } from '../../src/observe/flight/index.ts';
import { TestRing, testPort, totemConfig } from './ring-harness.ts';

const ofKind = <K extends FlightKind>(records: readonly FlightRecord[], kind: K): readonly FlightRecordOf<K>[] =>
  records.filter((record): record is FlightRecord & FlightRecordOf<K> => record.kind === kind);

/** The kinds in order, those that come at any time left out. */
const story = (records: readonly FlightRecord[]): string =>
  records
    .map(({ kind }) => kind)
    .filter((kind) => !['tokenWarning', 'pause', 'interface', 'timings'].includes(kind))
    .join(' ');

t.test('a ring forms, loses a member, and has recorded why', async (t) => {
  const ports = testPort(3);
  const [first, second] = [new TestRing(), new TestRing()];
  for (const [i, ring] of [first, second].entries()) ring.start(totemConfig(i + 1, 2, ports));
  await first.synced([1, 2]);
  await second.synced([1, 2]);
  const formed = first.flight.records();
  t.match(ofKind(formed, 'timings')[0], { tokenMs: 400, consensusMs: 480 });
  t.match(ofKind(formed, 'operational').at(-1), { members: [1, 2], left: [], ring: { rep: 1 } });
  const done = formed.findLastIndex(({ kind }) => kind === 'syncDone');
  const [synced] = ofKind(formed.slice(0, done).reverse(), 'synced');
  t.ok(synced !== undefined && synced.processMs >= 0 && synced.barrierMs >= 0);

  await second.stop(); // with a LEAVE
  await first.synced([1]);
  const after = first.flight.records().slice(formed.length);
  t.match(ofKind(after, 'leave'), [{ node: 2 }]);
  t.match(ofKind(after, 'gather')[0], { from: 0, node: 2, members: [1, 2] });
  t.match(ofKind(after, 'operational'), [{ members: [1], left: [2], lost: [] }]);
  t.match(story(after), /^leave gather .*commit recovery operational .*syncDone$/);
  await first.stop();
});

t.test('a member falls silent: which timer decided, and when it was heard last', async (t) => {
  const ports = testPort(4);
  const [first, second] = [new TestRing(), new TestRing()];
  for (const [i, ring] of [first, second].entries()) ring.start(totemConfig(i + 1, 2, ports));
  await first.synced([1, 2]);
  await second.synced([1, 2]);
  const before = first.flight.records().length;
  const alone = totemConfig(2, 2, ports);
  second.send({ op: 'reconfigure', config: { ...alone, members: alone.members.slice(1) } }); // deaf and mute to the first
  await first.synced([1]);
  const after = first.flight.records().slice(before);
  t.match(ofKind(after, 'tokenLost')[0], { state: 0, timer: 0, timeoutMs: 400 });
  t.ok(ofKind(after, 'tokenLost')[0]!.silentMs >= 400);
  const [heard] = ofKind(after, 'heard');
  t.match(heard, { nodes: [2], links: [0] });
  t.ok(heard!.silentMs[0]! >= 300, `${heard!.silentMs[0]} ms`);
  t.match(ofKind(after, 'gather')[0], { reason: 2, from: 0, members: [1, 2] });
  t.match(ofKind(after, 'consensusTimeout')[0], { missing: [2], timeoutMs: 480 });
  t.match(ofKind(after, 'operational'), [{ members: [1], left: [2], lost: [2] }]);
  t.match(
    story(after),
    /^tokenLost heard gather consensusTimeout heard gather commit recovery operational .*syncDone$/,
  );
  await first.stop();
  await second.stop();
});
