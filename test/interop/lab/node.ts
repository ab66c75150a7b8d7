import { closeSync, existsSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodePlan } from './conf.ts';
import { NEWER_ROOT, ROOT } from './host.ts';
import { type Running, type RunResult, sleep } from './process.ts';
import type { Space } from './space.ts';

/** `newer` is a stock Corosync of a newer release, in a root directory of its own (`newerUnavailable`). */
export type DaemonKind = 'stock' | 'newer' | 'ours';

export interface CutOptions {
  /** Only packets of these peers; default all. */
  readonly peers?: readonly LabNode[];
  /** Only this link; default all. */
  readonly link?: number;
  readonly direction?: 'in' | 'out' | 'both';
  /** Share of the datagrams that is lost; default 1. */
  readonly share?: number;
}

/** One node of a lab cluster: its namespaces, its daemon, its faults. */
export class LabNode {
  daemon: Running | null = null;
  kind: DaemonKind;
  private logStart = 0;

  constructor(
    readonly plan: NodePlan,
    readonly space: Space,
    kind: DaemonKind,
    private readonly build = ROOT,
  ) {
    this.kind = kind;
  }

  get id(): number {
    return this.plan.id;
  }

  get logFile(): string {
    return join(this.space.directory, 'log/corosync/corosync.log');
  }

  get confFile(): string {
    return join(this.space.directory, 'etc/corosync.conf');
  }

  /** The log of this node so far; with `all` that of earlier daemons, too. */
  log(all = false): string {
    if (!existsSync(this.logFile)) return '';
    return readFileSync(this.logFile, 'utf8').slice(all ? 0 : this.logStart);
  }

