import type { RingQuery, ToRing } from '../bridge/messages.ts';
import { Deferred } from './deferred.ts';

const ANSWER_MS_MAX = 2_000;

interface Question {
  readonly id: number;
  readonly what: RingQuery;
  readonly answer: Deferred<unknown>;
  readonly timer: NodeJS.Timeout;
}

/**
 * Questions that only the ring thread can answer; each has an answer, or an error in time. Of each kind one is asked at a time: those that
 * come meanwhile are answered together by the next one, which is asked after all of them, so that clients who ask without end do not keep the
 * ring thread from its ring.
 */
export class RingQueries {
  private readonly asked = new Map<RingQuery, Question>();
  private readonly next = new Map<RingQuery, Deferred<unknown>>();
  private lastId = 0;

  constructor(private readonly send: (message: ToRing) => void) {}

  ask(what: RingQuery): Promise<unknown> {
    const answer = this.next.get(what) ?? new Deferred<unknown>();
    if (this.asked.has(what)) this.next.set(what, answer);
    else this.start(what, answer);
    return answer.promise;
  }

  answered(queryId: number, value: unknown): void {
    for (const question of this.asked.values()) {
      if (question.id !== queryId) continue;
      this.end(question);
      question.answer.resolve(value);
      return;
    }
  }

  /** The ring thread is gone. */
  fail(): void {
    const error = new Error('the ring thread has ended');
    for (const { answer, timer } of this.asked.values()) {
      clearTimeout(timer);
      answer.reject(error);
    }
    for (const answer of this.next.values()) answer.reject(error);
    this.asked.clear();
    this.next.clear();
  }

  private start(what: RingQuery, answer: Deferred<unknown>): void {
    const id = ++this.lastId;
    const timer = setTimeout(() => {
      const question = this.asked.get(what);
      if (question?.id !== id) return;
      this.end(question);
      answer.reject(new Error(`the ring thread did not answer in ${ANSWER_MS_MAX} ms`));
    }, ANSWER_MS_MAX);
    timer.unref();
    this.asked.set(what, { id, what, answer, timer });
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
