import { WINDOW_AUTO } from '../lib/accelerated-window.ts';
import { Capability } from './capabilities.ts';
import type { RingState } from './state.ts';

/** What `auto` is where all members bear it; elsewhere it is none. */
const AUTO_MESSAGES = 15;

/** Token visits over which requests are counted. */
const SAMPLE_VISITS = 256;
/** More of them that bring requests: messages get lost here, and whoever misses one should not wait for those that are only late. */
const REQUESTS_MAX = SAMPLE_VISITS / 16;
/** For so many visits nothing goes out behind the token then. */
const REST_VISITS = 8192;

/**
 * Accelerated token release (docs/totem-core.md): the messages of a visit are numbered, the token goes on, and the last of them follow it, so that
 * the next node begins while they are still being sent. They are a range of sequence numbers of the ring's queue, and are gone when the
 * visit is over: no later event, a token that is sent again least of all, finds any left.
 */
export class AcceleratedRelease {
  /** Of the visit in hand: the first message that follows the token, and how many there are. */
  firstSeq = 0;
  count = 0;
  private visits = 0;
  private withRequests = 0;
  private restVisits = 0;
  private othersSend = false;

  startRing(): void {
    this.visits = 0;
    this.withRequests = 0;
    this.restVisits = 0;
  }

  /** A token visit; so many messages are asked for, and whether others have sent since the last one. */
  visit(requests: number, othersSend: boolean): void {
    this.othersSend = othersSend;
    if (this.restVisits > 0) {
      this.restVisits--;
      return;
    }
    if (requests > 0 && ++this.withRequests > REQUESTS_MAX) {
      this.startRing();
      this.restVisits = REST_VISITS;
    } else if (++this.visits === SAMPLE_VISITS) this.startRing();
  }

  /**
   * How many messages of this visit may follow the token. Where nobody else sends, there is nobody to begin earlier: the token would only be back
   * sooner, and find less to take along.
   */
  windowFor(s: RingState): number {
    if (this.restVisits > 0 || !this.othersSend || s.state !== 'operational' || s.membership.memb.length < 2) return 0;
    const { acceleratedWindow } = s.timings;
    if (acceleratedWindow !== WINDOW_AUTO) return acceleratedWindow;
    return (s.capabilities & Capability.LATE_MESSAGES) === 0 ? 0 : AUTO_MESSAGES;
  }
}
