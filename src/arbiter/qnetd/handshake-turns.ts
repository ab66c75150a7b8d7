import { Allowance } from '../../lib/allowance.ts';

export interface HandshakeRates {
  /** Of one place, at once: as many as it may have connections, so that a whole site comes back at once. */
  readonly perPlaceAtOnce: number;
  readonly perPlacePerSecond: number;
  readonly perSecond: number;
}

/** So much of a second's handshakes may begin in one go: how long those that vote wait for them is a share of a second, too. */
const AT_ONCE_SHARE = 0.25;
const RETRY_MS = 20;
/** Places whose allowance is remembered though nobody of them waits. In the long run there are fewer: each has had a handshake a short time ago. */
const PLACES_MAX = 4096;

interface Place {
  readonly allowance: Allowance;
  /** In the order in which they came. */
  readonly waiting: Set<() => void>;
}

/**
 * When a TLS handshake may begin. Each is an operation with the arbiter's private key, a millisecond or two that nobody else is served in, and costs whoever
 * asks for it nothing. So many a second are begun of one place, and so many of all; others wait, each place in its turn, however many wait of another one.
 */
export class HandshakeTurns {
  private readonly places = new Map<string, Place>();
  private readonly all: Allowance;
  private timer: NodeJS.Timeout | null = null;
  private waiting = 0;
  private sweepsAt = PLACES_MAX;
  /** Since the start, for metrics. */
  readonly counts = { begun: 0, delayed: 0 };

  constructor(
    private readonly rates: HandshakeRates,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.all = new Allowance(Math.max(1, rates.perSecond * AT_ONCE_SHARE), rates.perSecond);
  }

  /** `begin` is called now, which is reported by `null`, or later, unless what is returned is called before. */
  ask(place: string, begin: () => void): (() => void) | null {
    const nowMs = this.nowMs();
    const entry = this.entry(place, nowMs);
    if (this.waiting === 0 && this.all.isThere(nowMs) && entry.allowance.take(nowMs)) {
      this.all.take(nowMs);
      this.counts.begun += 1;
      begin();
      return null;
    }
    this.counts.delayed += 1;
    this.waiting += 1;
    entry.waiting.add(begin);
    this.timer ??= setInterval(() => this.turn(), RETRY_MS);
    return () => {
      if (!entry.waiting.delete(begin)) return;
      this.waiting -= 1;
      this.rest();
    };
  }

  close(): void {
    for (const { waiting } of this.places.values()) waiting.clear();
    this.waiting = 0;
    this.rest();
  }

  /** One of each place that may, around and around. */
  private turn(): void {
    const nowMs = this.nowMs();
    for (let begun = true; begun; ) {
      begun = false;
      for (const [name, entry] of [...this.places]) {
        if (!this.all.isThere(nowMs)) return;
        const [begin] = entry.waiting;
        if (begin === undefined || !entry.allowance.take(nowMs)) continue;
        this.all.take(nowMs);
        entry.waiting.delete(begin);
        this.waiting -= 1;
        this.counts.begun += 1;
        // Behind the others, for the next time.
        this.places.delete(name);
        this.places.set(name, entry);
        begun = true;
        begin();
      }
    }
    this.rest();
  }

  private rest(): void {
    if (this.waiting > 0 || this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
  }

  private entry(name: string, nowMs: number): Place {
    const known = this.places.get(name);
    if (known !== undefined) return known;
    if (this.places.size >= this.sweepsAt) this.forget(nowMs);
    const { perPlaceAtOnce, perPlacePerSecond } = this.rates;
    const entry = { allowance: new Allowance(perPlaceAtOnce, perPlacePerSecond), waiting: new Set<() => void>() };
    this.places.set(name, entry);
    return entry;
  }

  private forget(nowMs: number): void {
    for (const [name, { allowance, waiting }] of this.places)
      if (waiting.size === 0 && allowance.isWhole(nowMs)) this.places.delete(name);
    this.sweepsAt = Math.max(PLACES_MAX, 2 * this.places.size);
  }
}
