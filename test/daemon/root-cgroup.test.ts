import t from 'tap';
import { Icmap } from '../../src/config/icmap/icmap.ts';
import { planScheduling } from '../../src/daemon/privileges.ts';

const skip = process.geteuid?.() === 0 ? false : 'real-time priority needs root';
const REFUSED = { ok: false, errno: 'EPERM' } as const;

/** Which files get the pid, what is planned and what is logged, when the first `refusals` attempts at SCHED_RR are refused. */
function plan(setting: string | null, membership: string, refusals: number) {
  const config = new Icmap();
  if (setting !== null) config.setString('system.move_to_root_cgroup', setting);
  const moves: string[] = [];
  const lines: string[] = [];
  let left = refusals;
  const { roundRobin } = planScheduling(
    config,
    (level, _, text) => void lines.push(`${level}: ${text}`),
    { end: () => {} },
    {
      membership: () => membership,
      move: (file) => void moves.push(file),
      probe: () => (left-- > 0 ? REFUSED : { ok: true }),
    },
  );
  return { roundRobin, moves, lines };
}

const V2 = '0::/system.slice/corosync.service\n';
const V1 = '4:memory:/a\n2:cpu,cpuacct:/b\n0::/c\n';
const V2_ROOT = '/sys/fs/cgroup/cgroup.procs';

t.test('auto leaves the control group when SCHED_RR is refused in it, and tries again', { skip }, async (t) => {
  t.same(plan(null, V2, 0), { roundRobin: true, moves: [], lines: [] });
  t.match(plan(null, V2, 1), {
    roundRobin: true,
    moves: [V2_ROOT],
    lines: [/^notice: Moved from control group \/system/],
  });
  t.match(plan('auto', V1, 1), { roundRobin: true, moves: ['/sys/fs/cgroup/cpu/tasks'] });
});

t.test('refused in the root group, too: it goes on without', { skip }, async (t) => {
  t.match(plan('auto', V2, 2), {
    roundRobin: false,
    moves: [V2_ROOT],
    lines: [/^notice/, /^warning: Could not set SCHED_RR/],
  });
  t.match(plan('auto', '0::/\n', 1), { roundRobin: false, moves: [] }, 'nowhere to move to');
});

t.test('yes always leaves it, no never', { skip }, async (t) => {
  t.match(plan('yes', V2, 0), { roundRobin: true, moves: [V2_ROOT] });
  t.match(plan('no', V2, 1), { roundRobin: false, moves: [], lines: [/^warning: Could not set SCHED_RR/] });
});
