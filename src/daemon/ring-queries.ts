import type { RingQuery, ToRing } from '../bridge/messages.ts';
import { Deferred } from './deferred.ts';

const ANSWER_MS_MAX = 2_000;

/** Questions that only the ring thread can answer; each has an answer, or an error in time. */
export class RingQueries {
  private readonly open = new Map<number, Deferred<unknown>>();
  private lastId = 0;

  constructor(private readonly send: (message: ToRing) => void) {}

  ask(what: RingQuery): Promise<unknown> {
    const queryId = ++this.lastId;
    const answer = new Deferred<unknown>();
    this.open.set(queryId, answer);
    this.send({ op: 'query', queryId, what });
    setTimeout(() => {
      if (this.open.delete(queryId)) answer.reject(new Error(`the ring thread did not answer in ${ANSWER_MS_MAX} ms`));
    }, ANSWER_MS_MAX).unref();
    return answer.promise;
  }

  answered(queryId: number, value: unknown): void {
    this.open.get(queryId)?.resolve(value);
    this.open.delete(queryId);
  }

  /** The ring thread is gone. */
  fail(): void {
    for (const answer of this.open.values()) answer.reject(new Error('the ring thread has ended'));
    this.open.clear();
  }
}
