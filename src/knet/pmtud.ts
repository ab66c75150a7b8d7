import { KNET, KNET_LIMITS } from './constants.ts';
import { type CryptoSizes, maxData, minimumData, wireLength } from './mtu.ts';

/** Sends one probe; 0 = on its way, > 0 = the kernel refused and names the MTU, < 0 = refused without a name. */
export type ProbeSend = (ipBytes: number, plainBytes: number) => number;

const IDLE = 0;
const SEARCHING = 1;
const VERIFYING = 2;

/** Half of what a round waits for answers before it sends the unanswered probes once more. */
const ROUND_MS_MIN = 100;
const ROUND_MS_MAX = 1_000;
const VERIFY_MISSES_MAX = 2;
/** … and where packets of any size get lost. */
const VERIFY_MISSES_MAX_LOSSY = 6;
const IP_BYTES_MAX = 65_535;

export const PathChange = { NONE: 0, MTU: 1 } as const;

/**
 * Path MTU of one link. The probes and their answers are stock's (knet.md 4), the search is not: stock tries one size
 * at a time, up to 30 of them, with waits that crypto stretches to minutes. Here a *round* probes up to four sizes at
 * once, spread over what is still open, each of them twice; the largest that is answered closes the interval from below,
 * the smallest that is not closes it from above. The first round asks the kernel for the interface MTU (a probe of 65535
 * is refused with the right number) and on a healthy path is the only one.
 *
 *       good                                                     bad
 *        ├─────────┬───────────┬───────────┬───────────┬──────────┤        4 probes, a fifth of the interval apart
 *
 * Between searches a link that carries large packets is verified by one probe of the size in use; two silent ones
 * in a row, six on a link that loses PINGs, too, start a search at once (stock notices a path that shrank without an ICMP message after up to 30 s).
 */
export class PathMtu {
  /** IP-level size that was answered last; 0 before the first search ended. */
  confirmedIpBytes = 0;
  private state = IDLE;
  private goodIpBytes = 0;
  private badIpBytes = 0;
  private roundEndMs = 0;
  private resendMs = 0;
  private resent = false;
  private rounds = 0;
  private misses = 0;
  private finishedMs = Number.NEGATIVE_INFINITY;
  private verifiedMs = 0;
  private forced = false;
  /** Packets of any size get lost on this link. */
  lossy = false;
  private probeCount = 0;
  private readonly probes = new Int32Array(KNET_LIMITS.pmtudProbesPerRound);
  private readonly probed = new Uint8Array(KNET_LIMITS.pmtudProbesPerRound);

  get verifying(): boolean {
    return this.state === VERIFYING;
  }

  /** Asks for a search at the next step: link came up, crypto or configuration changed. */
  force(): void {
    this.forced = true;
  }

  /** A hint from ICMP that the path is smaller: believed only after a verification of its own. */
  doubt(): void {
    this.verifiedMs = Number.NEGATIVE_INFINITY;
    if (this.misses === 0) this.misses = 1;
  }

  stop(): void {
    this.state = IDLE;
    this.finishedMs = Number.NEGATIVE_INFINITY;
    this.forced = false;
    this.misses = 0;
    this.confirmedIpBytes = 0;
  }

  nextDeadlineMs(intervalMs: number, verifyMs: number, carriesLarge: boolean): number {
    if (this.forced) return Number.NEGATIVE_INFINITY;
    if (this.state !== IDLE) return this.resent ? this.roundEndMs : this.resendMs;
    const searchMs = this.finishedMs + intervalMs;
    return this.isWorthVerifying(carriesLarge) ? Math.min(searchMs, this.verifiedMs + verifyMs) : searchMs;
  }

  /** There is a size to verify: a search that nobody replied to has found none. After one silent probe the next one does not wait for traffic. */
  private isWorthVerifying(carriesLarge: boolean): boolean {
    return (carriesLarge || this.misses > 0) && this.confirmedIpBytes > 0;
  }

