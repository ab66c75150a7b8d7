import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { must, type Running, type RunResult, run, start } from './process.ts';

const COMMAND_MS = 240_000;
export const OWN_PROCESSES = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];

/**
 * `systemctl` where no systemd runs: units are the scripts of /etc/init.d, and those that are enabled have a file each. `is-active` asks
 * the script, so that a process that died is none that runs.
 */
const SYSTEMCTL = `#!/bin/sh
export SYSTEMCTL_SKIP_REDIRECT=true _SYSTEMCTL_SKIP_REDIRECT=true # or the scripts ask systemctl
order= units=
for word; do case $word in -*) ;; *) if [ -z "$order" ]; then order=$word; else units="$units \${word%.service}"; fi ;; esac; done
status=0
for unit in $units; do
  script=/etc/init.d/$unit
  case $order in
  start | stop | restart | reload | status) "$script" "$order" >>/var/log/units 2>&1 </dev/null || status=$? ;;
  is-active) if "$script" status >/dev/null 2>&1 </dev/null; then echo active; else echo inactive; status=3; fi ;;
  enable) mkdir -p /etc/enabled && touch "/etc/enabled/$unit" ;;
  disable) rm -f "/etc/enabled/$unit" ;;
  is-enabled) if [ -e "/etc/enabled/$unit" ]; then echo enabled; else echo disabled; status=1; fi ;;
  esac
done
[ "$order" != list-unit-files ] || ls /etc/init.d | sed 's/$/.service disabled enabled/'
exit $status
`;

/** A host's network and file systems, over which trees of several nodes stand; it ends with the test. */
export class Ground {
  private constructor(
    readonly directory: string,
    private readonly holder: Running,
  ) {}

  static async create(directory: string): Promise<Ground> {
    mkdirSync(directory, { recursive: true });
    const script = [
      `mount -t tmpfs -o size=6g tmpfs '${directory}'`,
      'ip link set lo up',
      'ip link add rondo0 type bridge',
      'ip link set rondo0 up',
      'echo ready',
      'exec cat >/dev/null',
    ].join(' && ');
    const holder = start('unshare', ['--mount', '--net', 'sh', '-c', script]);
    await holder.waitFor(/ready/);
    return new Ground(directory, holder);
  }

  /** Words before a command that is to run here. */
  get enter(): readonly string[] {
    return ['nsenter', '-t', String(this.holder.pid), '--mount', '--net', '--'];
  }

  /** Gives a tree a line to the bridge, and the address. */
  async wire(tree: RootTree, name: string, address: string): Promise<void> {
    const pair = `ip link add '${name}' type veth peer name eth0 netns ${tree.first} && ip link set '${name}' master rondo0 up`;
    await must(this.enter[0]!, [...this.enter.slice(1), 'sh', '-c', pair]);
    await tree.must(`ip link set lo up && ip addr add ${address}/24 dev eth0 && ip link set eth0 up`);
  }

  async close(): Promise<void> {
    await this.holder.stop('SIGKILL');
  }
}

export interface TreeOptions {
  /** Layers between the tree's own and the machine's, the upper one first: `upper` of trees that have ended. */
  readonly layers?: readonly string[];
  readonly host?: string;
}

/** A root tree of its own over the machine's, with processes and a network of its own. Kept by a process that ends with the test. */
export class RootTree {
  private constructor(
    private readonly holder: Running,
    /** The first process of the tree's own process space. */
    readonly first: string,
    /** Where it keeps what is different from below. */
    readonly upper: string,
  ) {}

  static async over(ground: Ground, name: string, { layers = [], host = name }: TreeOptions = {}): Promise<RootTree> {
    const directory = join(ground.directory, name);
    const lower = [...layers, '/'].join(':');
    const mounts = [
      `mkdir '${directory}'`,
      `cd '${directory}'`,
      'mkdir upper work root',
      `mount -t overlay overlay -o 'lowerdir=${lower},upperdir=upper,workdir=work' root`,
      'mount --rbind /dev root/dev',
      'mount --make-rslave root/dev',
      'mount --rbind /sys root/sys',
      'mount -t proc proc root/proc',
      // Programs that reboot their host end its process space, and nothing of this machine.
      'echo 1 >sysrq',
      'for name in sysrq-trigger sys/kernel/sysrq; do [ ! -e root/proc/$name ] || mount --bind sysrq root/proc/$name || exit 1; done',
      'mount -t tmpfs tmpfs root/run',
      'mount -t tmpfs -o size=4g tmpfs root/dev/shm',
      `hostname '${host}'`,
      // Not chroot: whoever enters the namespace later would be outside of it.
      'cd root',
      'pivot_root . mnt',
      'umount -l /mnt',
    ].join(' && ');
    // Ends of processes that nobody waits for are the first process's to take note of: scripts wait until there is nothing left of them.
    const script = `${mounts} && echo ready && exec env --ignore-signal=CHLD cat >/dev/null`;
    const [command = '', ...enter] = ground.enter;
    const holder = start(command, [...enter, 'unshare', ...OWN_PROCESSES, '--net', '--uts', 'sh', '-c', script]);
    await holder.waitFor(/ready/);
    // The holder is `nsenter`, which has become `unshare`; its child is the first process of the space.
    const first = await must('ps', ['--ppid', String(holder.pid), '-o', 'pid=']);
    return new RootTree(holder, first.trim(), join(directory, 'upper'));
  }

  private get enter(): readonly string[] {
    return ['-t', this.first, '--mount', '--net', '--uts', '--pid', '--'];
  }

  /** Its first process has not ended. */
  get alive(): boolean {
    return this.holder.alive;
  }

  run(script: string, timeoutMs = COMMAND_MS): Promise<RunResult> {
    return run('nsenter', [...this.enter, 'sh', '-c', script], { timeoutMs });
  }

  /** A command that goes on until it is stopped. */
  start(command: string, args: readonly string[] = []): Running {
    return start('nsenter', [...this.enter, command, ...args]);
  }

  /** @throws Error with what the script wrote, when its status is not 0 */
  async must(script: string, timeoutMs?: number): Promise<string> {
    const { code, stdout, stderr } = await this.run(script, timeoutMs);
    if (code !== 0) throw new Error(`${script}: status ${code}: ${stderr}${stdout}`.slice(-9000));
    return stdout;
  }

  async write(path: string, text: string, mode = '644'): Promise<void> {
    await this.must(`cat >'${path}' <<'END_OF_FILE'\n${text}\nEND_OF_FILE\nchmod ${mode} '${path}'`);
  }

  /** Services are started and stopped by the scripts of their packages, as programs that look for systemd ask for it. */
  async serviceScripts(): Promise<void> {
    await this.must('mkdir -p /run/systemd/system && rm -f /bin/systemctl');
    await this.write('/bin/systemctl', SYSTEMCTL, '755');
  }

  async close(): Promise<void> {
    await this.holder.stop('SIGKILL');
  }
}
