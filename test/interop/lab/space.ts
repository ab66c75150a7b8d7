import { chmodSync, chownSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, type Running, type RunOptions, type RunResult, run, start } from './process.ts';

/** What a node has for itself: a directory of the lab each, mounted over the host's. */
const MOUNTS: readonly (readonly [string, string])[] = [
  ['run', '/run'],
  ['etc', '/etc/corosync'],
  ['state', '/var/lib/corosync'],
  ['log', '/var/log'],
  ['pacemaker', '/var/lib/pacemaker'],
];

/**
 * A host of its own: network, mount and host-name namespaces, kept by a process that ends with the test, so that
 * nothing is left behind whatever happens. Abstract unix sockets belong to the network namespace, /dev/shm is a
 * private tmpfs: every node has the default IPC names.
 */
export class Space {
  private constructor(
    readonly name: string,
    readonly directory: string,
    private readonly holder: Running,
  ) {}

  static async create(name: string, directory: string, hosts = ''): Promise<Space> {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'hosts'), `127.0.0.1 localhost\n::1 localhost\n${hosts}`);
    writeFileSync(join(directory, 'resolv.conf'), '');
    const commands = [`hostname ${name}`, 'ip link set lo up', 'mount -t tmpfs -o size=4g tmpfs /dev/shm'];
    for (const [folder, target] of MOUNTS) {
      mkdirSync(join(directory, folder), { recursive: true });
      if (existsSync(target)) commands.push(`mount --bind ${join(directory, folder)} ${target}`);
    }
    for (const file of ['hosts', 'resolv.conf']) commands.push(`mount --bind ${join(directory, file)} /etc/${file}`);
    copyOwnership(directory);
    const script = `${commands.join(' && ')} && echo ready && exec cat >/dev/null`;
    const holder = start('unshare', ['--net', '--mount', '--uts', 'sh', '-c', script]);
    await holder.waitFor(/ready/);
    return new Space(name, directory, holder);
  }

  get pid(): number {
    return this.holder.pid;
  }

  private enter(command: string, args: readonly string[]): string[] {
    return ['-t', String(this.pid), '--net', '--mount', '--uts', '--', command, ...args];
  }

  start(command: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Running {
    return start('nsenter', this.enter(command, args), { env });
  }

  run(command: string, args: readonly string[] = [], options: RunOptions = {}): Promise<RunResult> {
    return run('nsenter', this.enter(command, args), options);
  }

  must(command: string, args: readonly string[] = [], options: RunOptions = {}): Promise<string> {
    return must('nsenter', this.enter(command, args), options);
  }

  shell(script: string, options: RunOptions = {}): Promise<string> {
    return this.must('sh', ['-c', script], options);
  }

  /** Lets programs that run by chroot in `root` see this host's directories, memory and devices; only they see that. */
  async share(root: string): Promise<void> {
    const targets = ['/run', '/etc/corosync', '/var/lib/corosync', '/var/log', '/dev', '/proc'];
    await this.shell(targets.map((target) => `mount --rbind ${target} '${root}${target}'`).join(' && '));
  }

  async close(): Promise<void> {
    await this.holder.stop('SIGKILL');
  }
}

/** Pacemaker's directories belong to its own user. */
function copyOwnership(directory: string): void {
  for (const name of ['', 'cib', 'pengine', 'blackbox', 'cores']) {
    const original = join('/var/lib/pacemaker', name);
    if (!existsSync(original)) continue;
    const copy = join(directory, 'pacemaker', name);
    const { uid, gid, mode } = statSync(original);
    mkdirSync(copy, { recursive: true });
    chownSync(copy, uid, gid);
    chmodSync(copy, mode & 0o7777);
  }
  for (const name of ['log/corosync', 'log/pacemaker', 'log/cluster', 'run/lock']) {
    mkdirSync(join(directory, name), { recursive: true });
  }
}
