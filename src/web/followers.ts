import type { ServerResponse } from 'node:http';
import { WEB_LIMITS } from './limits.ts';

/** How often it is looked for changes that are told at once, and how often the page gets the state anyway, so that it notices when nobody is there any more. */
const EVENT_MS = 250;
const REPEAT_MS = 1_000;

interface Follower {
  readonly response: ServerResponse;
  /** When it fell behind, monotonic milliseconds; `null`: it reads. */
  stuckMs: number | null;
}

/** What followers get, as JSON of one line. */
export interface Followed {
  state(): string;
  /** What has to change for the state to be sent before its time. */
  urgent(): string;
  /** Large, and the same string while nothing has changed. */
  matrix(): string;
  /** For who comes new: what happened before. */
  history(): string;
}

/** Those who follow the state of the node by server-sent events. One text is made for all; nothing is made while there is nobody. */
export class Followers {
  private readonly followers = new Set<Follower>();
  private timer: NodeJS.Timeout | null = null;
  private urgent = '';
  private matrix = '';
  private sentMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly followed: Followed) {}

  get full(): boolean {
    return this.followers.size >= WEB_LIMITS.followersMax;
  }

  /** The head of the response was written. */
  add(response: ServerResponse): void {
    const follower: Follower = { response, stuckMs: null };
    this.followers.add(follower);
    response.once('close', () => this.remove(follower));
    const { followed } = this;
    const matrix = followed.matrix();
    if (this.timer === null) this.matrix = matrix;
    const first = [event('history', followed.history()), event('matrix', matrix)];
    response.write(`retry: 1000\n${first.join('')}${event('state', followed.state())}`);
    this.timer ??= setInterval(() => this.tick(performance.now()), EVENT_MS);
  }

  close(): void {
    for (const { response } of this.followers) response.destroy();
    this.stop();
  }

  private tick(nowMs: number): void {
    const matrix = this.followed.matrix();
    if (matrix !== this.matrix) this.sendAll(event('matrix', matrix), nowMs);
    this.matrix = matrix;
    const urgent = this.followed.urgent();
    if (urgent === this.urgent && nowMs - this.sentMs < REPEAT_MS) return;
    this.urgent = urgent;
    this.sentMs = nowMs;
    this.sendAll(event('state', this.followed.state()), nowMs);
  }

  private sendAll(text: string, nowMs: number): void {
    for (const follower of this.followers) this.send(follower, text, nowMs);
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
    this.urgent = '';
    this.matrix = '';
  }
}

const event = (name: string, data: string): string => `event: ${name}\ndata: ${data}\n\n`;
