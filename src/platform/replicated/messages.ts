import { decodeMessagePack, encodeMessagePack, type MessagePackValue } from '../../client/message-pack.ts';
import { hasMessageForm } from './message-forms.ts';

/** A run of the replicated machine in which the same members agree; later ones are greater. */
export interface Epoch {
  readonly ringSeq: number;
  readonly ringRep: number;
  /** Counts on from epoch to epoch, also within a ring. */
  readonly number: number;
}

/** What a member has: it can be the source of the next epoch. `epoch` is `null` as long as it has nothing. */
export interface Have {
  readonly epoch: Epoch | null;
  /** Entries, those included that are not known to be everybody's. */
  readonly length: number;
  /** Hash of their identities. */
  readonly chain: number;
  /** Others on the same node may have had more: it does not say that its node has the newest state. */
  readonly stale: boolean;
  /**
   * It has the state of the last epoch of the ring that there is, and was in the group since: nobody can have more. Another epoch of this ring
   * it would have seen, and another ring that may act there is not.
   */
  readonly newest: boolean;
}

/** `view`: who is a member now. `merge`: the state of another part. `check`: digests are compared. The rest is the program's. */
export type EntryKind = 'command' | 'barrier' | 'view' | 'merge' | 'check';

/** A place in the agreed order. */
export interface Entry {
  readonly kind: EntryKind;
  /** Who submitted it, as one life of one process, and its number there. */
  readonly from: string;
  readonly seq: number;
  /** Of the epoch in which it got its place. */
  readonly ringSeq: number;
  readonly payload: Uint8Array;
  /** Of an entry of kind `merge`: the last number of each life that the state has. */
  readonly sessions?: Sessions;
}

/** Lives, and a number of each. */
export type Sessions = readonly (readonly [string, number])[];

/** All that a member needs to become one that has everything up to `length`. */
export interface Base {
  readonly epoch: Epoch | null;
  readonly applied: number;
  readonly chain: number;
  /** The last number that was applied of each life. */
  readonly sessions: Sessions;
  readonly tail: readonly Entry[];
  /** The program's state. */
  readonly snapshot: Uint8Array;
}

export type ReplicaMessage =
  /** Who takes part in the exchange of states that begins here. */
  | {
      readonly type: 'view';
      readonly serial: string;
      readonly members: readonly string[];
      readonly ring: readonly number[];
    }
  | {
      readonly type: 'state';
      readonly view: string;
      readonly round: number;
      readonly quorate: boolean;
      readonly nodesMin: number;
      readonly nodesAll: number;
      readonly life: string;
      /** Of the last epoch that it has seen begin, with the whole state or without: no other epoch gets that number. */
      readonly numberSeen: number;
      readonly have: Have;
    }
  | { readonly type: 'command'; readonly epoch: Epoch; readonly entry: Entry }
  | { readonly type: 'ack'; readonly epoch: Epoch; readonly length: number; readonly chain: number }
  | {
      readonly type: 'snapshot';
      readonly epoch: Epoch;
      readonly part: number;
      readonly parts: number;
      readonly bytes: Uint8Array;
    }
  | { readonly type: 'ready'; readonly epoch: Epoch; readonly length: number }
  | { readonly type: 'suspend'; readonly view: string }
  | { readonly type: 'evict'; readonly view: string; readonly member: string }
  | { readonly type: 'rejoin'; readonly view: string }
  | { readonly type: 'digest'; readonly index: number; readonly digest: string };

export const encodeMessage = (message: ReplicaMessage): Uint8Array =>
  encodeMessagePack(message as unknown as MessagePackValue);

/** `null`: not a message of this protocol. What members of the group send is believed beyond its form (message-forms.ts). */
export function decodeMessage(bytes: Uint8Array): ReplicaMessage | null {
  try {
    const value = decodeMessagePack(bytes);
    return hasMessageForm(value) ? (value as unknown as ReplicaMessage) : null;
  } catch {
    return null;
  }
}

export const encodeBase = (base: Base): Uint8Array => encodeMessagePack(base as unknown as MessagePackValue);
/** @throws ArgumentError */
export const decodeBase = (bytes: Uint8Array): Base => decodeMessagePack(bytes) as unknown as Base;

export function compareEpochs(a: Epoch | null, b: Epoch | null): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  return a.ringSeq - b.ringSeq || a.number - b.number || a.ringRep - b.ringRep;
}

export const sameEpoch = (a: Epoch | null, b: Epoch | null): boolean => compareEpochs(a, b) === 0;

/** 53 bits of a hash of what was before and an entry's identity, with the ring in which it got this place: without quorum two parts may give it one (cyrb53's mixing). */
export function chainOf(before: number, { kind, from, seq, ringSeq }: Entry): number {
  const text = `${before}/${kind}/${from}/${seq}/${ringSeq}`;
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 4294967296 * (2097151 & b) + (a >>> 0);
}
