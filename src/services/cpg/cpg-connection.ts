import type { FrameMemory } from '../../lib/frame-memory.ts';
import type { QuotaUser } from '../../lib/user-quota.ts';
import type { CpgGroup, GroupProcess } from './cpg-groups.ts';

/** services.md 4.5; LEAVE_STARTED is terminal, as in all of stock's 3.x. */
export type CpgState = 'unjoined' | 'joinStarted' | 'joinCompleted' | 'leaveStarted';

/** What the core needs of a client connection; the runtime puts the shared-memory rings behind it. */
export interface CpgPort {
  readonly id: number;
  /** Effective user of the client, by whose quotas it is counted. */
  readonly user: QuotaUser;
  /**
   * Where its requests, its event ring and its scratch lie: the memory of the ring's frames, unless there are very many clients, so
   * that copies between them make no garbage.
   */
  readonly memory: FrameMemory;
  /** Offset of `SCRATCH_BYTES` that belong to this connection: the head of its messages is prepared there once. */
  readonly scratch: number;
  /** Responds to the request in hand. Copied. */
  respond(message: Uint8Array): void;
  /** Sends an event; copied, queued if the client is slow, and it never blocks. */
  dispatch(message: Uint8Array): void;
  /**
   * Claims room for an event of `bytes`, in the event ring or, when that is full, behind the events that wait, and returns its offset in
   * `claimed`; -1: it is dropped, because the client is gone or cannot receive it. What is there already may be another client's: the caller
   * writes all of it, and calls `commit` before anything else.
   */
  claim(bytes: number): number;
  /** Where the claimed event is. */
  readonly claimed: FrameMemory;
  /** Publishes what was claimed. */
  commit(): void;
  /**
   * Whether the client has hung up, looked at now: a close that came before the request in hand counts, whichever of both was noticed
   * first. Asked when another client gets in the way of a request; the core is notified of the end (`closed`) as soon as what the client
   * left behind has been served, which may be within this call.
   */
  hasHungUp(): boolean;
}

/** Head of a multicast: fixed part of exec mcast (184) and of partial mcast (200). */
export const MCAST_HEAD_BYTES = 184;
export const PARTIAL_HEAD_BYTES = 200;
export const SCRATCH_BYTES = MCAST_HEAD_BYTES + PARTIAL_HEAD_BYTES;

/** A walk through a snapshot of the process list. */
export interface Iteration {
  readonly entries: readonly GroupProcess[];
  /** Groups only: node and pid are zero. */
  readonly names: boolean;
  next: number;
}

export class CpgConnection {
  state: CpgState = 'unjoined';
  group: CpgGroup | null = null;
  pid = 0;
  /** Counts configuration-change events; a fragmented send that sees it move is interrupted (services.md 4.7). */
  transitions = 0;
  transitionsSaved = 0;
  /** After a finalize request: no more events, but the leave still follows at the close. */
  detached = false;
  readonly iterations = new Map<bigint, Iteration>();

  constructor(readonly port: CpgPort) {}

  get receives(): boolean {
    return !this.detached && (this.state === 'joinCompleted' || this.state === 'leaveStarted');
  }

  get maySend(): boolean {
    return this.state === 'joinStarted' || this.state === 'joinCompleted';
  }
}
