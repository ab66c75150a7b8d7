import type { ServerResponse } from 'node:http';
import { WEB_LIMITS } from './limits.ts';

/** How often the page gets a new state, and how often the same one, so that it notices when nobody is there any more. */
const EVENT_MS = 250;
const REPEAT_MS = 1_000;

interface Follower {
  readonly response: ServerResponse;
  /** When it fell behind, monotonic milliseconds; `null`: it reads. */
  stuckMs: number | null;
}

/** Those who follow the state of the node by server-sent events. One text is made for all; nothing is made while there is nobody. */
export class Followers {
  private readonly followers = new Set<Follower>();
  private timer: NodeJS.Timeout | null = null;
  private last = '';
  private sentMs = Number.NEGATIVE_INFINITY;

  constructor(
    /** JSON of one line. */
    private readonly state: () => string,
    /** For who comes new: what happened before. */
    private readonly history: () => string,
  ) {}

  get full(): boolean {
    return this.followers.size >= WEB_LIMITS.followersMax;
  }

  /** The head of the response was written. */
  add(response: ServerResponse): void {
    const follower: Follower = { response, stuckMs: null };
    this.followers.add(follower);
    response.once('close', () => this.remove(follower));
    response.write(`retry: 1000\nevent: history\ndata: ${this.history()}\n\nevent: state\ndata: ${this.state()}\n\n`);
    this.timer ??= setInterval(() => this.tick(performance.now()), EVENT_MS);
  }

  close(): void {
    for (const { response } of this.followers) response.destroy();
    this.stop();
  }

  private tick(nowMs: number): void {
    const state = this.state();
    if (state === this.last && nowMs - this.sentMs < REPEAT_MS) return;
    this.last = state;
    this.sentMs = nowMs;
    const event = `event: state\ndata: ${state}\n\n`;
    for (const follower of this.followers) this.send(follower, event, nowMs);
  }

  private send(follower: Follower, event: string, nowMs: number): void {
    const { response } = follower;
    if (response.writableLength < WEB_LIMITS.followerBytesMax) {
      follower.stuckMs = null;
      response.write(event);
      return;
    }
    follower.stuckMs ??= nowMs;
    if (nowMs - follower.stuckMs >= WEB_LIMITS.followerStuckMs) response.destroy();
  }

  private remove(follower: Follower): void {
    this.followers.delete(follower);
    if (this.followers.size === 0) this.stop();
  }

  private stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.last = '';
  }
}
