import { abortable, checkedSignal } from '../../client/abort.ts';
import { checkedAmount, checkedInteger } from '../../client/arguments.ts';
import { clockOf } from '../../client/clock.ts';
import { MachineError } from '../errors.ts';
import { Deadlines } from '../replicated/deadlines.ts';
import { ExactMachine } from '../replicated/exact-machine.ts';
import { OnMachine } from '../replicated/on-machine.ts';
import type { SharedOptions, SubmitOptions } from '../replicated/replicated.ts';
import { type BarrierCommand, BarrierTable } from './barrier-table.ts';

export interface BarrierOptions extends SharedOptions {
  /** How many have to arrive until all go on, up to 4096; the same in all programs. */
  readonly parties: number;
  /** A party that dies while it waits breaks the round for all who wait in it. Default `false`: it has not arrived, and the round waits for another. */
  readonly breaks?: boolean;
}

/** A round that all parties have reached. */
export interface BarrierRound {
  /** Grows from round to round. */
  readonly round: number;
  /** The place of this party's arrival, from 0. */
  readonly place: number;
}

const PARTIES_MAX = 4096;

interface Waiting {
  readonly resolve: (round: BarrierRound) => void;
  readonly reject: (error: Error) => void;
  /** Its arrival has its place: when it is not in the table any more, this program was away. */
  arrived: boolean;
}

/**
 * Programs that wait for each other, again and again.
 *
 * ```ts
 * const barrier = await Barrier.open({ name: 'phase', parties: 3 });
 * const { round, place } = await barrier.wait(); // in all three at once
 * ```
 */
export class Barrier extends OnMachine {
  private readonly table = new BarrierTable();
  private readonly waiting = new Map<string, Waiting>();
  private readonly deadlines: Deadlines;
  private readonly parties: number;
  private readonly breaks: boolean;
  protected override machine!: ExactMachine<BarrierCommand, boolean>;
  private lastRequest = 0;

  private constructor(options: BarrierOptions) {
    super();
    this.deadlines = new Deadlines(clockOf(options));
    this.parties = checkedInteger(options.parties, 'the number of parties', 1, PARTIES_MAX);
    this.breaks = options.breaks ?? false;
  }

  static async open(options: BarrierOptions): Promise<Barrier> {
    const barrier = new Barrier(options);
    const { parties: _, breaks: __, ...shared } = options;
    const { table } = barrier;
    const state = {
      apply: (command: BarrierCommand, { from }: { readonly from: string }) => {
        const result = table.apply(command, from);
        barrier.settle();
        return result;
      },
      members: (members: readonly { readonly life: string }[]) => {
        table.members(new Set(members.map(({ life }) => life)));
        barrier.settle();
      },
      save: () => table.save(),
      load: (saved: unknown) => {
        table.load(saved);
        barrier.settle();
      },
    };
    await ExactMachine.open<BarrierCommand, boolean>('barrier', shared, state, (machine) => {
      barrier.machine = machine;
    });
    return barrier;
  }

  /** How many wait, as this member has it. */
  get arrived(): number {
    return this.table.arrived;
  }

  /**
   * Waits until all parties do. A party that was cut off arrives again by itself when it is back.
   *
   * @throws MachineError RONDO_BARRIER_BROKEN: a party died, with `breaks`, or others expect another number of parties; RONDO_MACHINE_TIMEOUT,
   * or the signal's reason: the arrival is taken back, if the round is not complete by then.
   */
  async wait(options: SubmitOptions = {}): Promise<BarrierRound> {
    const signal = checkedSignal(options.signal);
    const timeoutMs = checkedAmount(options.timeoutMs, 'timeoutMs', Number.POSITIVE_INFINITY);
    const request = `${this.machine.life}/${++this.lastRequest}`;
    const passed = new Promise<BarrierRound>((resolve, reject) => {
      this.waiting.set(request, { resolve, reject, arrived: false });
    });
    this.arrive(request);
    const late = (): Error =>
      new MachineError('RONDO_MACHINE_TIMEOUT', `${this.arrived} of ${this.parties} parties within ${timeoutMs} ms`);
    try {
      return await abortable(this.deadlines.limit(passed, timeoutMs, late), signal);
    } finally {
      if (this.waiting.delete(request)) this.machine.announce({ op: 'leave', request });
    }
  }

  async close(): Promise<void> {
    await this.machine.close();
    this.deadlines.clear();
    for (const { reject } of this.waiting.values()) {
      reject(new MachineError('RONDO_MACHINE_CLOSED', 'the barrier was closed'));
    }
    this.waiting.clear();
  }

  private arrive(request: string): void {
    const waiting = this.waiting.get(request)!;
    waiting.arrived = false;
    const { parties, breaks } = this;
    const submitted = this.machine.submit(
      { op: 'arrive', request, parties, breaks },
      { timeoutMs: Number.POSITIVE_INFINITY },
    );
    submitted.then(
      (fits) => {
        waiting.arrived = true;
        if (fits) this.settle();
        else this.fail(request, `the parties that wait are not ${parties} to be`);
      },
      (error: Error) => {
        this.waiting.delete(request);
        waiting.reject(error);
      },
    );
  }

  private fail(request: string, message: string): void {
    const waiting = this.waiting.get(request);
    this.waiting.delete(request);
    waiting?.reject(new MachineError('RONDO_BARRIER_BROKEN', message));
  }

  /** What became of this program's arrivals: those that were taken back while it was away are made again. */
  private settle(): void {
    const isMember = this.machine.memberOf(this.machine.life) !== null;
    for (const [request, waiting] of [...this.waiting]) {
      const passage = this.table.passage(request);
      if (passage === null) {
        if (isMember && waiting.arrived && !this.table.has(request)) this.arrive(request);
        continue;
      }
      const [round, place] = passage;
      if (place < 0) this.fail(request, `a party died in round ${round}`);
      else {
        this.waiting.delete(request);
        waiting.resolve({ round, place });
      }
    }
  }
}
