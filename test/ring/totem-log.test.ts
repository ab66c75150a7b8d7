import t from 'tap';
import { TotemLog } from '../../src/ring/totem-log.ts';
import { TotemDrop, type TotemReport } from '../../src/totem/index.ts';
import { TIMINGS } from './ring-harness.ts';

function logged(...reports: readonly TotemReport[]): string[] {
  const lines: string[] = [];
  const log = new TotemLog(
    (level, subsystem, message) => lines.push(`${level} ${subsystem} ${message}`),
    () => TIMINGS,
  );
  for (const report of reports) log.report(report);
  return lines;
}

t.test("stock's lines", async (t) => {
  const ringId = { rep: 1, seq: 0xcf };
  const membership = { kind: 'operational', ringId, members: [1, 2, 3], lost: [] } as const;
  t.same(
    logged(
      { ...membership, joined: [2, 3], left: [] },
      { ...membership, joined: [], left: [3], lost: [3] },
      { ...membership, joined: [], left: [] },
      { kind: 'tokenLost', state: 'operational', timer: 'token', silentMs: 400, timeoutMs: 400 },
      { kind: 'tokenWarning', silentMs: 4237.2 },
      { kind: 'retransmitRequest', seqs: [97, 0x1f] },
      {
        kind: 'gather',
        reason: 15,
        from: 'operational',
        node: 0,
        silentMs: 0,
        members: [],
        candidates: [1],
        failed: [],
      },
      { kind: 'pause', pausedMs: 2000.4, discarded: 3 },
    ),
    [
      'notice TOTEM A new membership (1.cf) was formed. Members joined: 2 3',
      'notice TOTEM A new membership (1.cf) was formed. Members left: 3',
      'notice TOTEM Failed to receive the leave message. failed: 3',
      'notice TOTEM A new membership (1.cf) was formed. Members',
      'notice TOTEM A processor failed, forming new configuration: token timed out (400ms), waiting 480ms for consensus.',
      'notice TOTEM Token has not been received in 4237 ms ',
      'notice TOTEM Retransmit List: 61 1f ',
      'debug TOTEM entering GATHER state from 15(interface change).',
      'error TOTEM Process pause detected for 2000 ms, flushing membership messages.',
    ],
  );
});

t.test('a node that cannot be followed: what to do about it', async (t) => {
  const [line] = logged({ kind: 'frameDropped', reason: TotemDrop.BAD_RING_SEQ, detail: '7' });
  t.match(line, /^warning TOTEM Node 7 is at a ring sequence above 2\^52.*remove its file ringid_7/);
});

t.test("another generation on the wire: stock's lines", async (t) => {
  const lines = logged(
    { kind: 'frameDropped', reason: TotemDrop.BAD_MAGIC, detail: 'Corosync 2.3+' },
    { kind: 'frameDropped', reason: TotemDrop.BAD_VERSION, detail: '4' },
  );
  t.same(lines, [
    'warning TOTEM Message received has bad magic number (probably sent by Corosync 2.3+).. Ignoring',
    'warning TOTEM Message received has unsupported version 4.. Ignoring',
  ]);
});
