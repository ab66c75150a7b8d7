import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ROOT } from './sources.ts';

const UNIT = join(ROOT, 'conf/corosync.service');
const EXPOSURE_MAX = 3.4;
const ANALYZE = '/usr/bin/systemd-analyze';

t.test('the unit and the launcher leave the same capabilities', async (t) => {
  const unit = [...readFileSync(UNIT, 'utf8').matchAll(/^CapabilityBoundingSet=(.*)$/gm)]
    .flatMap(([, names]) => names!.split(' '))
    .map((name) => name.toLowerCase().replace(/^cap_/, ''));
  const launcher = /^keep='(.*)'$/m.exec(readFileSync(join(ROOT, 'bin/rondod'), 'utf8'))?.[1]?.split(' ') ?? [];
  t.ok(launcher.length > 0);
  t.strictSame(unit.sort(), launcher.sort());
});

t.test('the unit stays closed', { skip: existsSync(ANALYZE) ? false : 'needs systemd-analyze' }, async (t) => {
  const { stdout, stderr } = spawnSync(ANALYZE, ['security', '--offline=true', '--no-pager', UNIT], {
    encoding: 'utf8',
  });
  const score = /exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1];
  if (score === undefined) return t.pass(`no score from this systemd: ${stderr.slice(0, 200)}`);
  t.ok(Number(score) <= EXPOSURE_MAX, `exposure ${score} of 10`);
});
