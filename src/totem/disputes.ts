import type { NodeList } from './node-set.ts';

/** Which candidates will not agree with which, by their last JOINs in this round. */
export class Disputes {
  /** Candidate → its failed list; none that is empty. Only of candidates: at most `processorsMax`. */
  private readonly failedBy = new Map<number, NodeList>();

  note(node: number, failed: NodeList): void {
    if (failed.length === 0) this.failedBy.delete(node);
    else this.failedBy.set(node, failed);
  }

  /** What was heard belongs to a round that is over. */
  forgetRound(): void {
    this.failedBy.clear();
  }

  /** Both have the other on their lists. */
  between(a: number, b: number): boolean {
    return this.failedBy.get(a)?.includes(b) === true && this.failedBy.get(b)?.includes(a) === true;
  }
}
