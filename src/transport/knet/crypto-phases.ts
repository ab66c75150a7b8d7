import type { CryptoConfig } from '../../config/totem-config.ts';
import type { KnetCore } from '../../knet/core.ts';
import { CLEAR_SLOT, type CryptoProvider, type CryptoSlot } from '../../knet/crypto.ts';
import { RondoError } from '../../lib/errors.ts';

const isOff = (config: CryptoConfig): boolean => config.cipher === 'none' && config.hash === 'none';

const sameCrypto = (a: CryptoConfig, b: CryptoConfig): boolean =>
  a.cipher === b.cipher && a.hash === b.hash && a.model === b.model && a.keyBase64 === b.keyBase64;

/**
 * Crypto at the start and its change on a live ring, in stock's three steps (knet.md 5.4), so that at every moment each
 * node can read what any other sends:
 *
 *   reload, in total order      load the new configuration beside the old one        `prepare`
 *   own phase 1 comes back      everybody has loaded it: send with it                `phase(1)`
 *   own phase 2 comes back      everybody sends with it: forget the old one          `phase(2)`
 */
export class CryptoPhases {
  private current: CryptoConfig | null = null;
  /** Where the new configuration waits; `null` when no change is under way. */
  private target: CryptoSlot | null = null;

  constructor(
    private readonly core: KnetCore,
    private readonly provider: CryptoProvider,
    private readonly log: (text: string) => void,
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

  /** A reload. Answers why the new configuration cannot be used, or null; the old one stays in force in any case. */
  prepare(config: CryptoConfig): string | null {
    if (this.current !== null && sameCrypto(this.current, config)) return null;
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

  /** Answers null, or why nothing was done. */
  phase(phase: number): string | null {
    if (this.target === null) return null; // a reload that did not touch crypto
    if (phase === 1) {
      this.core.useCrypto(this.target);
      this.log(
        `Only ${this.target === CLEAR_SLOT ? 'clear text is' : 'the new crypto configuration is'} sent from now on`,
      );
      return null;
    }
    if (phase !== 2) return `unknown phase ${phase}`;
    if (this.target === CLEAR_SLOT) {
      this.core.loadCrypto(1, null);
      this.core.loadCrypto(2, null);
    } else {
      this.core.loadCrypto(this.target === 1 ? 2 : 1, null);
      this.core.allowClear(false);
    }
    this.target = null;
    return null;
  }

  private load(slot: 1 | 2, config: CryptoConfig): void {
    const key = Buffer.from(config.keyBase64, 'base64');
    try {
      const suite = this.provider.load(config.cipher, config.hash, key);
      this.core.loadCrypto(slot, suite);
      this.log(`kronosnet crypto on index ${slot}: ${suite.name} (engine ${suite.engine})`);
    } finally {
      key.fill(0);
    }
  }
}
