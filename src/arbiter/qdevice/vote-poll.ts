/** A vote, and the ring that it is for. */
export interface CastVote {
  readonly vote: boolean;
  readonly ringId: { readonly rep: number; readonly seq: bigint };
}

/** One call of votequorum at a time: of the votes that come meanwhile, as fast as a server likes, only the last one is cast. */
export class VotePoll {
  private next: CastVote | null = null;
  private casts = false;

  /** `cast` never rejects. */
  constructor(private readonly cast: (vote: CastVote) => Promise<void>) {}

  poll(vote: CastVote): void {
    this.next = vote;
    if (!this.casts) void this.run();
  }

  private async run(): Promise<void> {
    this.casts = true;
    while (this.next !== null) {
      const vote = this.next;
      this.next = null;
      await this.cast(vote);
    }
    this.casts = false;
  }
}
