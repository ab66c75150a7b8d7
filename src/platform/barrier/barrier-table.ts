export type BarrierCommand =
  /** Waits for `parties`; `breaks`: a party that dies breaks the round. */
  | { readonly op: 'arrive'; readonly request: string; readonly parties: number; readonly breaks: boolean }
  | { readonly op: 'leave'; readonly request: string };

/** How a round ended for one party: its number, and its place of arrival from 0; -1: the round broke. */
export type BarrierPassage = readonly [number, number];

interface Party {
  readonly life: string;
  readonly request: string;
}

interface SavedBarrier {
  readonly round: number;
  readonly parties: number;
  readonly breaks: boolean;
  readonly waiting: readonly Party[];
  readonly passed: readonly (readonly [string, BarrierPassage])[];
}

/** Passages that are remembered for parties that were away: the oldest are forgotten. */
const PASSED_MAX = 4096;

/** Who waits at a barrier: what every member has. Pure. */
export class BarrierTable {
  private round = 1;
  private parties = 0;
  private breaks = false;
  private waiting: Party[] = [];
  private passed = new Map<string, BarrierPassage>();

  /** `false`: this round is one of another number of parties. */
  apply(command: BarrierCommand, life: string): boolean {
    const { request } = command;
    if (command.op === 'leave') {
      this.waiting = this.waiting.filter((party) => party.request !== request);
      return true;
    }
    if (this.has(request) || this.passed.has(request)) return true;
    if (this.waiting.length > 0 && command.parties !== this.parties) return false;
    ({ parties: this.parties, breaks: this.breaks } = command);
    this.waiting.push({ life, request });
    if (this.waiting.length >= this.parties) this.finish((at) => at);
    return true;
  }

  /** A party that is no member any more has not arrived. */
  members(lives: ReadonlySet<string>): void {
    const stay = this.waiting.filter(({ life }) => lives.has(life));
    if (stay.length === this.waiting.length) return;
    if (this.breaks) this.finish(() => -1);
    else this.waiting = stay;
  }

  has(request: string): boolean {
    return this.waiting.some((party) => party.request === request);
  }

  passage(request: string): BarrierPassage | null {
    return this.passed.get(request) ?? null;
  }

  get arrived(): number {
    return this.waiting.length;
  }

  save(): SavedBarrier {
    const { round, parties, breaks, waiting } = this;
    return { round, parties, breaks, waiting, passed: [...this.passed] };
  }

  load(saved: unknown): void {
    const { passed, ...rest } = saved as SavedBarrier;
    this.passed = new Map(passed);
    ({ round: this.round, parties: this.parties, breaks: this.breaks } = rest);
    this.waiting = [...rest.waiting];
  }

  private finish(place: (at: number) => number): void {
    this.waiting.forEach(({ request }, at) => {
      this.passed.set(request, [this.round, place(at)]);
    });
    while (this.passed.size > PASSED_MAX) this.passed.delete(this.passed.keys().next().value as string);
    this.round++;
    this.waiting = [];
  }
}
