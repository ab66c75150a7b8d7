import type { CpgProcess } from '../../client/cpg.ts';
import { RpcError } from '../errors.ts';
import { memberName } from '../replicated/names.ts';

/** What a call came to at one member. */
export type RpcOutcome<Reply> =
  | { readonly member: CpgProcess; readonly ok: true; readonly value: Reply }
  | { readonly member: CpgProcess; readonly ok: false; readonly error: RpcError };

/** A call of this program that is not settled. */
export class OpenCall<Reply> {
  /** Whose reply is awaited; `null`: the call has no place in the order yet. */
  private awaited: Map<string, CpgProcess> | null = null;
  private readonly outcomes: RpcOutcome<Reply>[] = [];

  constructor(
    /** `null`: all. */
    private readonly target: CpgProcess | null,
    private readonly first: boolean,
    private readonly resolve: (outcomes: readonly RpcOutcome<Reply>[]) => void,
    readonly reject: (error: unknown) => void,
  ) {}

  /** The call has its place in the order: those who are members there get it. */
  placed(members: readonly CpgProcess[], withSelf: boolean, self: CpgProcess): void {
    if (this.awaited !== null) return;
    const { target } = this;
    const others = withSelf ? members : members.filter((member) => memberName(member) !== memberName(self));
    const wanted = target === null ? others : members.filter((member) => memberName(member) === memberName(target));
    this.awaited = new Map(wanted.map((member) => [memberName(member), member]));
    if (target !== null && wanted.length === 0) this.outcomes.push({ member: target, ok: false, error: left(target) });
    this.settle();
  }

  /** A reply, or why there is none. */
  outcome(from: CpgProcess, result: { readonly value: Reply } | { readonly error: RpcError }): void {
    const name = memberName(from);
    const member = this.awaited?.get(name);
    if (member === undefined) return;
    this.awaited!.delete(name);
    if ('value' in result) this.outcomes.push({ member, ok: true, value: result.value });
    else this.outcomes.push({ member, ok: false, error: result.error });
    this.settle();
  }

  members(present: ReadonlySet<string>): void {
    for (const [name, member] of [...(this.awaited ?? [])]) {
      if (!present.has(name)) this.outcome(member, { error: left(member) });
    }
  }

  private settle(): void {
    const isEarly = this.first && this.outcomes.some(({ ok }) => ok);
    if (isEarly || this.awaited?.size === 0) this.resolve(this.outcomes);
  }
}

const left = ({ nodeId, pid }: CpgProcess): RpcError =>
  new RpcError('RONDO_RPC_MEMBER_LEFT', `process ${pid} on node ${nodeId} died, left or is cut off`);
