import type { ConnectOptions } from '../../src/client/index.ts';
import { Locks, Replicated } from '../../src/platform/index.ts';
import { type Call, isLinearizable, REGISTER, type RegisterInput } from './linearizability.ts';

/** Keys in use at a time, and calls until others follow, so that histories of a key stay short. */
const KEYS = 3;
const CALLS_A_KEY = 150;

export type KeyCall = Call<RegisterInput, number | boolean>;

/** What all programs of a test did, in the order in which this process saw it, and what the thing that a lock protects saw. */
export class Record {
  readonly calls = new Map<number, KeyCall[]>();
  private count = 0;
  /** Programs that stall: they cannot know what they lost. */
  readonly asleep = new Set<string>();
  readonly problems: string[] = [];
  private clock = 0;
  private highestToken = 0n;
  private readonly holders = new Map<AbortSignal, string>();
  locksTaken = 0;

  tick(): number {
    return ++this.clock;
  }

  add(key: number, call: KeyCall): void {
    this.calls.set(key, [...(this.calls.get(key) ?? []), call]);
    this.count++;
  }

  /** One of the keys in use. */
  key(int: (below: number) => number): number {
    return KEYS * Math.floor(this.count / (KEYS * CALLS_A_KEY)) + int(KEYS);
  }

  enter(token: bigint, lost: AbortSignal, who: string): void {
    this.locksTaken++;
    if (token <= this.highestToken) this.problems.push(`${who}: token ${token} after ${this.highestToken}`);
    this.highestToken = token;
    for (const [other, name] of this.holders) {
      if (!other.aborted && !this.asleep.has(name)) this.problems.push(`${who}: the lock is held by ${name}, too`);
    }
    this.holders.set(lost, who);
  }

  leave(lost: AbortSignal): void {
    this.holders.delete(lost);
  }

  get known(): number {
    return [...this.calls.values()].flat().filter(({ output }) => output !== undefined).length;
  }

  check(): string[] {
    const wrong = [...this.calls].flatMap(([key, calls]) =>
      isLinearizable(REGISTER, calls) ? [] : [`key ${key}: no order explains its ${calls.length} calls`],
    );
    return [...this.problems, ...wrong];
  }
}

interface Write {
  readonly key: number;
  readonly input: RegisterInput;
}

/** A program that works on registers and a lock until it has to stop. */
export class Hammer {
  private values = new Map<number, number>();
  private machine: Replicated<Write, number | boolean> | null = null;
  private locks: Locks | null = null;
  private stopped = false;

  constructor(
    private readonly name: string,
    private readonly connect: ConnectOptions,
    private readonly record: Record,
    private readonly random: () => number,
    /** Lets time pass between two calls. */
    private readonly rest: () => Promise<void>,
    private readonly timeoutMs: number,
  ) {}

  async open(): Promise<void> {
    const openMs = Number.POSITIVE_INFINITY;
    this.machine = await Replicated.open<Write, number | boolean>({
      ...this.connect,
      openMs,
      name: 'registers',
      apply: ({ key, input }) => {
        const [next, result] = REGISTER.step(this.values.get(key) ?? REGISTER.initial, input);
        this.values.set(key, next);
        return result;
      },
      snapshot: () => Buffer.from(JSON.stringify([...this.values])),
      restore: (bytes) => {
        this.values = new Map(JSON.parse(Buffer.from(bytes).toString()) as [number, number][]);
      },
    });
    this.locks = await Locks.open({ ...this.connect, openMs });
  }

  async work(): Promise<void> {
    await Promise.all([this.workOnRegisters(), this.workOnLock()]);
  }

  /** Gives up what it waits for. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all([this.machine?.close(), this.locks?.close()]);
  }

  private int(below: number): number {
    return Math.floor(this.random() * below);
  }

  private async workOnRegisters(): Promise<void> {
    while (!this.stopped) {
      await this.call(
        this.record.key((below) => this.int(below)),
        this.input(),
      );
      await this.rest();
    }
  }

  private input(): RegisterInput {
    const dice = this.int(3);
    if (dice === 0) return { op: 'read' };
    if (dice === 1) return { op: 'write', value: this.int(5) };
    return { op: 'swap', from: this.int(5), to: this.int(5) };
  }

  private async call(key: number, input: RegisterInput): Promise<void> {
    const { record, timeoutMs } = this;
    const began = record.tick();
    let output: number | boolean | undefined;
    try {
      if (input.op === 'read') {
        await this.machine!.barrier({ timeoutMs });
        output = this.values.get(key) ?? REGISTER.initial;
      } else output = await this.machine!.submit({ key, input }, { timeoutMs });
    } catch {
      if (input.op === 'read') return; // it changed nothing
    }
    record.add(key, { input, output, began, ended: record.tick() });
  }

  private async workOnLock(): Promise<void> {
    while (!this.stopped) {
      try {
        const lock = await this.locks!.acquire('resource');
        this.record.enter(lock.token, lock.lost, this.name);
        for (let i = this.int(5) === 0 ? 60 : this.int(4); i > 0 && !lock.lost.aborted; i--) await this.rest();
        this.record.leave(lock.lost);
        await lock.release();
      } catch (error) {
        if (!this.stopped) this.record.problems.push(`${this.name}: ${String(error)}`);
        return;
      }
      await this.rest();
    }
  }
}
