import type { FrameMemory } from '../lib/frame-memory.ts';
import { CryptoPhase } from '../services/codec/cfg.ts';
import { CfgFn } from '../services/codec/ids.ts';
import type { RingKeys } from '../transport/transport.ts';

const PHASE_OFFSET = 16;
const PHASE_MESSAGE_BYTES = 20;
/** The ring waits at most this share of the token timeout for the own reload. */
const WAIT_SHARE = 0.5;

/**
 * A change of key or cipher on a live ring, seen from the message stream (knet.md 5.4, services.md 8.5). Stock reads its file
 * and loads the new key while it delivers the reload message, so that every node has the key before any node sends with it.
 * Here the main thread reads the file and the ring goes on; only when packets arrive that need a key which is not there yet,
 * the ring *stalls* until it is, and those packets wait. A reload that does not touch crypto never stops it.
 *
 *   reload delivered ──> main thread parses … ──> reconfigure, own phase 1 sent, reloadDone
 *        └─ pending ──────── a packet that nothing opens: waiting ───────────────┘
 *
 * A node that stock's rule would cut off, because its own phase 1 waits behind other messages, switches at the first phase 2
 * of anybody: that node forgets the old key now.
 */
export class ReloadGate {
  private pending = 0;
  private waitEndMs = 0;
  private switchWhenDone = false;

  constructor(
    private readonly nodeId: number,
    private readonly keys: RingKeys | null,
    private readonly failed: (reason: string) => void,
  ) {}

  /** A message of the configuration service, in total order. */
  delivered(fn: number, nodeId: number, memory: FrameMemory, offset: number, length: number): void {
    if (fn === CfgFn.RELOAD) {
      this.pending++;
      this.keys?.expect(true);
    }
    if (fn !== CfgFn.CRYPTO_RECONFIGURE || length < PHASE_MESSAGE_BYTES) return;
    const phase = memory.view.getInt32(offset + PHASE_OFFSET, true);
    if (nodeId === this.nodeId) this.phase(phase);
    else if (phase !== CryptoPhase.CLEAN_UP) return;
    else if (this.pending === 0) this.phase(CryptoPhase.ACTIVATE);
    else this.switchWhenDone = true;
  }

  /** The main thread has finished one reload, successfully or not, and everything that it sent for it is queued. */
  done(): void {
    if (this.pending > 0) this.pending--;
    if (this.pending > 0) return;
    this.keys?.expect(false);
    if (this.switchWhenDone) this.phase(CryptoPhase.ACTIVATE);
    this.switchWhenDone = false;
  }

  /** No input and no timers until the main thread is done, or has taken too long. */
  holds(nowMs: number, tokenMs: number): boolean {
    if (this.pending === 0 || this.keys?.waiting !== true) {
      this.waitEndMs = 0;
      return false;
    }
    if (this.waitEndMs === 0) this.waitEndMs = nowMs + tokenMs * WAIT_SHARE;
    if (nowMs < this.waitEndMs) return true;
    this.pending = 1;
    this.done();
    return false;
  }

  private phase(phase: number): void {
    const reason = this.keys?.phase(phase) ?? null;
    if (reason !== null) this.failed(reason);
  }
}
