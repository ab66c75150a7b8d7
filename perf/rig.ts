import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { ClusterOptions } from '../test/interop/lab/conf.ts';
import { Lab } from '../test/interop/lab/lab.ts';
import type { DaemonKind, LabNode } from '../test/interop/lab/node.ts';
import { must, type Running, start } from '../test/interop/lab/process.ts';
import { program } from '../test/interop/lab/programs.ts';
import type { NumberLimits } from '../test/tool-options.ts';
import { type Cost, costOf } from './counters.ts';
import { formation } from './membership.ts';

/** What libcpg sends as one message. */
export const MESSAGE_BYTES_MAX = 1_000_000;

/** How long one figure is measured. */
export const MEASURED_SECONDS: NumberLimits = { min: 0.01, max: 100, fractions: true };

export const DRESS_NAMES = ['udpu', 'knet', 'secure'] as const;
const DRESSES: Readonly<Record<string, ClusterOptions>> = {
  udpu: { transport: 'udpu' },
  knet: { transport: 'knet' },
  secure: { transport: 'knet', crypto: { cipher: 'aes256', hash: 'sha256' } },
} satisfies Record<(typeof DRESS_NAMES)[number], ClusterOptions>;

const LOAD_SECONDS_MAX = 3_600;

/** What else the machine does. */
export const CONDITIONS = ['quiet', 'ordinary', 'neighbour', 'onecore'] as const;
export type Condition = (typeof CONDITIONS)[number];

/**
 * Clients have the highest priority of ordinary programs. A client that others keep off the processor makes its ring go round with half empty
 * packets: the daemons' cost a message then doubles, and what is measured is what else the machine does.
 */
export const AHEAD_OF_OTHERS = ['-n', '-20'] as const;

/** Where the kernel schedules sessions as groups (autogroup), a nice value counts within its session only, and that of the session among the others. */
const SESSION = '/proc/self/autogroup';

/** Puts this session, which the clients are in, ahead of the others. Returns how to undo it. */
function sessionAheadOfOthers(): () => void {
  try {
    const before = / nice (-?\d+)/.exec(readFileSync(SESSION, 'utf8'))?.[1] ?? '0';
    writeFileSync(SESSION, AHEAD_OF_OTHERS[1]!);
    return () => writeFileSync(SESSION, before);
  } catch {
    return () => {}; // no autogroups here, or not permitted
  }
}

/** Shown in tables. */
export const CONDITION_TEXT: Readonly<Record<Condition, string>> = {
  quiet: 'daemons under SCHED_RR',
  ordinary: 'sched_rr: no',
  neighbour: 'SCHED_RR, beside a process of real-time priority that spins 2 ms of every 4 on one core',
  onecore: 'SCHED_RR, everything on one core',
};

export interface Setup {
  readonly nodes: number;
  readonly dress: string;
  readonly condition: Condition;
  /** Further lines of `system {}`. */
  readonly system?: readonly string[];
  /** The checkout whose daemon of ours runs; default this one. */
  readonly build?: string;
}

/** A ring of one kind of daemon, the same for both kinds. */
export class Rig {
  private constructor(
    readonly lab: Lab,
    /** From the start of all daemons at once until all served clients in one ring. */
    readonly formedMs: number,
  ) {}

  static async with<Result>(setup: Setup, kind: DaemonKind, work: (rig: Rig) => Promise<Result>): Promise<Result> {
    const options = DRESSES[setup.dress];
    if (options === undefined) throw new Error(`no dress '${setup.dress}': ${Object.keys(DRESSES).join(', ')}`);
    const system = [`sched_rr: ${setup.condition === 'ordinary' ? 'no' : 'yes'}`, ...(setup.system ?? [])];
    const cores = setup.condition === 'onecore' ? '0' : `0-${cpus().length - 1}`;
    await must('taskset', ['-pc', cores, String(process.pid)]); // children have it from their parent
    const kinds = Array.from({ length: setup.nodes }, () => kind);
    const lab = await Lab.create(
      { ...options, system, ...(setup.build === undefined ? {} : { build: setup.build }) },
      kinds,
    );
    let neighbour: Running | null = null;
    const asBefore = sessionAheadOfOthers();
    try {
      const formedMs = await formation(lab);
      if (setup.condition === 'neighbour') {
        neighbour = start(await program('neighbour'), ['0', '2', '4']);
        await neighbour.waitFor(/spinning/);
      }
      return await work(new Rig(lab, formedMs));
    } finally {
      asBefore();
      await neighbour?.stop('SIGKILL');
      await lab.close();
    }
  }

  get first(): LabNode {
    return this.lab.node(1);
  }

  /** What the daemon of node 1 costs while `work` runs. */
  cost<Result>(
    syscalls: boolean,
    work: () => Promise<Result>,
  ): Promise<{ readonly cost: Cost; readonly result: Result }> {
    return costOf({ pid: this.first.daemon?.pid ?? 0 }, syscalls, work);
  }

  /** Of node 1's ring protocol, by its map of statistics. */
  async counter(name: string): Promise<number> {
    return Number((await this.first.cmap(`stats.srp.${name}`, 'stats')) ?? Number.NaN);
  }

  /** Runs a C client on node 1 that prints one line of JSON. */
  client<Figures>(name: string, ...args: readonly (string | number)[]): Promise<Figures> {
    return this.clientOn(this.first, name, ...args);
  }

  async clientOn<Figures>(node: LabNode, name: string, ...args: readonly (string | number)[]): Promise<Figures> {
    const command = [...AHEAD_OF_OTHERS, await program(name), ...args.map(String)];
    const timeoutMs = (MEASURED_SECONDS.max + 20) * 1000;
    const { code, stdout, stderr } = await node.space.run('nice', command, { timeoutMs });
    if (code !== 0) throw new Error(`${name} ${args.join(' ')}: ${stderr}\n${this.lab.logs()}`);
    return JSON.parse(stdout) as Figures;
  }

  /** A client of node 1 that multicasts without a pause until it is stopped. */
  async load(bytes: number): Promise<Running> {
    const command = [...AHEAD_OF_OTHERS, await program('cpgbench'), 'load', String(bytes), String(LOAD_SECONDS_MAX)];
    return this.first.space.start('nice', command);
  }

  /** A member of the group that only receives, on every node but the first ones, which have clients that send. */
  async receivers(group: string, senders = 1): Promise<void> {
    const path = await program('cpgbench');
    for (const node of this.lab.nodes.slice(senders))
      await node.space.start('nice', [...AHEAD_OF_OTHERS, path, group, '0', '0', 'quiet']).waitFor(/ready/);
  }
}
