import type { LogFunction } from '../../lib/log.ts';
import type { CpgAddress } from '../codec/base.ts';

/** What the CPG core needs from the thread it runs in. Tests put a toy ring behind it. */
export interface CpgHost {
  readonly nodeId: number;
  /** Multicasts a whole message in group "a". Copied. `false`: no room, nothing was sent. */
  mcast(message: Uint8Array): boolean;
  /** The same for a head at one place and a body at another, without garbage: the only copy is the one into the frame. */
  mcastParts(
    headIn: Uint8Array,
    head: number,
    headBytes: number,
    bodyIn: Uint8Array,
    body: number,
    bodyBytes: number,
  ): boolean;
  syncInProgress(): boolean;
  /** Whether the send queue has room for `bytes`, the group name included, now; and whether it could ever (services.md 2.2 step 1). */
  hasRoom(bytes: number): boolean;
  canEverSend(bytes: number): boolean;
  readonly zeroCopy: ZeroCopyRegions;
  readonly log: LogFunction;
  dropped(reason: CpgDropReason, nodeId: number): void;
  /** Processes joined or left a group, on whatever node. Absent: nobody wants to know. */
  processesChanged?(group: Uint8Array, joined: readonly CpgAddress[], left: readonly CpgAddress[]): void;
}

/** Files that clients share for zero-copy sends (services.md 4.7). Bound to one connection each. */
export interface ZeroCopyRegions {
  /** Opens the client's file, writes its token, returns whether that worked. Its name is removed in any case. */
  open(connectionId: number, path: string, mapBytes: number): boolean;
  close(connectionId: number, token: bigint): void;
  /** Reads the message of a region; `null`: no such region, or its length field lies. Valid until the next call. */
  read(connectionId: number, token: bigint): Uint8Array | null;
  closeAll(connectionId: number): void;
}

/** Why CPG did not act on a message or an event; each is counted. */
export const CPG_DROP_REASONS = [
  'short',
  'badName',
  'badLength',
  'unknownFunction',
  'senderNotInGroup',
  'unexpected',
  'tooMany',
  'notJoined',
  /** An event is larger than the message size that the client asked for: it would be stuck with it for good. */
  'tooLargeForClient',
] as const;
export type CpgDropReason = (typeof CPG_DROP_REASONS)[number];
