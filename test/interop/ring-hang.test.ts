import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { hasCommand } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { until } from './lab/process.ts';

/** Stops the ring thread as long as this program runs: of the threads besides the main one, the one that wakes up most often. */
const HOLD = `
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
pid = sys.argv[1]
def woken(tid):
    with open(f'/proc/{pid}/task/{tid}/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('voluntary'))
tids = [tid for tid in os.listdir(f'/proc/{pid}/task') if tid != pid]
before = {tid: woken(tid) for tid in tids}
time.sleep(2)
ring = max(tids, key=lambda tid: woken(tid) - before[tid])
SEIZE, INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
if libc.ptrace(SEIZE, int(ring), None, None) or libc.ptrace(INTERRUPT, int(ring), None, None): sys.exit(os.strerror(ctypes.get_errno()))
os.waitpid(int(ring), WALL)
print('held', flush=True)
os.waitpid(int(ring), WALL) # its end, which nobody but the tracer can collect
`;

t.test(
  'a ring thread that hangs: the daemon says so, writes flight data and ends',
  { skip: skipReason(['ours'], true, 'ring-hang') },
  async (t) => {
    t.setTimeout(120_000);
    const lab = await Lab.up({ transport: 'udpu', tokenMs: 1000 }, ['ours']);
    t.teardown(() => lab.close());
    const node = lab.node(1);
    const pid = (await node.space.shell('cat /run/corosync.pid')).trim();
    const holder = node.space.start('python3', ['-c', HOLD, pid]);
    t.teardown(() => holder.stop('SIGKILL'));
    await holder.waitFor(/held/);
    await until(
      'a first line',
      async () => (/has not run for \d+ s: this node/.test(node.log()) ? true : null),
      20_000,
    );
    await until('the end', async () => (node.daemon?.alive ? null : true), 60_000);
    t.match(node.log(), /The ring thread has not run for 3\d s: the daemon aborts/);
    const files = await node.space.shell('ls /var/lib/corosync');
    t.match(files, /^fdata-\S+\.txt$/m);
    t.match(await node.space.shell('cat /var/lib/corosync/fdata.txt'), /The ring thread has not run for 3\d s/);
    if (!hasCommand('qb-blackbox')) return;
    // As corosync-blackbox reads it.
    const { stdout } = await node.tool('qb-blackbox', '/var/lib/corosync/fdata');
    t.match(stdout, /The ring thread has not run for 3\d s: the daemon aborts/);
  },
);
