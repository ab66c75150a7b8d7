import type { CryptoConfig } from '../../config/totem-config.ts';
import type { KnetCore } from '../../knet/core.ts';
import { CLEAR_SLOT, type CryptoProvider, type CryptoSlot } from '../../knet/crypto.ts';
import { RondoError } from '../../lib/errors.ts';

const isOff = (config: CryptoConfig): boolean => config.cipher === 'none' && config.hash === 'none';

const sameCrypto = (a: CryptoConfig, b: CryptoConfig): boolean =>
  a.cipher === b.cipher && a.hash === b.hash && a.model === b.model && a.keyFingerprint === b.keyFingerprint;

/** The old configuration is kept for receiving this long after everybody was seen to send with the new one. */
const OLD_KEPT_MS = 2_000;

/**
 * Crypto at the start and its change on a live ring, in stock's three steps (knet.md 5.4), so that at every moment each
 * node can read what any other sends:
 *
 *   reload, in total order      load the new configuration beside the old one        `prepare`
 *   own phase 1 comes back      everybody has loaded it: send with it                `phase(1)`
 *   own phase 2 comes back      everybody sends with it: forget the old one          `phase(2)`, a little later
 *
 * Each phase may be reported more than once.
 */
export class CryptoPhases {
  private current: CryptoConfig | null = null;
  /** Where the new configuration waits; `null` when no change is under way. */
  private target: CryptoSlot | null = null;
  private forgetMs = Number.POSITIVE_INFINITY;

  constructor(
    private readonly core: KnetCore,
    private readonly provider: CryptoProvider,
    private readonly log: (text: string) => void,
    private readonly nowMs: () => number,
    /** The key with a fingerprint, while it is at hand. */
    private readonly keyOf: (fingerprint: string) => Uint8Array | null,
  ) {}

  /** At the start: in force at once. */
  start(config: CryptoConfig): void {
    this.current = config;
    if (isOff(config)) {
      this.core.allowClear(true);
      return;
    }
    this.core.allowClear(false);
    this.load(1, config);
    this.core.useCrypto(1);
  }

  /** A reload. Returns why the new configuration cannot be used, or null; the old one stays in force in any case. */
  prepare(config: CryptoConfig): string | null {
    if (this.current !== null && sameCrypto(this.current, config)) return null;
    // A change that is still under way: this reload comes after that one in everybody's order, so all have its key.
    if (this.target !== null && this.core.slots.inUseSlot !== this.target) this.phase(1);
    this.forgetOld();
    const slot = this.core.slots.spareSlot();
    try {
      if (isOff(config)) {
        this.core.loadCrypto(slot, null);
        this.core.allowClear(true);
        this.target = CLEAR_SLOT;
      } else {
        this.load(slot, config);
        this.target = slot;
      }
    } catch (error) {
      if (!(error instanceof RondoError)) throw error;
      return error.message;
    }
    this.current = config;
    return null;
  }

  /** Returns null, or why nothing was done. Without a change under way there is nothing to do. */
  phase(phase: number): string | null {
    if (this.target === null) return null;
    if (phase !== 1 && phase !== 2) return `unknown phase ${phase}`;
    if (this.core.slots.inUseSlot !== this.target) {
      this.core.useCrypto(this.target);
      this.log(
        this.target === CLEAR_SLOT ? 'Clear text is sent from now on' : 'The new crypto configuration is in use',
      );
    }
    if (phase === 2) this.forgetMs = this.nowMs() + OLD_KEPT_MS;
    return null;
  }

  /**
   * Everybody else already sends with the new configuration: so can we, and should, before they forget the old one. Our own
   * phase 1 may wait behind other messages for much longer than it takes them.
   */
  peersUse(slot: CryptoSlot): void {
    if (slot === this.target) this.phase(1);
  }

  /** Forgets the old configuration when its time is over. */
  tick(nowMs: number): void {
    if (nowMs >= this.forgetMs) this.forgetOld();
  }

  get nextDeadlineMs(): number {
    return this.forgetMs;
  }

  private forgetOld(): void {
    if (this.forgetMs === Number.POSITIVE_INFINITY) return;
    this.forgetMs = Number.POSITIVE_INFINITY;
    if (this.target === CLEAR_SLOT) {
      this.core.loadCrypto(1, null);
      this.core.loadCrypto(2, null);
    } else {
      this.core.loadCrypto(this.target === 1 ? 2 : 1, null);
      this.core.allowClear(false);
    }
    this.target = null;
    this.log('The old crypto configuration is forgotten');
  }

  private load(slot: 1 | 2, config: CryptoConfig): void {
    const key = this.keyOf(config.keyFingerprint);
    if (key === null) throw new RondoError('RONDO_KNET_KEY', 'the key of the new configuration is not at hand');
    const suite = this.provider.load(config.cipher, config.hash, key);
    this.core.loadCrypto(slot, suite);
    this.log(`kronosnet crypto on index ${slot}: ${suite.name} (engine ${suite.engine})`);
  }
}
