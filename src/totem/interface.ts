import type { FrameMemory } from '../lib/frame-memory.ts';
import type { ConfigurationChange, RingId } from '../lib/ring-id.ts';
import type { TotemDropReason } from './drop-reason.ts';

/**
 * The faces of the Totem core. Towards the network and the clock: `TotemNetwork`, which the transport (or the
 * simulator) implements. Towards the services: `TotemUser`. Towards who watches: `TotemObserver`. The core calls them
 * synchronously, from inside the event that it was given; they do not call back into the core except where noted.
 *
 *   runtime → core   setNow() receive() tick() interfaceUp() ringSeqReserved() …
 *   core → runtime   TotemNetwork: sendToken() multicast() …      TotemUser: deliver() configurationChange() …
 *
 * Order of work after the runtime wakes: `setNow`, then everything that the sockets hold, then `tick`. A late wake-up then
 * does not lose a token that is waiting in the socket.
 *
 * Frames live in one `FrameMemory`: a transport that knows its machine address sends them without a copy. The core owns
 * one region of it (`TotemOptions.region…`); received frames are handed over from outside of that region and copied once.
 * An (offset, length) pair that the core hands out stays unchanged until the core's next event, so a transport may
 * collect the frames of one event and give them to the kernel in one call when the event ends; it must do so before
 * the next event, or copy. Within an event, frames go out in the order of the calls: a token is sent after the multicasts
 * that precede it.
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
  /**
   * ORF and commit tokens. Never delivers synchronously, not even to the own node (totem.md 6.1). A transport that sets
   * target_nodeid (knet) writes it into the frame, at offset 9, little-endian. `repeat` counts the times that the frame was sent before: where there
   * are several links, each time takes another one, so that one that has failed, and is not known to have, costs a repetition.
   */
  sendToken(target: number, offset: number, length: number, repeat: number): void;
  /**
   * To every member, the own node included. The own copy of a FLUSH frame must come back as input, in a later event. The
   * own copy of a NOFLUSH frame tells the core nothing new: a transport may leave it out and call `noteOwnCopies`. `repeat` as with tokens.
   */
  multicast(offset: number, length: number, frameClass: FrameClassValue, repeat: number): void;
  /**
   * A NOFLUSH frame that was multicast before, by whomever, because somebody lacks it. Over another link than the first time, where there
   * is one; each of its datagrams `copies` times, where a frame is more than one datagram.
   */
  resend(offset: number, length: number, copies: number): void;
  /** What was handed over in this event leaves now: the rest of it takes a while. */
  sendNow(): void;
  /** Whether the node id is a configured member: an unknown token target is not sent to (totem.md 4.3). */
  knowsTarget(target: number): boolean;
  /** A socket of its own for multicasts, whose frames a token can overtake (udp); `null` where both come through one. */
  readonly multicastSocket: MulticastSocket | null;
  /** The one interface that the transport uses and watches (udp, udpu); `null` where links watch themselves (knet). */
  readonly watchedInterface: WatchedInterface | null;
  /** Knows which members reply (knet): `memberSilent` reports those that do not; `null` where nothing replies to anything (udp, udpu). */
  readonly heartbeats: Heartbeats | null;
  /** Throws away all input that waits, after a pause (totem.md 4.15); returns how many datagrams there were. */
  discardInput(): number;
}

export interface MulticastSocket {
  /** Reads all waiting multicasts into `receive()`: before a token is acted upon (totem.md 6.3). */
  drain(): void;
}

export interface Heartbeats {
  /** Finds out now whether a member still replies. */
  probe(nodeId: number): void;
}

export interface WatchedInterface {
  /** Looks at it soon, after a token loss in OPERATIONAL (totem.md 6.4), and reports the result in a later event. */
  check(): void;
  /** Members of the ring that is being formed: alone, it is looked at all the time. */
  membershipChanged(members: readonly number[]): void;
}

