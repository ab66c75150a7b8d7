import t from 'tap';
import { memoryLimitBytes, readMemoryLimit, withinMemory } from '../../src/os/memory-limit.ts';

const MEMINFO = 'MemTotal:        4000000 kB\nMemFree: 1 kB\n';
const limitOf = (files: Readonly<Record<string, string>>): number =>
  readMemoryLimit({
    read: (path) => {
      const text = files[path];
      if (text === undefined) throw new Error(`ENOENT ${path}`);
      return text;
    },
  });

t.test('the smallest of the machine and of all control groups above', async (t) => {
  t.equal(limitOf({ '/proc/meminfo': MEMINFO }), 4_000_000 * 1024);
  t.equal(limitOf({}), Number.MAX_SAFE_INTEGER, 'nothing is known');
  const unified = { '/proc/meminfo': MEMINFO, '/proc/self/cgroup': '0::/system.slice/corosync.service\n' };
  t.equal(limitOf({ ...unified, '/sys/fs/cgroup/system.slice/corosync.service/memory.max': 'max\n' }), 4_096_000_000);
  t.equal(limitOf({ ...unified, '/sys/fs/cgroup/system.slice/corosync.service/memory.max': '1000\n' }), 1000);
  t.equal(
    limitOf({
      ...unified,
      '/sys/fs/cgroup/system.slice/corosync.service/memory.max': '1000\n',
      '/sys/fs/cgroup/system.slice/memory.max': '900\n',
    }),
    900,
  );
  t.equal(limitOf({ ...unified, '/sys/fs/cgroup/memory.max': '800\n' }), 800, 'in a namespace the mount is the group');
  const first = '5:cpu,cpuacct:/x\n4:memory:/a/b\n0::/\n';
  t.equal(
    limitOf({
      '/proc/meminfo': MEMINFO,
      '/proc/self/cgroup': first,
      '/sys/fs/cgroup/memory/a/memory.limit_in_bytes': '700\n',
      '/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes': '9223372036854771712\n',
    }),
    700,
  );
});

t.test('budgets shrink with it', async (t) => {
  t.ok(memoryLimitBytes() > 16 << 20);
  t.equal(withinMemory(1000, 1 / 4, 10_000), 1000);
  t.equal(withinMemory(1000, 1 / 4, 2000), 500);
});
