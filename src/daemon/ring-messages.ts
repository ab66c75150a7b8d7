import type { FromRing } from '../bridge/messages.ts';

/** Who gets which record of the ring thread: one entry a kind, none may be missing. */
export type RingMessageHandlers = {
  readonly [Op in FromRing['op']]: (message: Extract<FromRing, { readonly op: Op }>) => void;
};

export function dispatchRingMessage(handlers: RingMessageHandlers, message: FromRing): void {
  // The table's type pairs each handler with its own kind; the compiler cannot follow that through the index.
  const handler = handlers[message.op] as (message: FromRing) => void;
  handler(message);
}
