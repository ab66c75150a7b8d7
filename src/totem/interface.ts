import type { FrameMemory } from '../lib/frame-memory.ts';
import type { ConfigurationChange } from '../lib/ring-id.ts';

/**
 * The two faces of the Totem core. Towards the network and the clock: `TotemNetwork`, which the transport (or the
 * simulator) implements. Towards the services: `TotemUser`. The core calls them synchronously, from inside the event
 * that it was given; neither may call back into the core except where said.
 *
 * Frames live in one `FrameMemory`: a transport that knows its machine address sends them without a copy. An
 * (offset, length) pair is valid during the call; a transport that keeps a frame longer copies it, but for frames that
 * it hands to the kernel before the core's next event.
 */
export type { FrameMemory };

export const FrameClass = {
  /** JOIN, LEAVE, MERGE_DETECT, HOLD_CANCEL (totem.md 6.1). */
  FLUSH: 0,
  /** MCAST and its retransmissions. */
  NOFLUSH: 1,
} as const;
export type FrameClassValue = (typeof FrameClass)[keyof typeof FrameClass];

export interface TotemNetwork {
  /** ORF and commit tokens. Never delivers synchronously, not even to the own node (spec README, trap 1). */
  sendToken(target: number, offset: number, length: number): void;
  /** To every member, the own node included; the own copy arrives later as input. */
  multicast(offset: number, length: number, frameClass: FrameClassValue): void;
  /** Whether the node id is a configured member: an unknown token target is not sent to (totem.md 4.3). */
  knowsTarget(target: number): boolean;
  /** Members of the ring that is being formed. */
  membershipChanged(members: readonly number[]): void;
  /** udp only: reads all waiting multicasts into `receive()` before a token is acted upon (totem.md 6.3). */
  drainMulticasts(): void;
  /** Polls the interface after a token loss in OPERATIONAL (totem.md 6.4). */
  checkInterface(): void;
  /** Throws away all input that waits, after a pause (totem.md 4.15); returns how many datagrams there were. */
  discardInput(): number;
}

/** Things worth a log line, a counter or a diagnostics event; the core itself never logs. */
export interface TotemObserver {
  report(event: TotemReport): void;
}
export type TotemReport = { readonly kind: string; readonly [detail: string]: unknown };

export interface TotemUser {
  /**
   * One message of a process group, in total order. `offset` and `length` lie in `memory`: the frame memory, or the
   * reassembly buffer for fragmented messages. Without the group header. Valid during the call.
   */
  deliver(group: number, nodeId: number, memory: Uint8Array, offset: number, length: number): void;
  configurationChange(change: ConfigurationChange): void;
  /** Ring sequences up to `upTo` must be on disk before the core uses them; answered by `ringSeqReserved()`. */
  reserveRingSeq(upTo: number): void;
}
