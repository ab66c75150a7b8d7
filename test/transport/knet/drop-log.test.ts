import t from 'tap';
import { KnetDrop } from '../../../src/knet/drops.ts';
import { DropLog } from '../../../src/transport/knet/drop-log.ts';

const PERIOD_MS = 30_000;

t.test('one line a peer, then silence, then how many there were', async (t) => {
  const log = new DropLog();
  t.match(log.line(KnetDrop.authentication, '10.0.0.1:5405', 0, 100, 0), /authentication failed/);
  t.equal(log.line(KnetDrop.authentication, '10.0.0.1:5405', 0, 100, 1), null);
  t.match(log.line(KnetDrop.authentication, '10.0.0.1:5405', 0, 100, PERIOD_MS), /and 1 more/);
});

t.test('sources that are made up cannot fill the log', async (t) => {
  const log = new DropLog();
  let lines = 0;
  for (let port = 0; port < 60_000; port++)
    if (log.line(KnetDrop.short, `10.0.0.1:${port}`, 0, 100, port / 10) !== null) lines++;
  t.equal(lines, 256);
  for (let port = 0; port < 60_000; port++)
    if (log.line(KnetDrop.short, `10.0.0.2:${port}`, 0, 100, PERIOD_MS + 6000 + port / 10) !== null) lines++;
  t.equal(lines, 512, 'as many in the next period');
});

t.test('a flood is not looked at packet by packet', async (t) => {
  const log = new DropLog();
  let looks = 0;
  for (let i = 0; i < 100_000; i++) if (log.worthALook(KnetDrop.authentication, i / 100)) looks++;
  t.equal(looks, 32, 'in the first second');
  t.ok(log.worthALook(KnetDrop.authentication, 1_001), 'and some in the next');
  t.notOk(log.worthALook(KnetDrop.duplicate, 3_000), 'copies are no trouble at all');
});
