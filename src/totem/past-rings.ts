const REMEMBERED = 32;

/** The last rings that this node was operational in. A ring that a member has left is over for all of its members. */
export class PastRings {
  private readonly reps = new Uint32Array(REMEMBERED);
  private readonly seqs = new Float64Array(REMEMBERED);
  private next = 0;

  add(rep: number, seq: number): void {
    this.reps[this.next] = rep;
    this.seqs[this.next] = seq;
    this.next = (this.next + 1) % REMEMBERED;
  }

  has(rep: number, seq: number): boolean {
    for (let i = 0; i < REMEMBERED; i++) if (this.seqs[i] === seq && this.reps[i] === rep) return true;
    return false;
  }
}
