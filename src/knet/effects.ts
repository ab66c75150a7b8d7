import type { FrameMemory } from '../lib/frame-memory.ts';
import type { CryptoSlot, CryptoSuite } from './crypto.ts';
import type { KnetDropReason } from './drops.ts';
import type { Link } from './link.ts';
import type { TxQueue } from './tx-queue.ts';

/** Rare events that are worth a log line or a diagnostics event. */
export type KnetReport =
  | { readonly kind: 'linkUp'; readonly nodeId: number; readonly linkId: number }
  | {
      readonly kind: 'linkDown';
      readonly nodeId: number;
      readonly linkId: number;
      readonly cause: 'timeout' | 'unreachable' | 'removed';
    }
  | { readonly kind: 'hostReachable'; readonly nodeId: number; readonly reachable: boolean }
  /** Its last link went down because its kernel says that nobody listens and PINGs were not answered: the process has ended. */
  | { readonly kind: 'hostDied'; readonly nodeId: number }
  /** For so long no link of it has brought a PONG for a PING; -1: it is heard again. */
  | { readonly kind: 'hostSilent'; readonly nodeId: number; readonly silentMs: number }
  | { readonly kind: 'activeLink'; readonly nodeId: number; readonly linkId: number }
  | { readonly kind: 'peerRestarted'; readonly nodeId: number }
  | { readonly kind: 'linkMtu'; readonly nodeId: number; readonly linkId: number; readonly mtu: number }
  | { readonly kind: 'dataMtu'; readonly from: number; readonly to: number }
  /** All reachable hosts send with this crypto configuration, and this node does not (knet.md 5.4). */
  | { readonly kind: 'peersUseSlot'; readonly slot: CryptoSlot }
  | { readonly kind: 'paused'; readonly ms: number };

/** What the core asks of its surroundings. Everything is called synchronously, from inside an event given to the core. */
export interface KnetEffects {
  /**
   * A message for the Totem layer, valid during the call. It may send, but must not hand the core further packets.
   */
  deliver(memory: FrameMemory, offset: number, length: number, nodeId: number): void;
  /** An Ethernet frame for this node, as `deliver`; only asked for by `takeFrames`. */
  frame?(offset: number, length: number): void;
  /** Sends what the queue holds, sealed; the queue is reset afterwards. Failed sends are counted on the links. */
  transmit(queue: TxQueue): void;
  /**
   * Another thread seals with `suite` what the queue holds, and sends it: the queue to go on with, which is empty. `null`: it is to be done here. Not there:
   * everything is.
   */
  handOver?(queue: TxQueue, suite: CryptoSuite | null): TxQueue | null;
  /**
   * Sends one sealed PMTUD probe at once, with fragmentation forbidden. 0: sent; > 0: refused, the interface's MTU;
   * < 0: refused.
   */
  probe(link: Link, offset: number, length: number): number;
  /** A packet went no further. `tag` is the batch's tag of it; `nodeId` what it claims, 0 when that is not known. */
  dropped(reason: KnetDropReason, tag: number, nodeId: number, length: number): void;
  report(event: KnetReport): void;
  /** Monotonic milliseconds with a fraction, read now: for measuring what crypto and compression cost. */
  clockMs(): number;
}
