import type { EventBudget } from '../../ipc/server/event-queue.ts';

/** From this share of what may wait for a user's clients on his sends wait for his readers, so that none of them has to be cut. */
const CROWDED_SHARE = 1 / 2;
/** As long as, in each such time, what waits becomes less by this share of it. */
const LOOK_MS = 1000;
const DRAINED_SHARE = 1 / 8;

interface Crowd {
  share: number;
  lookAtMs: number;
  patient: boolean;
}

/**
 * Whether a user's clients may send while much waits for his clients. Those who send fill the queues of those who read more slowly, until the
 * one with most is cut; on a small machine that is a matter of a moment in which it gets no processor. So senders wait for the readers
 * of their own user, but not for those who do not read, or hardly: these are cut when the bound is reached.
 */
export class Patience {
  private readonly crowds = new Map<number, Crowd>();

  constructor(private readonly budget: Pick<EventBudget, 'shareOf'>) {}

  /** Whether sends of this user wait now. */
  holds(uid: number, nowMs: number): boolean {
    const share = this.budget.shareOf(uid, CROWDED_SHARE);
    if (share === null || share < CROWDED_SHARE) {
      if (this.crowds.size > 0) this.crowds.delete(uid);
      return false;
    }
    let crowd = this.crowds.get(uid);
    if (crowd === undefined) {
      crowd = { share, lookAtMs: nowMs + LOOK_MS, patient: true };
      this.crowds.set(uid, crowd);
    } else if (nowMs >= crowd.lookAtMs) {
      crowd.patient = share <= crowd.share * (1 - DRAINED_SHARE);
      crowd.share = share;
      crowd.lookAtMs = nowMs + LOOK_MS;
    }
    return crowd.patient;
  }
}