  /** How long the log is, for `logSince`. */
  get logBytes(): number {
    return statSync(this.logFile, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** What was logged behind the first `bytes`: looking often costs no more than what is new. */
  logSince(bytes: number): string {
    const news = Buffer.alloc(Math.max(0, this.logBytes - bytes));
    if (news.length === 0) return '';
    const fd = openSync(this.logFile, 'r');
    try {
      return news.toString('utf8', 0, readSync(fd, news, 0, news.length, bytes));
    } finally {
      closeSync(fd);
    }
  }

  /** A daemon of this node stalled for so long that a token may have been lost. */
  hasStalled(): boolean {
    return /was not scheduled|Process pause detected/.test(this.log(true));
  }

  writeConf(text: string): void {
    writeFileSync(this.confFile, text);
  }

  writeKey(key: Uint8Array): void {
    writeFileSync(join(this.space.directory, 'etc/authkey'), key, { mode: 0o400 });
  }

  startDaemon(env: Readonly<Record<string, string>> = {}, args: readonly string[] = []): Running {
    this.logStart = this.log(true).length;
    const command = {
      stock: ['corosync'],
      newer: ['chroot', NEWER_ROOT, '/usr/sbin/corosync'],
      ours: [join(this.build, 'bin/rondod')],
    }[this.kind];
    this.daemon = this.space.start(command[0] ?? '', [...command.slice(1), '-f', ...args], env);
    return this.daemon;
  }

  private get running(): Running {
    if (this.daemon === null) throw new Error(`${this.plan.name}: no daemon`);
    return this.daemon;
  }

  /** SIGTERM: an orderly stop. Returns the exit status. */
  async stopDaemon(): Promise<number | null> {
    return this.daemon?.alive ? this.daemon.stop('SIGTERM', 20_000) : null;
  }

  async killDaemon(): Promise<void> {
    await this.running.stop('SIGKILL');
  }

  freeze(): void {
    this.running.signal('SIGSTOP');
  }

  thaw(): void {
    this.running.signal('SIGCONT');
  }

  tool(name: string, ...args: readonly string[]): Promise<RunResult> {
    return this.space.run(name, args);
  }

  /** A value of the configuration map, or `null`. */
  async cmap(key: string, map: 'icmap' | 'stats' = 'icmap'): Promise<string | null> {
    const { code, stdout } = await this.tool('corosync-cmapctl', '-m', map, '-qg', key);
    return code === 0 ? stdout.trim() : null;
  }

  /** Keys of a map, as `name → text after the equals sign`. */
  async cmapDump(prefix: string, map: 'icmap' | 'stats' = 'icmap'): Promise<Map<string, string>> {
    const { stdout } = await this.tool('corosync-cmapctl', '-m', map, prefix);
    const found = new Map<string, string>();
    for (const line of stdout.split('\n')) {
      const [, key, value] = /^(\S+) \(\w+\) = (.*)$/.exec(line) ?? [];
      if (key !== undefined) found.set(key, value ?? '');
    }
    return found;
  }

  /** Ids of the members as this node's daemon sees them, and the ring as its quorum service does; `null` without a response. */
  async membership(): Promise<{ readonly members: readonly number[] | null; readonly ring: string | null }> {
    // One process instead of two: this is asked all the time.
    const script = 'corosync-cmapctl runtime.members. && echo reached; corosync-quorumtool -s';
    const { stdout } = await this.space.run('sh', ['-c', script]);
    const ring = /^Ring ID:\s+(\S+)$/m.exec(stdout)?.[1] ?? null;
    if (!/^reached$/m.test(stdout)) return { members: null, ring };
    const ids = [...stdout.matchAll(/^runtime\.members\.(\d+)\.status \(str\) = joined$/gm)].map((match) =>
      Number(match[1]),
    );
    return { members: ids.sort((a, b) => a - b), ring };
  }

  async members(): Promise<readonly number[] | null> {
    return (await this.membership()).members;
  }

  /** Drops datagrams, by nftables. The node's own loopback is never touched. `heal()` ends all cuts. */
  async cut(options: CutOptions = {}): Promise<void> {
    const share = options.share === undefined ? '' : `numgen random mod 10000 < ${Math.round(options.share * 10_000)}`;
    const rules: string[] = [];
    const directions =
      options.direction === undefined || options.direction === 'both' ? ['in', 'out'] : [options.direction];
    for (const direction of directions) {
      const [iface, side] = direction === 'in' ? ['iifname', 'saddr'] : ['oifname', 'daddr'];
      const device = options.link === undefined ? '"eth*"' : `"eth${options.link}"`;
      const hosts = options.peers?.flatMap((peer) =>
        options.link === undefined ? peer.plan.addresses : [peer.plan.addresses[options.link] ?? ''],
      );
      const peers =
        hosts === undefined ? [''] : hosts.map((host) => `${host.includes(':') ? 'ip6' : 'ip'} ${side} ${host}`);
      for (const peer of peers)
        rules.push(`add rule inet lab ${direction} ${iface} ${device} ${peer} ${share} counter drop`);
    }
    await this.nft([...TABLE, ...rules]);
  }

  async heal(): Promise<void> {
    await this.nft([...TABLE, 'flush table inet lab']);
  }

  private async nft(lines: readonly string[]): Promise<void> {
    await this.space.must('nft', ['-f', '-'], { input: `${lines.join('\n')}\n` });
  }

  async linkState(link: number, state: 'up' | 'down'): Promise<void> {
    await this.space.must('ip', ['link', 'set', `eth${link}`, state]);
    // IPv6 addresses go away with the link.
    const address = this.plan.addresses[link] ?? '';
    if (state === 'up' && address.includes(':')) {
      await this.space.run('ip', ['-6', 'addr', 'add', `${address}/64`, 'dev', `eth${link}`, 'nodad']);
    }
  }

  async setMtu(link: number, mtu: number): Promise<void> {
    await this.space.must('ip', ['link', 'set', `eth${link}`, 'mtu', String(mtu)]);
  }

  /** Ends the daemon, kindly if it lets itself. */
  async close(): Promise<void> {
    if (!this.daemon?.alive) return;
    this.thaw();
    await Promise.race([this.daemon.stop('SIGKILL'), sleep(5000)]);
  }
}

const TABLE = [
  'add table inet lab',
  'add chain inet lab in { type filter hook input priority 0; }',
  'add chain inet lab out { type filter hook output priority 0; }',
];
