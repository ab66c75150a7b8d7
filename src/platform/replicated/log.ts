import { type Base, chainOf, type Entry, type Sessions } from './messages.ts';

/** Lives whose last number is remembered: one that was away for longer than so many newer ones may see a command applied twice. */
const SESSIONS_MAX = 4096;

interface TailEntry {
  readonly entry: Entry;
  /** Hash of everything up to and including it. */
  readonly chain: number;
}

/** The agreed order as one member has it: what is applied, and behind it the tail of which it is not known yet that all have it. */
export class ReplicaLog {
  applied = 0;
  private appliedChain = 0;
  private tail: TailEntry[] = [];
  /** Last number of each life: applied, and with the tail. */
  private sessions = new Map<string, number>();
  private tailSessions = new Map<string, number>();

  get length(): number {
    return this.applied + this.tail.length;
  }

  get chain(): number {
    return this.tail.at(-1)?.chain ?? this.appliedChain;
  }

  /** The hash at a length; `null`: behind what is applied, or ahead of what is there. */
  chainAt(length: number): number | null {
    if (length === this.applied) return this.appliedChain;
    return this.tail[length - this.applied - 1]?.chain ?? null;
  }

  get entries(): readonly Entry[] {
    return this.tail.map(({ entry }) => entry);
  }

  /** The last number of a life that has a place, applied or not. */
  lastOf(life: string): number {
    return this.tailSessions.get(life) ?? this.sessions.get(life) ?? 0;
  }

  /** The last number of a life that is applied. */
  appliedOf(life: string): number {
    return this.sessions.get(life) ?? 0;
  }

  /** The last number of each life that has a place, applied or not. */
  lastOfAll(): Sessions {
    return [...new Map([...this.sessions, ...this.tailSessions])];
  }

  /** `false`: it has its place already. What a state has that is merged here gets no other place. */
  append(entry: Entry): boolean {
    if (entry.seq <= this.lastOf(entry.from)) return false;
    this.tail.push({ entry, chain: chainOf(this.chain, entry) });
    this.tailSessions.set(entry.from, entry.seq);
    for (const [life, seq] of entry.sessions ?? []) if (seq > this.lastOf(life)) this.tailSessions.set(life, seq);
    return true;
  }

  /** The first entry of the tail becomes part of what is applied. */
  advance(): Entry | null {
    const first = this.tail.shift();
    if (first === undefined) return null;
    const { entry, chain } = first;
    this.applied++;
    this.appliedChain = chain;
    for (const [life, seq] of entry.sessions ?? []) if (seq > this.appliedOf(life)) this.noteApplied(life, seq);
    this.noteApplied(entry.from, entry.seq);
    return entry;
  }

  private noteApplied(life: string, seq: number): void {
    this.sessions.delete(life); // the newest last
    this.sessions.set(life, seq);
    if (this.tailSessions.get(life) === seq) this.tailSessions.delete(life);
    if (this.sessions.size > SESSIONS_MAX) this.sessions.delete(this.sessions.keys().next().value as string);
  }

  base(): Omit<Base, 'epoch' | 'snapshot'> {
    return { applied: this.applied, chain: this.appliedChain, sessions: [...this.sessions], tail: this.entries };
  }

  /**
   * Takes the order of another member, which has applied less than this one: what is applied here stays, when it is the beginning of that
   * order. `false`: it is not, and nothing changed.
   */
  adopt(base: Base): boolean {
    const count = this.applied - base.applied;
    if (count < 0 || count > base.tail.length) return false;
    const chain = base.tail.slice(0, count).reduce(chainOf, base.chain);
    if (chain !== this.appliedChain) return false;
    this.tail = [];
    this.tailSessions = new Map();
    for (const entry of base.tail.slice(count)) this.append(entry);
    return true;
  }

  replace(base: Base): void {
    this.applied = base.applied;
    this.appliedChain = base.chain;
    this.sessions = new Map(base.sessions);
    this.tailSessions = new Map();
    this.tail = [];
    for (const entry of base.tail) this.append(entry);
  }
}
