import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { skipReason } from '../interop/lab/cases.ts';
import { hasCommand } from '../interop/lab/host.ts';
import { Lab } from '../interop/lab/lab.ts';

/** Numbers of linux/capability.h. */
const KEPT = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  FOWNER: 3,
  LINUX_IMMUTABLE: 9,
  NET_BIND_SERVICE: 10,
  NET_ADMIN: 12,
  IPC_LOCK: 14,
  SYS_BOOT: 22,
  SYS_NICE: 23,
  SYS_RESOURCE: 24,
} as const;
const KEPT_BITS = Object.values(KEPT).reduce<number>((bits, number) => bits | (1 << number), 0);

/** This machine gives its root less than everything: what is missing then is not the launcher's doing. */
const MACHINE_LIMITS = Object.values(KEPT).some(
  (number) => (BigInt(KEPT_BITS) & ~boundingOf('self') & (1n << BigInt(number))) !== 0n,
);

function boundingOf(pid: string): bigint {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return BigInt(`0x${/^CapBnd:\s+(\S+)$/m.exec(status)?.[1] ?? '0'}`);
}

interface ThreadStatus {
  readonly name: string;
  readonly effective: bigint;
  readonly bounding: bigint;
  readonly noNewPrivileges: string;
  /** SCHED_OTHER 0, SCHED_RR 2. */
  readonly policy: number;
  readonly nice: number;
}

function threads(pid: number): readonly ThreadStatus[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const at = `/proc/${pid}/task/${thread}`;
    const status = readFileSync(`${at}/status`, 'latin1');
    const field = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)$`, 'm').exec(status)?.[1] ?? '';
    const stat = readFileSync(`${at}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return {
      name: field('Name'),
      effective: BigInt(`0x${field('CapEff')}`),
      bounding: BigInt(`0x${field('CapBnd')}`),
      noNewPrivileges: field('NoNewPrivs'),
      policy: Number(stat[38]),
      nice: Number(stat[16]),
    };
  });
}

const skip = skipReason(['ours']) || (hasCommand('setpriv') ? false : 'needs setpriv');

t.test('no thread of the daemon may do more than its work needs', { skip }, async (t) => {
  const lab = await Lab.up(
    { transport: 'knet', crypto: { cipher: 'aes256', hash: 'sha256' }, system: ['sched_rr: yes'] },
    ['ours', 'ours'],
  );
  t.teardown(() => lab.close());
  for (const node of lab.nodes) {
    const all = threads(node.daemon!.pid);
    t.ok(all.length > 2, `${all.length} threads`);
    for (const thread of all) {
      t.equal(
        thread.effective & ~BigInt(KEPT_BITS),
        0n,
        `${thread.name}: capabilities ${thread.effective.toString(16)}`,
      );
      t.equal(thread.bounding & ~BigInt(KEPT_BITS), 0n, `${thread.name}: and none to be had by execve`);
      t.equal(thread.noNewPrivileges, '1', thread.name);
    }
    t.equal(all.filter(({ policy }) => policy === 2).length, 1, 'the ring thread has real-time priority');
    t.equal(all[0]?.nice, -20, 'the main thread goes before ordinary processes');
    const log = node.log();
    t.notMatch(log, MACHINE_LIMITS ? /unshrinkable/ : /ot permitted|unshrinkable|Could not/);
  }
  // Clients of root and of others, files that change hands, a reload, new sockets.
  const node = lab.node(1);
  const uidgid = `${readFileSync(node.confFile, 'utf8')}\nuidgid {\n  uid: 65534\n}\n`;
  for (const each of lab.nodes) each.writeConf(uidgid);
  await node.space.must('corosync-cfgtool', ['-R']);
  const other = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
  const shown = await node.space.must('setpriv', [...other, 'corosync-cmapctl', '-g', 'totem.version']);
  t.match(shown, /= 2/, 'an ordinary user who is granted is served');
  await node.space.must('corosync-cpgtool', []);
  t.equal(await node.stopDaemon(), 0);
});
