import type { EventHeap } from '../../src/sim/event-heap.ts';
import type { Random } from '../../src/sim/random.ts';

/** How the network behaves; a fault changes it, healing restores it. */
export interface Weather {
  loss: number;
  duplication: number;
  /** Share of datagrams that overtake or fall behind others. */
  reordering: number;
  latencyMsMin: number;
  latencyMsMax: number;
  /** A frame travels in datagrams of this size, as over knet, and is lost with each of them. */
  datagramBytes: number;
  /** What a link carries in a millisecond. */
  bytesPerMs: number;
}

export const FAIR: Readonly<Weather> = {
  loss: 0,
  duplication: 0,
  reordering: 0,
  latencyMsMin: 0.05,
  latencyMsMax: 0.3,
  datagramBytes: Number.POSITIVE_INFINITY,
  bytesPerMs: Number.POSITIVE_INFINITY,
};

const LATE_MS = 20;
const OWN_COPY_MS = 0.02;

/** Datagrams between nodes that are numbered from 0: latency, loss, duplication, reordering, cut links, each way apart. */
export class SimNetwork {
  readonly weather: Weather = { ...FAIR };
  private readonly cut: Uint8Array;
  private readonly lastAt: Float64Array;
  sent = 0;

  constructor(
    private readonly size: number,
    private readonly heap: EventHeap,
    private readonly random: Random,
    private readonly now: () => number,
    private readonly arrive: (to: number, frame: Uint8Array) => void,
  ) {
    this.cut = new Uint8Array(size * size);
    this.lastAt = new Float64Array(size * size);
  }

  /** Cuts or joins one direction. */
  setLink(from: number, to: number, up: boolean): void {
    if (from !== to) this.cut[from * this.size + to] = up ? 0 : 1;
  }

  /** Whether packets of `from` reach `to`. */
  reaches(from: number, to: number): boolean {
    return this.cut[from * this.size + to] === 0;
  }

  heal(): void {
    this.cut.fill(0);
    Object.assign(this.weather, FAIR);
  }

  /** Groups of nodes that hear each other only. */
  partition(groups: readonly (readonly number[])[]): void {
    this.cut.fill(1);
    for (const group of groups) for (const a of group) for (const b of group) this.cut[a * this.size + b] = 0;
  }

  send(from: number, to: number, frame: Uint8Array): void {
    this.sent++;
    const link = from * this.size + to;
    if (from === to) {
      this.schedule(link, to, frame, this.now() + OWN_COPY_MS, false);
      return;
    }
    if (this.cut[link] === 1) return;
    const { loss, duplication, reordering } = this.weather;
    if (loss > 0 && this.isLost(frame)) return;
    this.schedule(link, to, frame, this.now() + this.latency(), this.random.chance(reordering));
    if (duplication > 0 && this.random.chance(duplication))
      this.schedule(link, to, frame, this.now() + this.latency() + this.random.real(0, LATE_MS), true);
  }

  private isLost(frame: Uint8Array): boolean {
    const { loss, datagramBytes } = this.weather;
    for (let at = 0; at === 0 || at < frame.length; at += datagramBytes) if (this.random.chance(loss)) return true;
    return false;
  }

  private latency(): number {
    return this.random.real(this.weather.latencyMsMin, this.weather.latencyMsMax);
  }

  private schedule(link: number, to: number, frame: Uint8Array, at: number, free: boolean): void {
    const carryMs = frame.length / this.weather.bytesPerMs;
    const time = free ? at + this.random.real(0, LATE_MS) : Math.max(at, this.lastAt[link]!) + carryMs;
    if (!free) this.lastAt[link] = time;
    this.heap.add(time, () => this.arrive(to, frame));
  }
}
