import type { FieldsOf } from './mutations.ts';

/** Something that reads bytes of others. */
export interface FuzzSubject {
  readonly name: string;
  /** One sentence, for the list. */
  readonly what: string;
  /** Inputs are sequences of steps (records.ts), of so many kinds; 0: they are single messages. */
  readonly kinds: number;
  /** Inputs are texts: one line each in the corpus, as JSON. */
  readonly text?: boolean;
  readonly dictionary?: readonly Uint8Array[];
  readonly fields?: FieldsOf;
  /** What the search begins with. */
  seeds(): readonly Uint8Array[];
  /**
   * Runs one input from a fresh state; throws when something is wrong. What it returns are names of states it came through: one
   * that was not seen before makes the input worth keeping, as a block that did not run before does.
   */
  run(input: Uint8Array): readonly string[] | Promise<readonly string[]>;
}
