import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import t from 'tap';
import { StartPriority } from '../../src/daemon/start-priority.ts';

/** Policies of all threads of this process, as chrt names them. */
const policies = (): string[] =>
  readdirSync('/proc/self/task').map((thread) => {
    const text = execFileSync('chrt', ['-p', thread], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
    return /policy: (\S+)/.exec(text)?.[1] ?? text;
  });

const skip = process.geteuid?.() === 0 ? false : 'real-time priority needs root';

t.test('a raised priority ends for all threads when clients are served', { skip }, async (t) => {
  const env = { RONDO_STARTS_FIRST: 'yes' };
  execFileSync('chrt', ['--rr', '-a', '-p', '1', `${process.pid}`]);
  const start = new StartPriority(env);
  start.begin();
  t.same(env, {}, 'programs that the daemon starts do not see it');
  t.same(new Set(policies()), new Set(['SCHED_RR']));
  start.end();
  t.same(new Set(policies()), new Set(['SCHED_OTHER']));
});

t.test('nothing was raised: the end changes nothing', { skip }, async (t) => {
  execFileSync('chrt', ['--rr', '-p', '1', `${process.pid}`]);
  new StartPriority({}).end();
  t.ok(policies().includes('SCHED_RR'));
  execFileSync('chrt', ['--other', '-p', '0', `${process.pid}`]);
});
