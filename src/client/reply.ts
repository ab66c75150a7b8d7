import { CsError, CsStatusError } from '../lib/errors.ts';
import type { Call } from '../services/codec/call.ts';
import type { Element } from '../services/codec/fields.ts';
import { type Fields, messageError, type Values } from '../services/codec/struct.ts';
import { decodeOrFail, orFail } from './decode.ts';

/** What a user can do about a status, by its number. */
export type StatusHints = Readonly<Record<number, string>>;

/** The response to a call. Only its status is sure to be there: a refusal may be a bare header. */
export class Reply<A extends Fields> {
  constructor(
    private readonly call: Call<Fields, A>,
    private readonly message: Uint8Array,
  ) {}

  get status(): number {
    return messageError(this.message);
  }

  /** `what` names the operation in the error, `hints` says by status what to do. @throws CsStatusError: every status but OK. */
  requireOk(what: string, hints: StatusHints = {}): this {
    const { status } = this;
    if (status !== CsError.OK) throw new CsStatusError(status, what, hints[status] ?? '');
    return this;
  }

  /** @throws ConnectionError PROTOCOL: the response is shorter than its structure. */
  get values(): Values<A> {
    return decodeOrFail(this.call.response, this.message);
  }

  /** `length` bytes of the variable part, without a copy. @throws ConnectionError PROTOCOL: they are not all there. */
  tailBytes(length: number): Uint8Array {
    return orFail(this.call.response.tailBytes(this.message, length), this.call.response.name);
  }

  /** `count` elements of the variable part. @throws ConnectionError PROTOCOL: they are not all there. */
  tailList<T>(count: number, element: Element<T>): T[] {
    return orFail(this.call.response.tailList(this.message, count, element), this.call.response.name);
  }
}
