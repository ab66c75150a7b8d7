import { ArgumentError } from '../client/errors.ts';
import { ExactMachine } from './replicated/exact-machine.ts';
import { OnMachine } from './replicated/on-machine.ts';
import type { SharedOptions, SubmitOptions } from './replicated/replicated.ts';

const I64_MAX = 2n ** 63n - 1n;

/**
 * A number of the whole cluster. Each addition counts once, also across lost connections, and returns what it led to.
 *
 * ```ts
 * const orders = await Counter.open({ name: 'orders' });
 * const number = await orders.add(); // a bigint that nobody else gets
 * ```
 */
export class Counter extends OnMachine {
  private total = 0n;
  /** By, and the sum, as decimal digits. */
  protected override machine!: ExactMachine<string, string>;

  private constructor() {
    super();
  }

  static async open(options: SharedOptions): Promise<Counter> {
    const counter = new Counter();
    const state = {
      apply: (by: string) => {
        counter.total += BigInt(by);
        return counter.total.toString();
      },
      save: () => counter.total.toString(),
      load: (saved: unknown) => {
        counter.total = BigInt(saved as string);
      },
    };
    await ExactMachine.open('counter', options, state, (machine) => {
      counter.machine = machine;
    });
    return counter;
  }

  /** As this member has it: at once, and perhaps not the newest. */
  get value(): bigint {
    return this.total;
  }

  /** Up to date: has every addition that was confirmed before, anywhere. */
  async read(options: SubmitOptions = {}): Promise<bigint> {
    await this.machine.barrier(options);
    return this.total;
  }

  /**
   * Adds, and returns the sum right after that: additions of all programs have one order, and this one's is counted once.
   *
   * @param by A whole number of 64 bits with sign.
   * @throws as `Replicated.submit`: after RONDO_MACHINE_TIMEOUT or an abort it may be counted, or not.
   */
  async add(by: number | bigint = 1n, options: SubmitOptions = {}): Promise<bigint> {
    if (typeof by === 'number' && !Number.isSafeInteger(by)) throw new ArgumentError(`${by} is not a whole number`);
    const amount = BigInt(by);
    if (amount > I64_MAX || amount < -I64_MAX) throw new ArgumentError(`${by} has more than 64 bits`);
    return BigInt(await this.machine.submit(amount.toString(), options));
  }

  close(): Promise<void> {
    return this.machine.close();
  }
}
