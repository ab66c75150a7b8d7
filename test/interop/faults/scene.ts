import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UNFINISHED_MODE } from '../../../src/ipc/server/files.ts';
import { UNFINISHED_MS } from '../../../src/ipc/server/sweep.ts';
import type { ClusterOptions } from '../lab/conf.ts';
import { ROOT } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';
import { LoadMember } from '../lab/load.ts';
import type { DaemonKind, LabNode } from '../lab/node.ts';
import { type Running, sleep } from '../lab/process.ts';
import { program } from '../lab/programs.ts';

/** What a node holds; it must be the same again when a fault is over. */
export interface Holdings {
  readonly descriptors: number;
  readonly sharedFiles: number;
  readonly residentMiB: number;
}

/** How a line between a node and the others behaves (test/interop/c/relay.c); loss and doubles are shares. */
export interface BadLine {
  readonly loss?: number;
  readonly doubled?: number;
  readonly minMs?: number;
  readonly maxMs?: number;
}

/** The sweep after a start comes so late, and a busy machine makes it later. */
const SWEPT_AFTER_MS = 3 * UNFINISHED_MS;
const WAVE_MS = 400;
/** Small messages are all different: by size and checksum one is told from another. */
const MESSAGE_BYTES_MIN = 64;
const MESSAGE_BYTES_MAX = 20_000;

/** A cluster with one load member a node and something that will go wrong; node 1 is the one that it happens to. */
export class FaultScene {
  members: LoadMember[] = [];
  /** All members that there ever were. */
  readonly everyone: LoadMember[] = [];
  /** What the fault itself wants on the page. */
  readonly notes: string[] = [];
  private readonly helpers: Running[] = [];
  private readonly relays: Running[] = [];
  private waves: Promise<void> = Promise.resolve();
  private waving = false;
  private seed = 0;

  private constructor(readonly lab: Lab) {}

  static async create(options: ClusterOptions, kinds: readonly DaemonKind[]): Promise<FaultScene> {
    return new FaultScene(await Lab.create(options, kinds));
  }

  get victim(): LabNode {
    return this.lab.node(1);
  }

  get others(): readonly LabNode[] {
    return this.lab.nodes.slice(1);
  }

  /** Starts the victim's daemon by a shell script that ends with `exec PROGRAM -f`; `null`: as usual. */
  startVictim(script: ((program: string) => string) | null): void {
    const { victim } = this;
    if (script === null) {
      victim.startDaemon();
      return;
    }
    const command = victim.kind === 'ours' ? `${ROOT}/bin/rondod` : 'corosync';
    victim.daemon = victim.space.start('sh', ['-c', script(command)]);
  }

  async joinAll(): Promise<void> {
    for (const node of this.lab.nodes) {
      if (this.members.some((member) => member.node === node && member.process.alive)) continue;
      this.members = this.members.filter((member) => member.node !== node);
      await this.join(node);
    }
  }

  async join(node: LabNode): Promise<LoadMember> {
    const member = await LoadMember.join(node);
    this.members.push(member);
    this.everyone.push(member);
    return member;
  }

  get living(): LoadMember[] {
    return this.members.filter(({ process }) => process.alive);
  }

  send(count: number): void {
    for (const member of this.living) member.send(count, MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX, ++this.seed);
  }

  /** Sends from all members, again and again, until `endLoad`. */
  beginLoad(perWave: number): void {
    this.waving = true;
    this.waves = (async () => {
      while (this.waving) {
        this.send(perWave);
        await sleep(WAVE_MS);
      }
    })();
  }

  async endLoad(): Promise<void> {
    this.waving = false;
    await this.waves;
  }

  /** SIGKILL, as a crash: what its clients were is over, too. */
  async killVictim(): Promise<void> {
    const { victim } = this;
    await victim.killDaemon();
    for (const member of this.living) if (member.node === victim) await member.process.stop('SIGKILL');
  }

  /** A program that goes on until the fault is over. */
  keep(helper: Running): Running {
    this.helpers.push(helper);
    return helper;
  }

  async endHelpers(): Promise<void> {
    for (const helper of this.helpers.splice(0)) await helper.stop('SIGKILL');
  }

  /** Puts a relay of ours into the line between the victim and the switch. */
  async badLine(line: BadLine): Promise<void> {
    const { wire } = this.lab;
    const port = `n${this.victim.id}l0`;
    await wire.shell(
      `ip link add in0 type veth peer name out0 && ip link set ${port} nomaster && ip link set in0 master br0 up && ip link set out0 up`,
    );
    const share = (value = 0): string => String(Math.round(value * 10_000));
    const times = [line.minMs ?? 0, line.maxMs ?? line.minMs ?? 0].map(String);
    const relay = wire.start(await program('relay'), [
      port,
      'out0',
      share(line.loss),
      share(line.doubled),
      ...times,
      '1',
    ]);
    await relay.waitFor(/ready/);
    this.relays.push(relay);
  }

  async goodLine(): Promise<void> {
    for (const relay of this.relays.splice(0)) {
      relay.child.stdin?.end();
      await relay.exited;
      this.notes.push(relay.output.trim().split('\n').at(-1) ?? '');
    }
    await this.lab.wire.shell(`ip link del in0 && ip link set n${this.victim.id}l0 master br0`);
  }

  async close(): Promise<void> {
    this.waving = false;
    await this.lab.close();
  }
}

/** Descriptors, memory and files of a running node. */
export function holdingsOf(node: LabNode): Holdings {
  const pid = node.daemon?.pid ?? 0;
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    sharedFiles: connectionDirectories(`/proc/${node.space.pid}/root/dev/shm`),
    residentMiB: Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024),
  };
}

/** Without those that a killed daemon was making a moment ago: they go as soon as they are told from ones that are being made (`sweep.ts`). */
function connectionDirectories(shared: string): number {
  return readdirSync(shared).filter((name) => {
    if (!name.startsWith('qb-')) return false;
    const status = statSync(join(shared, name), { throwIfNoEntry: false });
    if (status === undefined) return false;
    return (status.mode & 0o7777) !== UNFINISHED_MODE || Date.now() - status.mtimeMs > SWEPT_AFTER_MS;
  }).length;
}
