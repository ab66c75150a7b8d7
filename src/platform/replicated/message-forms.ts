import type { MessagePackValue } from '../../client/message-pack.ts';
import type { EntryKind, ReplicaMessage } from './messages.ts';

type Check = (value: unknown) => boolean;
type Form = Readonly<Record<string, Check>>;

const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number';
const isSwitch: Check = (value) => typeof value === 'boolean';
const isBytes: Check = (value) => value instanceof Uint8Array;
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const of =
  (form: Form): Check =>
  (value) =>
    isObject(value) && Object.entries(form).every(([name, check]) => check(value[name]));
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);

const KINDS: Readonly<Record<EntryKind, true>> = { command: true, barrier: true, view: true, merge: true, check: true };
const isKind: Check = (value) => typeof value === 'string' && Object.hasOwn(KINDS, value);
const isEpoch = of({ ringSeq: isNumber, ringRep: isNumber, number: isNumber });
const isSession: Check = (value) =>
  Array.isArray(value) && value.length === 2 && isText(value[0]) && isNumber(value[1]);
const isEntry = of({
  kind: isKind,
  from: isText,
  seq: isNumber,
  ringSeq: isNumber,
  payload: isBytes,
  sessions: (value) => value === undefined || listOf(isSession)(value),
});
const isHave = of({
  epoch: orNull(isEpoch),
  length: isNumber,
  chain: isNumber,
  stale: isSwitch,
  newest: isSwitch,
});

type FormOf<Message> = Readonly<Record<Exclude<keyof Message, 'type'>, Check>>;
const FORMS: { readonly [Type in ReplicaMessage['type']]: FormOf<Extract<ReplicaMessage, { type: Type }>> } = {
  view: { serial: isText, members: listOf(isText), ring: listOf(isNumber) },
  state: {
    view: isText,
    round: isNumber,
    quorate: isSwitch,
    nodesMin: isNumber,
    nodesAll: isNumber,
    life: isText,
    numberSeen: isNumber,
    have: isHave,
  },
  command: { epoch: isEpoch, entry: isEntry },
  ack: { epoch: isEpoch, length: isNumber, chain: isNumber },
  snapshot: { epoch: isEpoch, part: isNumber, parts: isNumber, bytes: isBytes },
  ready: { epoch: isEpoch, length: isNumber },
  suspend: { view: isText },
  evict: { view: isText, member: isText },
  rejoin: { view: isText },
  digest: { index: isNumber, digest: isText },
};
const CHECKS: ReadonlyMap<unknown, Check> = new Map(Object.entries(FORMS).map(([type, form]) => [type, of(form)]));

/**
 * Whether a value has the form of a message. Everybody with a grant can join a group and send: what has another form would end the machine at all
 * members, because what the core throws does.
 */
export const hasMessageForm = (value: MessagePackValue): boolean =>
  isObject(value) && CHECKS.get(value['type'])?.(value) === true;