/** Things worth a log line, a counter or a diagnostics event; the core itself never logs. */
export type TotemReport =
  | {
      readonly kind: 'gather';
      readonly reason: number;
      readonly from: SrpState;
      /** Whose message was the cause; 0: no message was. */
      readonly node: number;
      /** Since the last token. */
      readonly silentMs: number;
      /** Of the last ring, of the round, and taken for dead in it. */
      readonly members: readonly number[];
      readonly candidates: readonly number[];
      readonly failed: readonly number[];
    }
  | { readonly kind: 'commit'; readonly ringId: RingId }
  | { readonly kind: 'recovery'; readonly ringId: RingId; readonly transitional: readonly number[] }
  /** Old-ring messages that this node sends again in recovery. */
  | { readonly kind: 'recoverMessages'; readonly from: number; readonly to: number; readonly count: number }
  | {
      readonly kind: 'operational';
      readonly ringId: RingId;
      readonly members: readonly number[];
      readonly joined: readonly number[];
      readonly left: readonly number[];
      /** Members of `left` that did not announce it with a LEAVE. */
      readonly lost: readonly number[];
    }
  | {
      readonly kind: 'tokenLost';
      readonly state: SrpState;
      readonly timer: LossTimer;
      /** Since the last token, and what the token timer is set to. */
      readonly silentMs: number;
      readonly timeoutMs: number;
    }
  | { readonly kind: 'tokenWarning'; readonly silentMs: number }
  /** The transport has proof that a member's process ended: nobody waits for it. */
  | { readonly kind: 'memberDied'; readonly nodeId: number }
  /** These have not replied to anybody for so long that they are not waited for. */
  | { readonly kind: 'membersSilent'; readonly nodeIds: readonly number[] }
  | { readonly kind: 'consensusTimeout'; readonly missing: readonly number[]; readonly timeoutMs: number }
  /** Sequence numbers that this node asks for with the token that it is about to send. */
  | { readonly kind: 'retransmitRequest'; readonly seqs: readonly number[] }
  | { readonly kind: 'failedToReceive' }
  /** The process did not run for a while; `discarded` datagrams were thrown away (totem.md 4.15). */
  | { readonly kind: 'pause'; readonly pausedMs: number; readonly discarded: number }
  | { readonly kind: 'leaveReceived'; readonly nodeId: number }
  /** A commit waits until its ring sequence is on disk. */
  | { readonly kind: 'ringSeqNotReserved'; readonly needed: number }
  | { readonly kind: 'firewallSuspected' }
  /** Another generation or product on this port; `detail`: who probably sent it (BAD_MAGIC), or its version. At most once a minute. */
  | { readonly kind: 'frameDropped'; readonly reason: TotemDropReason; readonly detail: string };

/** Counts by node; called for every retransmission, so it allocates nothing for a node that it knows. */
export interface OriginCounter {
  /** A message that this node first sent was multicast again, by the own node. */
  repeated(nodeId: number): void;
}

export interface TotemObserver {
  report(event: TotemReport): void;
}

/** What said that the token is lost; `forced`: an operator, or a change of keys. */
export type LossTimer = 'token' | 'heartbeat' | 'forced';

export type SrpState = 'operational' | 'gather' | 'commit' | 'recovery';

/**
 * The process groups that every cluster has (totem.md 5.1), by index. A message to both is delivered to the first one first, as
 * stock does (totem.md 5.4). Further ones are registered behind them, see `TotemOptions.groups`.
 */
export const Group = { SYNC: 0, SERVICES: 1 } as const;
/** Names on the wire, by index. */
export const GROUP_NAMES = ['sync', 'a'] as const;

export interface TotemUser {
  /**
   * One message of a process group (its index), in total order. `offset` and `length` lie in `memory`: the frame memory, or a
   * reassembly buffer for fragmented messages; without the group header, at any alignment. Valid during the call.
   * `foreignEndian`: the sender writes big-endian. The callee may multicast, and may call `synchronizationCompleted`.
   */
  deliver(
    group: number,
    nodeId: number,
    memory: FrameMemory,
    offset: number,
    length: number,
    foreignEndian: boolean,
  ): void;
  /** TRANSITIONAL, then REGULAR (totem.md 4.16). The callee may multicast; services send from the REGULAR one. */
  configurationChange(change: ConfigurationChange): void;
  /** Clients of this node are about to send: a token that nobody else needs may wait for that. */
  sendsSoon(): boolean;
  /** Once per valid token, after it was sent on: the place for the process steps of sync (services.md 3.4). */
  tokenSent(): void;
  /** Ring sequences up to `upTo` must be on disk before the core uses them; confirmed by `ringSeqReserved()`, later: never within this call. */
  reserveRingSeq(upTo: number): void;
}
