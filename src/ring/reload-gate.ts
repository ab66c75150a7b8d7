import type { FrameMemory } from '../lib/frame-memory.ts';
import { CryptoPhase } from '../services/codec/cfg.ts';
import { CfgFn } from '../services/codec/ids.ts';

const PHASE_OFFSET = 16;
const PHASE_MESSAGE_BYTES = 20;

/** Stands still at most this share of the token timeout for the own reload. */
const HOLD_SHARE = 0.5;

/**
 * A change of key or cipher on a live ring, seen from the message stream (knet.md 5.4, services.md 8.5). Stock reads its file
 * and loads the new key while it delivers the reload message, so that every node has the key before any node sends with it.
 * Here the main thread reads the file and the ring goes on. Only when another node announces that it has loaded its new key
 * (phase 1) and this one is not that far, the ring *stands still* until it is: a reload that does not touch crypto never
 * stops it.
 *
 *   reload delivered ──> main thread parses … ──> reconfigure, own phase 1 sent, reloadDone
 *        └─ pending ───── phase 1 of another node: holding ──────────────────────┘
 *
 * A node that stock's rule would cut off, because its own phase 1 waits behind other messages, switches at the first phase 2
 * of anybody: that node forgets the old key now.
 */
export class ReloadGate {
  private pending = 0;
  private holdUntilMs = 0;
  private switchWhenDone = false;

  constructor(
    private readonly nodeId: number,
    /** Acts on the transport: 1 send with the new key, 2 forget the old one. */
    private readonly phase: (phase: number) => void,
  ) {}

  /** A message of the configuration service, in total order. */
  delivered(fn: number, nodeId: number, memory: FrameMemory, offset: number, length: number, now: Now): void {
    if (fn === CfgFn.RELOAD) this.pending++;
    if (fn !== CfgFn.CRYPTO_RECONFIGURE || length < PHASE_MESSAGE_BYTES) return;
    const phase = memory.view.getInt32(offset + PHASE_OFFSET, true);
    if (nodeId === this.nodeId) {
      this.phase(phase);
    } else if (this.pending === 0) {
      if (phase === CryptoPhase.CLEAN_UP) this.phase(CryptoPhase.ACTIVATE);
    } else {
      if (phase === CryptoPhase.CLEAN_UP) this.switchWhenDone = true;
      if (this.holdUntilMs === 0) this.holdUntilMs = now.ms + now.tokenMs * HOLD_SHARE;
    }
  }

  /** The main thread has finished one reload, successfully or not, and everything that it sent for it is queued. */
  done(): void {
    if (this.pending > 0) this.pending--;
    if (this.pending > 0) return;
    this.holdUntilMs = 0;
    if (this.switchWhenDone) this.phase(CryptoPhase.ACTIVATE);
    this.switchWhenDone = false;
  }

  /** No input and no timers until the main thread is done, or has taken too long. */
  holds(nowMs: number): boolean {
    if (this.holdUntilMs === 0) return false;
    if (nowMs < this.holdUntilMs) return true;
    this.holdUntilMs = 0;
    this.pending = 0;
    return false;
  }
}

interface Now {
  readonly ms: number;
  readonly tokenMs: number;
}
