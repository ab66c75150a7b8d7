import type { ReplicaMessage } from './messages.ts';

export type StateMessage = Extract<ReplicaMessage, { type: 'state' }>;

/**
 * The exchange of states: a `view` message names who takes part and begins it at the same place of the order for all, then everybody's
 * state is awaited. Whatever calls it into question begins another round; states of an earlier round are old and do not count.
 */
export class Exchange {
  /** The processes of the group by CPG, in the order of their nodes. */
  members: readonly string[] = [];
  view: string | null = null;
  round = 0;
  participants: string[] = [];
  readonly states = new Map<string, StateMessage>();
  /** The own state waits for what quorum reports of this ring. */
  awaitsQuorum = false;
  private serials = 0;

  /** The own name in the group; empty before there is one. */
  self = '';

  constructor(private readonly life: string) {}

  nextSerial(): string {
    return `${this.life}/${++this.serials}`;
  }

  forget(): void {
    this.view = null;
    this.awaitsQuorum = false;
    this.participants = [];
    this.states.clear();
  }

  /** `false`: the view is of another membership. */
  begin(from: string, serial: string, members: readonly string[]): boolean {
    if (!this.members.includes(from) || !members.every((member) => this.members.includes(member))) return false;
    this.view = serial;
    this.round = 0;
    this.participants = [...members];
    this.states.clear();
    this.awaitsQuorum = false;
    return true;
  }

  nextRound(): void {
    this.round++;
    this.states.clear();
    this.awaitsQuorum = false;
  }

  takesPart(member: string): boolean {
    return this.participants.includes(member);
  }

  /** `false`: it does not belong here. */
  note(from: string, state: StateMessage): boolean {
    if (state.view !== this.view || state.round !== this.round || !this.takesPart(from)) return false;
    this.states.set(from, state);
    return true;
  }

  evict(view: string, member: string): boolean {
    if (view !== this.view || !this.takesPart(member)) return false;
    this.participants = this.participants.filter((other) => other !== member);
    return true;
  }

  readmit(view: string, member: string): boolean {
    if (view !== this.view || this.takesPart(member) || !this.members.includes(member)) return false;
    this.participants = this.members.filter((other) => other === member || this.takesPart(other));
    return true;
  }

  /** Whose state is awaited. */
  missing(): string[] {
    if (this.view === null) return this.members.filter((member) => member !== this.self).slice(0, 1);
    return this.participants.filter((member) => !this.states.has(member));
  }

  /** Why the states that are there are not enough. */
  verdict(quorum: boolean): string {
    const states = [...this.states.values()];
    if (quorum && states.some(({ quorate }) => !quorate)) return 'a member is not quorate yet';
    const needed = Math.max(...states.map(({ nodesMin }) => nodesMin));
    return `fewer nodes than needed (${needed}) run it and have its state`;
  }
}
