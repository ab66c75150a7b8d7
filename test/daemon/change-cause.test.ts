import t from 'tap';
import { causeOfRing } from '../../src/daemon/change-cause.ts';
import type { FlightRecord } from '../../src/observe/flight/index.ts';

let sequence = 0;
const record = (monotonicMs: number, seq: number, fields: object): FlightRecord =>
  ({
    life: 1,
    part: 'ring',
    sequence: ++sequence,
    monotonicMs,
    wallMs: 0,
    ring: { rep: 1, seq },
    ...fields,
  }) as FlightRecord;
const operational = (at: number, seq: number, left: readonly number[] = []): FlightRecord =>
  record(at, seq, { kind: 'operational', members: [], joined: [], left, lost: [] });
const gather = (at: number, reason: number, node = 0): FlightRecord =>
  record(at, 4, { kind: 'gather', reason, from: 0, node, silentMs: 10, members: [], candidates: [], failed: [] });
const name = (nodeId: number): string => `node${nodeId}`;
const ringId = { rep: 1, seq: 8 };

t.test('what led to a ring, and nothing that belongs to another', async (t) => {
  const start = [record(0, 0, { kind: 'leave', node: 9 }), operational(100, 4)];
  const why = (...records: readonly FlightRecord[]): string =>
    causeOfRing(
      [...start, ...records, operational(20_000, 8), record(20_001, 8, { kind: 'leave', node: 9 })],
      ringId,
      name,
    );
  t.equal(why(record(19_000, 4, { kind: 'memberDied', node: 3 }), gather(19_001, 12)), 'the process of node3 ended');
  t.equal(
    why(
      record(18_999, 4, { kind: 'link', node: 3, link: 0, up: 0, cause: 2 }),
      record(19_000, 4, { kind: 'memberDied', node: 3 }),
      gather(19_001, 16),
    ),
    'the process of node3 ended',
    'its links went with it',
  );
  t.equal(why(record(19_000, 4, { kind: 'leave', node: 2 }), gather(19_000, 12, 2)), 'node2 took its leave');
  t.equal(
    why(
      record(18_900, 4, { kind: 'link', node: 3, link: 0, up: 0, cause: 1 }),
      record(19_000, 4, { kind: 'tokenLost', state: 0, silentMs: 1004, timeoutMs: 1000, timer: 0 }),
      gather(19_000, 2),
    ),
    'link 0 to node3 went down (timeout); no token for 1.00 s (timeout 1.00 s)',
  );
  t.equal(why(gather(19_000, 12, 3)), 'node3 began it: join during operational state');
  t.equal(
    why(record(200, 4, { kind: 'link', node: 2, link: 1, up: 0, cause: 1 }), gather(19_000, 9)),
    'merge during operational state',
    'a link that went down long before is no cause',
  );
  t.match(why(gather(19_000, 9), gather(19_100, 9), gather(19_200, 9)), /attempt number 3/);
  const twoDead = [
    ...start,
    record(19_000, 4, { kind: 'link', node: 3, link: 0, up: 0, cause: 2 }),
    record(19_000, 4, { kind: 'link', node: 2, link: 0, up: 0, cause: 1 }),
    gather(19_001, 2),
    operational(19_100, 8, [2]),
  ];
  t.equal(
    causeOfRing(twoDead, ringId, name),
    'link 0 to node2 went down (timeout)',
    'links of others are not its cause',
  );
  t.equal(why(), '', 'nothing is made up');
  t.equal(causeOfRing(start, ringId, name), '', 'not recorded');
});
