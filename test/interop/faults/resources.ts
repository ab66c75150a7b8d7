import { existsSync, readFileSync, rmdirSync } from 'node:fs';
import { Attacker } from '../../security/attacker.ts';
import { type MemoryGroup, makeMemoryGroup } from '../lab/memory-group.ts';
import type { LabNode } from '../lab/node.ts';
import { sleep } from '../lab/process.ts';
import { type Fault, USERS } from './table.ts';

const STATE = '/var/lib/corosync';
const MEMORY_BYTES = 192 << 20;
/** By daemon: faults may run side by side. */
const groups = new Map<LabNode, MemoryGroup>();

/** Number of forced gatherings: each needs a ring number. */
const RINGS = 4;

async function formRings(scene: Parameters<Fault['harm']>[0]): Promise<void> {
  for (let ring = 0; ring < RINGS; ring++) {
    await scene.others[0]?.tool('corosync-cmapctl', '-s', 'runtime.force_gather', 'str', 'yes');
    await sleep(700);
  }
}

export const RESOURCE_FAULTS: readonly Fault[] = [
  {
    name: 'disk-full',
    what: 'the disk of one state directory is full while rings form',
    ring: 'may change',
    holdMs: 500,
    prepare: async ({ victim }) => {
      await victim.space.shell(`mount -t tmpfs -o size=64k tmpfs ${STATE}`);
      return null;
    },
    harm: async (scene) => {
      await scene.victim.space.shell(`dd if=/dev/zero of=${STATE}/filler bs=4k 2>/dev/null || true`);
      await formRings(scene);
    },
    mend: async ({ victim }) => void (await victim.space.shell(`rm ${STATE}/filler`)),
  },
  {
    name: 'disk-read-only',
    what: 'one state directory becomes read-only while rings form',
    ring: 'may change',
    holdMs: 500,
    harm: async (scene) => {
      await scene.victim.space.shell(`mount --bind ${STATE} ${STATE} && mount -o remount,bind,ro ${STATE}`);
      await formRings(scene);
    },
    mend: async ({ victim }) => void (await victim.space.shell(`umount -l ${STATE}`)),
  },
  {
    name: 'shm-full',
    what: '/dev/shm is full at one node, 20 clients try to connect',
    ring: 'stays',
    holdMs: 500,
    harm: async (scene) => {
      const { victim } = scene;
      await victim.space.shell(
        'mount -o remount,size=64m /dev/shm; dd if=/dev/zero of=/dev/shm/full bs=64k 2>/dev/null || true',
      );
      const user = await Attacker.on(victim, USERS.granted);
      scene.notes.push((await user.run('connect', 'cmap', '20', '1048576', 'silent')).stdout.trim());
    },
    mend: async ({ victim }) => void (await victim.space.shell('rm /dev/shm/full')),
  },
  {
    name: 'descriptors-64',
    what: 'one daemon has 64 descriptors, 100 clients try to connect',
    ring: 'stays',
    holdMs: 1_500,
    prepare: async ({ victim }) => {
      if (victim.kind === 'stock') return null;
      const { code } = await victim.space.run('prlimit', ['--nofile=64:64', 'sh', '-c', 'ulimit -n 256']);
      return code === 0
        ? null
        : 'root has no CAP_SYS_RESOURCE here: rondod says that it needs 256 descriptors, and ends';
    },
    start: (program) => `exec prlimit --nofile=64:64 ${program} -f`,
    harm: async (scene) => {
      const user = await Attacker.on(scene.victim, USERS.granted);
      scene.keep(user.start('connect', 'cmap', '100', '12328', 'byte'));
    },
    mend: (scene) => scene.endHelpers(),
  },
  {
    name: 'log-blocked',
    what: 'nobody reads the pipe to which one daemon logs, debug lines too',
    ring: 'stays',
    holdMs: 3_000,
    options: { debug: true, logging: ['to_stderr: yes'] },
    start: (program) => `mkfifo /run/sink && exec 3<>/run/sink && exec ${program} -f 2>/run/sink`,
    harm: async ({ victim }) => {
      for (let times = 0; times < 40; times++) await victim.tool('corosync-cmapctl', '-g', 'totem.version');
    },
  },
  {
    name: 'log-full',
    what: 'the disk of one log file is full',
    ring: 'stays',
    holdMs: 3_000,
    options: { debug: true },
    prepare: async ({ victim }) => {
      await victim.space.shell('mount -t tmpfs -o size=1m tmpfs /var/log && mkdir -p /var/log/corosync');
      return null;
    },
    harm: async ({ victim }) => {
      await victim.space.shell('dd if=/dev/zero of=/var/log/filler bs=4k 2>/dev/null || true');
      for (let times = 0; times < 20; times++) await victim.tool('corosync-cmapctl', '-g', 'totem.version');
    },
    mend: async ({ victim }) => void (await victim.space.shell('rm /var/log/filler')),
  },
  {
    name: 'memory-192M',
    what: 'one daemon has 192 MB in all, members send 100 kB messages',
    ring: 'stays',
    holdMs: 4_000,
    prepare: async ({ lab, victim }) => {
      const group = makeMemoryGroup(`rondo-faults-${process.pid}-${victim.space.pid}`, MEMORY_BYTES);
      if (group === null) return 'no control group with a memory limit can be made here';
      groups.set(victim, group);
      await victim.space.shell(`echo ${group.path} >/run/memory-group`);
      return lab.nodes.length > 0 ? null : 'no nodes';
    },
    start: (program) => `echo $$ >$(cat /run/memory-group)/cgroup.procs && exec ${program} -f`,
    harm: async ({ members }) => {
      for (const [at, member] of members.entries()) member.send(150, 100_000, 100_000, 77 + at);
    },
    mend: async ({ notes, victim }) => {
      const peakFile = groups.get(victim)?.peakFile ?? '';
      if (existsSync(peakFile)) notes.push(`peak ${Number(readFileSync(peakFile, 'latin1')) >> 20} MB`);
    },
  },
];

/** Removes the control group of a daemon that has ended. */
export function removeGroup(victim: LabNode): void {
  const group = groups.get(victim);
  groups.delete(victim);
  if (group !== undefined) rmdirSync(group.path);
}
