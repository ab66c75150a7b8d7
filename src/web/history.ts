import { type DurationReading, durationQuantile, durationsBetween } from '../lib/durations.ts';
import type { Sample } from './page-state.ts';
import type { NodeSnapshot } from './view.ts';

export const SAMPLES_KEPT = 300;

interface Reading {
  readonly atMs: number;
  readonly tokens: number;
  readonly messages: number;
  readonly repeated: number;
  readonly rotation: DurationReading;
  readonly delivery: DurationReading;
}

/** What happened in each of the last seconds. */
export class History {
  private readonly kept: Sample[] = [];
  private last: Reading | null = null;

  /** @param atMs wall clock */
  take(view: NodeSnapshot, atMs: number): void {
    const now: Reading = {
      atMs,
      tokens: view.counter('srp.orf_token_rx'),
      messages: view.counter('srp.mcast_rx'),
      repeated: view.counter('srp.mcast_retx'),
      rotation: view.rotation,
      delivery: view.delivery,
    };
    if (this.last !== null && atMs > this.last.atMs) this.kept.push(between(this.last, now));
    if (this.kept.length > SAMPLES_KEPT) this.kept.shift();
    this.last = now;
  }

  get samples(): readonly Sample[] {
    return this.kept;
  }
}

function between(before: Reading, now: Reading): Sample {
  const rate = (key: 'tokens' | 'messages' | 'repeated'): number =>
    rounded((Math.max(0, now[key] - before[key]) * 1000) / (now.atMs - before.atMs));
  const rotation = durationsBetween(before.rotation, now.rotation);
  const delivery = durationsBetween(before.delivery, now.delivery);
  const quantile = (reading: DurationReading, share: number): number | null => {
    const ms = durationQuantile(reading, share);
    return ms === null ? null : rounded(ms, 1000);
  };
  return {
    at: now.atMs,
    tokens: rate('tokens'),
    messages: rate('messages'),
    repeated: rate('repeated'),
    rotation50: quantile(rotation, 0.5),
    rotation99: quantile(rotation, 0.99),
    delivery50: quantile(delivery, 0.5),
    delivery99: quantile(delivery, 0.99),
  };
}

const rounded = (value: number, steps = 10): number => Math.round(value * steps) / steps;
