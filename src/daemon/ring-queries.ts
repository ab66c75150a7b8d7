import type { RingQuery, ToRing } from '../bridge/messages.ts';
import { Deferred } from './deferred.ts';

const RESULT_MS_MAX = 2_000;

interface Question {
  readonly id: number;
  readonly what: RingQuery;
  readonly result: Deferred<unknown>;
  readonly timer: NodeJS.Timeout;
}

/**
 * Questions that only the ring thread can resolve; each gets a result, or an error in time. Of each kind one is asked at a time: those that
 * come meanwhile share the result of the next one, which is asked after all of them, so that clients who ask without end do not keep the
 * ring thread from its ring.
 */
export class RingQueries {
  private readonly asked = new Map<RingQuery, Question>();
  private readonly next = new Map<RingQuery, Deferred<unknown>>();
  private lastId = 0;

  constructor(private readonly send: (message: ToRing) => void) {}

  ask(what: RingQuery): Promise<unknown> {
    const result = this.next.get(what) ?? new Deferred<unknown>();
    if (this.asked.has(what)) this.next.set(what, result);
    else this.start(what, result);
    return result.promise;
  }

  resultCame(queryId: number, value: unknown): void {
    for (const question of this.asked.values()) {
      if (question.id !== queryId) continue;
      this.end(question);
      question.result.resolve(value);
      return;
    }
  }

  /** The ring thread is gone. */
  fail(): void {
    const error = new Error('the ring thread has ended');
    for (const { result, timer } of this.asked.values()) {
      clearTimeout(timer);
      result.reject(error);
    }
    for (const result of this.next.values()) result.reject(error);
    this.asked.clear();
    this.next.clear();
  }

  private start(what: RingQuery, result: Deferred<unknown>): void {
    const id = ++this.lastId;
    const timer = setTimeout(() => {
      const question = this.asked.get(what);
      if (question?.id !== id) return;
      this.end(question);
      result.reject(new Error(`the ring thread did not respond within ${RESULT_MS_MAX} ms`));
    }, RESULT_MS_MAX);
    timer.unref();
    this.asked.set(what, { id, what, result, timer });
    this.send({ op: 'query', queryId: id, what });
  }

  private end({ what, timer }: Question): void {
    clearTimeout(timer);
    this.asked.delete(what);
    const next = this.next.get(what);
    if (next === undefined) return;
    this.next.delete(what);
    this.start(what, next);
  }
}
