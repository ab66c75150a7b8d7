import { assert } from '../../lib/assert.ts';
import type { EngineContext, MessageHandler } from '../engine.ts';
import type { Fields, RequestStruct, Values } from './struct.ts';

/** The messages between the nodes of a service, in the order of their functions: what sender and receiver both know of them. */
export type Messages = Readonly<Record<string, RequestStruct<Fields>>>;

type Receivers<M extends Messages> = {
  readonly [Name in keyof M]: M[Name] extends RequestStruct<infer F>
    ? (values: Values<F>, nodeId: number, payload: Uint8Array) => void
    : never;
};

/** The low half of the header's id (services.md 1.2). */
const functionOf = (struct: RequestStruct<Fields>): number => struct.id & 0xffff;

/** The names for the declaration of an engine; the index is the function number. */
export function messageNames<M extends Messages>(messages: M): readonly (keyof M & string)[] {
  const inOrder = Object.values(messages).every((struct, fn) => functionOf(struct) === fn);
  assert(inOrder, 'messages are declared in the order of their functions');
  return Object.keys(messages);
}

/** The handlers of an engine's messages: they decode. What is shorter than its structure is `malformed`, and goes no further. */
export function receive<M extends Messages>(
  messages: M,
  receivers: Receivers<M>,
  malformed: (name: keyof M & string, nodeId: number) => void = () => {},
): Readonly<Record<keyof M, MessageHandler>> {
  const handlers: Partial<Record<keyof M, MessageHandler>> = {};
  for (const name of messageNames(messages)) {
    const struct = messages[name]!;
    const receiver = receivers[name] as (values: Values<Fields>, nodeId: number, payload: Uint8Array) => void;
    handlers[name] = (payload, nodeId) => {
      const values = struct.decode(payload);
      if (values === null) malformed(name, nodeId);
      else receiver(values, nodeId, payload);
    };
  }
  return handlers as Record<keyof M, MessageHandler>;
}

/** `context.send` of a message with these fields. */
export function multicast<F extends Fields>(
  context: Pick<EngineContext, 'send'>,
  struct: RequestStruct<F>,
  values: Partial<Values<F>> = {},
  tail?: Uint8Array,
): void {
  context.send(functionOf(struct), struct.message(values, tail));
}

/** `context.trySend` of a message with these fields. `false`: no room now. */
export function tryMulticast<F extends Fields>(
  context: Pick<EngineContext, 'trySend'>,
  struct: RequestStruct<F>,
  values: Partial<Values<F>> = {},
  tail?: Uint8Array,
): boolean {
  return context.trySend(functionOf(struct), struct.message(values, tail));
}
