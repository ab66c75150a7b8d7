import { StateError } from './errors.ts';
import type { RingIdentity } from './quorum.ts';

/** Where a message stands in the one order of its group: the same at every member that delivers it. */
export interface CpgPlace {
  /** Messages of the group between the last membership event and this one. */
  readonly index: number;
  /** The ring in which it was delivered; `null` unless the group was joined with `initialRing`. */
  readonly ringId: RingIdentity | null;
}

interface Waiter {
  readonly number: number;
  readonly resolve: (place: CpgPlace) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Which of the own messages have come back. A sender's messages are delivered in the order in which they were sent, so two counters
 * are enough: no message carries anything for it.
 */
export class Confirmations {
  private sent = 0;
  private delivered = 0;
  private index = 0;
  private ringId: RingIdentity | null = null;
  private readonly waiters: Waiter[] = [];
  private ended: Error | null = null;
  /** Nobody knows whether an earlier message will come: the counters mean nothing any more. */
  private uncertain = false;
  /** Messages that wait for their turn, and want to know their place. */
  private readonly wanted = new Map<Uint8Array, (waiter: Waiter['number']) => void>();

  constructor(private readonly closedError: () => Error) {}

  /** The place of a message that will be sent: call `posted` with the same bytes. */
  of(data: Uint8Array): Promise<CpgPlace> {
    return new Promise((resolve, reject) => {
      if (this.uncertain) reject(lost());
      else if (this.ended !== null) reject(this.ended);
      else this.wanted.set(data, (number) => this.waiters.push({ number, resolve, reject }));
    });
  }

  /** The message was not sent. */
  forget(data: Uint8Array): void {
    this.wanted.delete(data);
  }

  /** The daemon takes this message now. */
  posted(data: Uint8Array): void {
    this.sent++;
    if (this.wanted.size === 0) return;
    const want = this.wanted.get(data);
    if (want === undefined) return;
    this.wanted.delete(data);
    want(this.sent);
  }

  /** The last message was refused after all. */
  refused(): void {
    this.sent--;
    if (this.waiters.at(-1)?.number === this.sent + 1) this.waiters.pop();
  }

  /** It is not known whether the last message was taken. */
  lostTrack(): void {
    this.uncertain = true;
    this.rejectAll(lost());
  }

  message(isOwn: boolean): void {
    const { index } = this;
    this.index++;
    if (!isOwn) return;
    this.delivered++;
    if (this.waiters[0]?.number !== this.delivered) return;
    this.waiters.shift()?.resolve({ index, ringId: this.ringId });
  }

  membership(): void {
    this.index = 0;
  }

  ring(ringId: RingIdentity): void {
    this.ringId = ringId;
  }

  /** Another connection follows: what was posted is delivered there, or not. */
  restart(reason: Error): void {
    this.rejectAll(reason);
    this.sent = 0;
    this.delivered = 0;
    this.index = 0;
    this.ringId = null;
    this.uncertain = false;
  }

  /** The connection was closed from here. */
  end(): void {
    this.fail(this.closedError());
  }

  fail(error: Error): void {
    this.ended = error;
    this.rejectAll(error);
  }

  private rejectAll(error: Error): void {
    for (const { reject } of this.waiters.splice(0)) reject(error);
  }
}

const lost = (): StateError =>
  new StateError(
    'RONDO_UNCONFIRMED',
    'cpg: a long message was given up half-way, so deliveries cannot be confirmed any more',
    'Open another connection',
  );