  /**
   * Runs what is due. `carriesLarge`: the link is worth verifying. Returns whether `confirmedIpBytes` changed or a
   * search ended (then the link's data MTU is to be computed anew).
   */
  step(
    nowMs: number,
    sizes: CryptoSizes,
    overheadBytes: number,
    latencyUs: number,
    intervalMs: number,
    verifyMs: number,
    carriesLarge: boolean,
    send: ProbeSend,
  ): number {
    const roundMs = Math.min(ROUND_MS_MAX, Math.max(ROUND_MS_MIN, (4 * latencyUs) / 1000));
    // What is due is what `nextDeadlineMs` says, by the same sums: else the loop would turn for a deadline that is over.
    if (this.forced || (this.state === IDLE && nowMs >= this.finishedMs + intervalMs)) {
      this.forced = false;
      return this.beginSearch(nowMs, roundMs, sizes, overheadBytes, send);
    }
    if (this.state === IDLE) {
      if (this.isWorthVerifying(carriesLarge) && nowMs >= this.verifiedMs + verifyMs) {
        this.verify(nowMs, roundMs, sizes, overheadBytes, send);
      }
      return PathChange.NONE;
    }
    if (!this.resent && nowMs >= this.resendMs) {
      this.resent = true;
      for (let i = 0; i < this.probeCount; i++) {
        if (this.probed[i] === 0) this.sendProbe(this.probes[i]!, sizes, overheadBytes, send);
      }
    }
    if (nowMs < this.roundEndMs) return PathChange.NONE;
    return this.endRound(nowMs, roundMs, sizes, overheadBytes, send);
  }

  /** A PMTUD_REPLY. Sizes that were not asked for are nobody's business. */
  reply(
    ipBytes: number,
    nowMs: number,
    sizes: CryptoSizes,
    overheadBytes: number,
    latencyUs: number,
    send: ProbeSend,
  ): number {
    if (this.state === IDLE) return PathChange.NONE;
    let open = 0;
    for (let i = 0; i < this.probeCount; i++) {
      if (this.probes[i] === ipBytes) this.probed[i] = 1;
      if (this.probed[i] === 0) open++;
    }
    // The largest probe was answered: nothing more is to be learned from waiting.
    if (this.probed[this.probeCount - 1] === 0 && open > 0) return PathChange.NONE;
    const roundMs = Math.min(ROUND_MS_MAX, Math.max(ROUND_MS_MIN, (4 * latencyUs) / 1000));
    return this.endRound(nowMs, roundMs, sizes, overheadBytes, send);
  }

  private beginSearch(
    nowMs: number,
    roundMs: number,
    sizes: CryptoSizes,
    overheadBytes: number,
    send: ProbeSend,
  ): number {
    this.state = SEARCHING;
    this.rounds = 0;
    this.misses = 0;
    this.goodIpBytes = 0;
    this.badIpBytes = IP_BYTES_MAX + 1;
    return this.beginRound(nowMs, roundMs, sizes, overheadBytes, send);
  }

  /** Chooses the sizes of a round and sends them; the kernel's refusals narrow the interval on the spot. */
  private beginRound(
    nowMs: number,
    roundMs: number,
    sizes: CryptoSizes,
    overheadBytes: number,
    send: ProbeSend,
  ): number {
    for (;;) {
      if (this.rounds++ >= KNET_LIMITS.pmtudRoundsMax) return this.finish(nowMs);
      this.chooseProbes(sizes, overheadBytes);
      if (this.probeCount === 0) return this.finish(nowMs);
      const before = this.badIpBytes;
      for (let i = 0; i < this.probeCount; i++) {
        const size = this.probes[i]!;
        const refusal = this.sendProbe(size, sizes, overheadBytes, send);
        if (refusal === 0) continue;
        const bad = refusal > 0 && refusal < size ? refusal + 1 : size;
        if (bad < this.badIpBytes) this.badIpBytes = bad;
      }
      if (this.badIpBytes === before) break; // everything is on its way
      if (this.rounds > 1) this.dropRefused();
      if (this.probeCount > 0 && this.rounds > 1) break;
    }
    this.resent = false;
    this.resendMs = nowMs + roundMs;
    this.roundEndMs = nowMs + 2 * roundMs;
    return PathChange.NONE;
  }

  private dropRefused(): void {
    let kept = 0;
    for (let i = 0; i < this.probeCount; i++) {
      if (this.probes[i]! >= this.badIpBytes) continue;
      this.probes[kept++] = this.probes[i]!;
    }
    this.probeCount = kept;
  }

