import type { TotemConfig } from '../config/totem-config.ts';
import type { KnetReport } from '../knet/effects.ts';
import type { LogFunction } from '../lib/log.ts';
import type { TransmitBuffers } from '../lib/transmit-buffers.ts';
import type { Arena } from '../os/arena.ts';
import type { TotemNetwork } from '../totem/interface.ts';
import type { Wire } from './wire.ts';

/**
 * What every transport of the ring thread (udp, udpu, knet) is to the runtime loop, and what the loop is to it.
 *
 *   loop ── poll(budget) ─────────> transport ── host.receive(frame) ──> Totem core
 *        ── tick() ───────────────>                                       │ sendToken(), multicast()
 *        ── flush() ──────────────> transport <───────────────────────────┘ (queued, not sent)
 *
 * Rules that every transport keeps:
 *
 * * `sendToken` and `multicast` only queue (offset, length). `flush` hands all of it to the kernel in few calls, in the
 *   order of queueing. Whoever gave the core an event calls `flush` right after it: the transport itself after each
 *   `host.receive` (that is what keeps the frames of the core's memory valid), the loop after timers and local messages.
 * * Nothing is ever delivered inside a send call. Own copies wait in a local queue (`LoopbackQueue`) and come out of a
 *   later `poll`.
 * * `poll` never blocks and reads at most about `budgetFrames` frames, so that timers and clients get their turn.
 * * A descriptor given to `host.watch` only wakes the loop up; the loop then calls `poll`, which looks at all of them.
 */
export interface RingTransport extends TotemNetwork {
  /**
   * Creates the sockets and starts the first interface check (totem.md 6.4), of which the next `tick` tells.
   * Throws a RondoError when the start is hopeless (udpu without an interface, a port in use).
   */
  open(): void;
  /** Reads waiting frames of every socket and the own copies into `host.receive`. Returns how many there were. */
  poll(budgetFrames: number): number;
  /** Own copies wait in the local queue: the loop must not sleep. */
  hasLocalInput(): boolean;
  /** The last `poll` read every socket to its end: looking again before sleeping would be a system call for nothing. */
  readonly drained: boolean;
  /** Hands everything queued to the kernel. Cheap when nothing is queued. */
  flush(): void;
  /** Runs what is due: interface checks, knet's pings and timeouts. */
  tick(): void;
  /** When `tick` wants to be called next, monotonic milliseconds; `Infinity` for never. */
  nextDeadlineMs(): number;
  /** A reload: member list, crypto and options, in place (totem.md 6.5, services.md 8.5). Returns what was refused. */
  reconfigure(config: TotemConfig): readonly string[];
  /** The virtual Ethernet device (knet): its descriptor, which belongs to the transport from now on; -1: none. */
  useNozzle?(fd: number): void;
  /** One entry per configured link; the shape of `cfgtool -s` (services.md 8.3). */
  linkStatus(): readonly LinkStatus[];
  /** Lets what is queued in the kernel leave (the LEAVE message), then closes every descriptor. */
  close(): void;
}

/** Of a transport that encrypts: a change of key or cipher on a live ring (knet.md 5.4). */
export interface RingKeys {
  /** Goes through one phase of the change; `null`, or why that failed. */
  phase(phase: number): string | null;
  /** A reload was delivered (`true`), or is over: from then on the packets that waited are handled. */
  expect(newKey: boolean): void;
  /** A packet waits for a key that is still being loaded. `poll` handles nothing more until then: the loop stalls. */
  readonly waiting: boolean;
}

export interface LinkStatus {
  readonly linkId: number;
  readonly localAddress: string;
  readonly up: boolean;
  /** In member-list order, the own node included. */
  readonly peers: readonly {
    readonly nodeId: number;
    readonly address: string;
    readonly enabled: boolean;
    readonly connected: boolean;
    readonly mtu: number;
    /** Monotonic time of the last packet that came from there this way; 0: none has; `null`: this node itself. */
    readonly heardMs: number | null;
  }[];
}

/** What a transport gets from the runtime (or from a test). */
export interface TransportHost {
  readonly nodeId: number;
  /**
   * The one memory of the ring thread: the core's frames, the transport's buffers (allocate them here, at start) and the clients'
   * rings lie in it. Offsets given to `sendToken`, `multicast` and `receive` are offsets in it.
   */
  readonly arena: Arena;
  /** Transmit threads wait for what they are to encrypt and send (knet); else the ring thread does that itself. */
  readonly transmit?: TransmitBuffers | null;
  /** What the datagrams travel on; by default the kernel's sockets. */
  readonly wire?: Wire;
  /**
   * One Totem frame from the network or an own copy, in a buffer of the transport; valid during the call.
   * The core may call `sendToken`, `multicast` and the rest of TotemNetwork from inside.
   */
  receive(offset: number, length: number): void;
  /** Own copies of NOFLUSH frames that the transport left out: they only count (interface.ts of totem). */
  noteOwnCopies(count: number): void;
  /** Totem's interface report (totem.md 4.2, 6.4): enters GATHER. Never called from inside a TotemNetwork call. */
  interfaceUp(linkId: number): void;
  interfaceDown(linkId: number): void;
  /** Proof that a member's process has ended (knet): the ring goes on without it now. Never called from inside a TotemNetwork call. */
  memberDied(nodeId: number): void;
  /** For so many milliseconds a member has not replied on any link (knet); -1: it is heard again. As `memberDied`. */
  memberSilent(nodeId: number, silentMs: number): void;
  /** What happened to a link, a peer or this process, as knet saw it. */
  linkReport(report: KnetReport): void;
  /** Adds a descriptor to the loop's epoll set (input). */
  watch(fd: number): void;
  unwatch(fd: number): void;
  /** Monotonic milliseconds, as of the loop's current turn. */
  nowMs(): number;
  /** Pseudo-random number in [0, 1). */
  random(): number;
  /**
   * The key with this fingerprint, or `null`. It is there during `open` and `reconfigure` only, and when it is new; whoever needs it
   * later keeps a form of it that can be wiped.
   */
  ringKey(fingerprint: string): Uint8Array | null;
  readonly log: LogFunction;
  /** Reserves a statistics slot that other threads can read, for example `stats.knet.node1.link0.tx_pings`. */
  counter(name: string): StatCounter;
}

/** A slot of the shared statistics: a double, exact up to 2^53, written by the ring thread only. */
export interface StatCounter {
  readonly values: Float64Array;
  readonly slot: number;
}

export function countOne({ values, slot }: StatCounter): void {
  values[slot]!++;
}
