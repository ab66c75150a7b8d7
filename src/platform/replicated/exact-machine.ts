import type { Codec } from '../../client/codecs.ts';
import { decodeMessagePack, encodeMessagePack, type MessagePackValue } from '../../client/message-pack.ts';
import { MachineError } from '../errors.ts';
import { OnMachine } from './on-machine.ts';
import {
  type ApplyContext,
  isResultLost,
  type MachineMember,
  Replicated,
  type SharedOptions,
  type SubmitOptions,
} from './replicated.ts';
import { ResultTable, type SavedResults } from './result-table.ts';

/** A state that all members have, as a function of commands and memberships in their order. Commands, results and what is saved are MessagePack's. */
export interface AgreedState<Command, Result> {
  apply(command: Command, context: ApplyContext): Result;
  members?(members: readonly MachineMember[], context: ApplyContext): void;
  save(): unknown;
  load(saved: unknown): void;
}

interface Numbered<Command> {
  readonly request: number;
  /** All requests below are settled. */
  readonly done: number;
  readonly command: Command;
}

interface Saved<Result> {
  readonly state: unknown;
  readonly results: SavedResults<Result>;
  readonly members: readonly MachineMember[];
}

/** Commands of one program that are not settled at a time. */
export const OPEN_MAX = 4096;

/** A replicated machine that gives each command its own result, exactly once, also when its submitter was away when it was applied. */
export class ExactMachine<Command, Result> extends OnMachine {
  protected override machine!: Replicated<Numbered<Command>, Result>;
  private readonly results = new ResultTable<Result>();
  private readonly open = new Set<number>();
  private lastRequest = 0;
  /** Part of the state: commands are judged by who was a member at their place. */
  private present = new Map<string, MachineMember>();

  private constructor(private readonly agreed: AgreedState<Command, Result>) {
    super();
  }

  /** @param early gets the machine before the first call of the state's functions. */
  static async open<Command, Result>(
    kind: string,
    options: SharedOptions,
    state: AgreedState<Command, Result>,
    early: (machine: ExactMachine<Command, Result>) => void,
  ): Promise<void> {
    const exact = new ExactMachine(state);
    const all = {
      ...options,
      name: `${kind}.${options.name}`,
      codec: numberedCodec<Command>(),
      apply: (numbered: Numbered<Command>, context: ApplyContext) => exact.apply(numbered, context),
      members: (members: readonly MachineMember[], context: ApplyContext) => exact.members(members, context),
      snapshot: () => exact.save(),
      restore: (bytes: Uint8Array) => exact.load(bytes),
    };
    await Replicated.open(all, (made) => {
      exact.machine = made;
      early(exact);
    });
  }

  get life(): string {
    return this.machine.life;
  }

  /** The result of the command. @throws as `Replicated.submit`, but RONDO_RESULT_LOST only after the others have forgotten this life. */
  async submit(command: Command, options: SubmitOptions = {}): Promise<Result> {
    if (this.open.size >= OPEN_MAX) {
      throw new MachineError(
        'RONDO_MACHINE_FULL',
        `${OPEN_MAX} calls of this program wait`,
        'Await some of them first',
      );
    }
    const request = ++this.lastRequest;
    this.open.add(request);
    try {
      const [first] = this.open;
      return await this.machine.submit({ request, done: first!, command }, options);
    } catch (error) {
      const found = isResultLost(error) ? this.results.find(this.life, request) : null;
      if (found === null) throw error;
      return found.result;
    } finally {
      this.open.delete(request);
    }
  }

  /** For commands whose result nobody awaits here; the state says what became of them. */
  announce(command: Command): void {
    this.submit(command, { timeoutMs: Number.POSITIVE_INFINITY }).catch(() => {});
  }

  /** Who that is, if it is a member at this place of the order. */
  memberOf(life: string): MachineMember | null {
    return this.present.get(life) ?? null;
  }

  barrier(options: SubmitOptions = {}): Promise<void> {
    return this.machine.barrier(options);
  }

  close(): Promise<void> {
    return this.machine.close();
  }

  private apply({ request, done, command }: Numbered<Command>, context: ApplyContext): Result {
    const result = this.agreed.apply(command, context);
    this.results.note(context.from, request, done, result);
    return result;
  }

  private members(members: readonly MachineMember[], context: ApplyContext): void {
    this.present = new Map(members.map((member) => [member.life, member]));
    this.results.members(new Set(this.present.keys()));
    this.agreed.members?.(members, context);
  }

  private save(): Uint8Array {
    const members = [...this.present.values()];
    const saved: Saved<Result> = { state: this.agreed.save(), results: this.results.save(), members };
    return encodeMessagePack(saved as unknown as MessagePackValue);
  }

  private load(bytes: Uint8Array): void {
    const saved = decodeMessagePack(bytes) as unknown as Saved<Result>;
    this.results.load(saved.results);
    this.present = new Map(saved.members.map((member) => [member.life, member]));
    this.agreed.load(saved.state);
  }
}

const numberedCodec = <Command>(): Codec<Numbered<Command>> => ({
  encode: (value) => encodeMessagePack(value as unknown as MessagePackValue),
  decode: (bytes) => decodeMessagePack(bytes) as unknown as Numbered<Command>,
});