  private chooseProbes(sizes: CryptoSizes, overheadBytes: number): void {
    this.probeCount = 0;
    this.probed.fill(0);
    const floor = smallestIpBytes(sizes, overheadBytes);
    if (this.goodIpBytes === 0 && (this.rounds === 1 || this.badIpBytes <= IP_BYTES_MAX) && this.rounds <= 2) {
      // First the largest size that may be possible: 65535, then what the kernel answered to it.
      this.push(quantise(Math.min(this.badIpBytes - 1, IP_BYTES_MAX), sizes, overheadBytes), floor);
      return;
    }
    const low = Math.max(this.goodIpBytes, floor - 1);
    const open = this.badIpBytes - low - 1;
    if (open <= 0) return;
    const count = Math.min(KNET_LIMITS.pmtudProbesPerRound, open);
    for (let i = 1; i <= count; i++) {
      const raw = low + Math.max(i, Math.floor((i * (open + 1)) / (count + 1)));
      this.push(quantise(raw, sizes, overheadBytes), floor);
    }
  }

  private push(ipBytes: number, floor: number): void {
    const size = Math.max(ipBytes, floor);
    if (size <= this.goodIpBytes || size >= this.badIpBytes) return;
    if (this.probeCount > 0 && this.probes[this.probeCount - 1]! >= size) return;
    this.probes[this.probeCount++] = size;
  }

  private sendProbe(ipBytes: number, sizes: CryptoSizes, overheadBytes: number, send: ProbeSend): number {
    return send(ipBytes, maxData(sizes, ipBytes - overheadBytes) + KNET.allHeaderBytes);
  }

  private endRound(nowMs: number, roundMs: number, sizes: CryptoSizes, overheadBytes: number, send: ProbeSend): number {
    if (this.state === VERIFYING) return this.endVerify(nowMs, roundMs, sizes, overheadBytes, send);
    let best = this.goodIpBytes;
    for (let i = 0; i < this.probeCount; i++) if (this.probed[i] === 1) best = Math.max(best, this.probes[i]!);
    this.goodIpBytes = best;
    for (let i = 0; i < this.probeCount; i++) {
      const size = this.probes[i]!;
      if (this.probed[i] === 0 && size > best && size < this.badIpBytes) this.badIpBytes = size;
    }
    const before = this.confirmedIpBytes;
    // A size that was answered is used at once, while the search goes on above it.
    if (best > before || before >= this.badIpBytes) this.confirmedIpBytes = best;
    const ended = this.beginRound(nowMs, roundMs, sizes, overheadBytes, send);
    return ended === PathChange.MTU || this.confirmedIpBytes !== before ? PathChange.MTU : PathChange.NONE;
  }

  private finish(nowMs: number): number {
    this.state = IDLE;
    this.finishedMs = nowMs;
    this.verifiedMs = nowMs;
    // Silence at every size: the link keeps the minimum that every path carries.
    this.confirmedIpBytes = this.goodIpBytes;
    return PathChange.MTU;
  }

  private verify(nowMs: number, roundMs: number, sizes: CryptoSizes, overheadBytes: number, send: ProbeSend): void {
    this.state = VERIFYING;
    this.probes[0] = quantise(this.confirmedIpBytes, sizes, overheadBytes);
    this.probeCount = 1;
    this.probed.fill(0);
    this.resent = true;
    this.roundEndMs = nowMs + roundMs;
    if (this.sendProbe(this.probes[0]!, sizes, overheadBytes, send) !== 0) this.misses = this.missesMax;
  }

  private get missesMax(): number {
    return this.lossy ? VERIFY_MISSES_MAX_LOSSY : VERIFY_MISSES_MAX;
  }

  private endVerify(
    nowMs: number,
    roundMs: number,
    sizes: CryptoSizes,
    overheadBytes: number,
    send: ProbeSend,
  ): number {
    this.state = IDLE;
    this.verifiedMs = nowMs;
    if (this.probed[0] === 1) {
      this.misses = 0;
      return PathChange.NONE;
    }
    this.misses++;
    if (this.misses < this.missesMax) {
      this.verify(nowMs, roundMs, sizes, overheadBytes, send); // now: no deadline may be over after a step
      return PathChange.NONE;
    }
    this.confirmedIpBytes = 0;
    this.beginSearch(nowMs, roundMs, sizes, overheadBytes, send);
    return PathChange.MTU;
  }
}

/** The IP-level size of the packet that carries the largest fragment fitting into `ipBytes`. */
export function quantise(ipBytes: number, sizes: CryptoSizes, overheadBytes: number): number {
  const data = maxData(sizes, ipBytes - overheadBytes);
  return wireLength(sizes, data + KNET.allHeaderBytes) + overheadBytes;
}

const smallestIpBytes = (sizes: CryptoSizes, overheadBytes: number): number =>
  wireLength(sizes, minimumData(sizes) + KNET.allHeaderBytes) + overheadBytes;
