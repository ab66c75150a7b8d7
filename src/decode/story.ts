import type { SeenFact } from './fact.ts';
import type { GroupMessage } from './group-messages.ts';
import { LinkStory } from './link-story.ts';
import { RingStory } from './ring-story.ts';
import { numbersText } from './totem-frame.ts';

/** A line of the story: what happened, from when to when, how often. */
export interface StoryEntry {
  /** Of the first packet. */
  readonly index: number;
  readonly timeMs: number;
  lastMs: number;
  count: number;
  readonly kind: string;
  readonly node: number;
  text: string;
}

const ENTRIES_MAX = 100_000;
/** The same again within this time is one entry. */
const RUN_MS = 1_000;
const RUNS_MAX = 4_096;
const NUMBERS_KEPT = 64;

interface Run {
  readonly entry: StoryEntry;
  readonly numbers: number[];
}

/**
 * Makes a story of facts: how the token went round, what was asked for again, how rings formed and ended, who stopped replying. What repeats
 * itself is one entry.
 */
export class Story {
  readonly entries: StoryEntry[] = [];
  /** Entries that were too many. */
  left = 0;
  private readonly runs = new Map<string, Run>();
  private readonly rings = new RingStory((fact, text) => this.add('ring', fact, text));
  private readonly links = new LinkStory((fact, text) => this.add('link', fact, text));

  take(fact: SeenFact): void {
    switch (fact.kind) {
      case 'token':
        this.token(fact);
        break;
      case 'message':
        this.message(fact);
        break;
      case 'ping':
      case 'pong':
      case 'pmtud':
      case 'pmtud-reply':
        this.links.take(fact);
        break;
      case 'join':
        this.join(fact);
        break;
      case 'merge-detect':
        // A ring says of itself again and again that it is there; another ring is news.
        this.repeat('merge-detect', fact, `${fact.node} ${String(fact.data['ring'])}`, fact.text);
        break;
      case 'silence': {
        const silent = fact.data['silent'] as readonly { readonly node: number }[];
        const who = silent.map(({ node }) => node).join(' ');
        this.repeat('silence', fact, `${fact.node} ${String(fact.data['ring'])} ${who}`, fact.text, true);
        break;
      }
      case 'hold-cancel':
      case 'sealed':
      case 'cut':
        break;
      default:
        this.repeat(fact.kind, fact, fact.text, fact.text);
    }
  }

  private token(fact: SeenFact): void {
    const again = this.rings.token(fact);
    if (again)
      this.numbers('token-again', fact, String(fact.data['ring']), [Number(fact.data['tokenSeq'])], (all) => {
        return `node ${fact.node} sends the token again, before a sign of the next node: ${all}`;
      });
    const missing = fact.data['missing'] as readonly number[];
    if (missing.length === 0) return;
    const ring = String(fact.data['ring']);
    this.numbers(
      'request',
      fact,
      `${ring}`,
      missing,
      (all) => `the token of node ${fact.node} asks for messages ${all} of ring ${ring}`,
    );
  }

  private message(fact: SeenFact): void {
    const { again, original } = this.rings.message(fact);
    const ring = String(fact.data['ring']);
    const seq = Number(fact.data['seq']);
    if (again) {
      this.numbers(
        'again',
        fact,
        `${ring} ${original}`,
        [seq],
        (all) => `sent again: messages ${all} of ring ${ring}, of node ${original} at first`,
      );
      return;
    }
    for (const message of fact.data['messages'] as readonly GroupMessage[])
      if (!message.payload && message.name !== 'continuation')
        this.repeat('service', fact, `${fact.node} ${message.text}`, `node ${fact.node}: ${message.text}`);
  }

  private join(fact: SeenFact): void {
    const sinceMs = this.rings.sinceTokenMs(fact.packet.timeMs);
    const since = sinceMs === null ? '' : ` (${Math.round(sinceMs)} ms after the last token)`;
    this.repeat('join', fact, fact.text, `${fact.text}${since}`);
  }

  private add(kind: string, { node, packet }: SeenFact, text: string): StoryEntry | null {
    if (this.entries.length >= ENTRIES_MAX) {
      this.left++;
      return null;
    }
    const { index, timeMs } = packet;
    const entry: StoryEntry = { index, timeMs, lastMs: timeMs, count: 1, kind, node, text };
    this.entries.push(entry);
    return entry;
  }

  /** The same of the same node within a second: one entry. */
  private repeat(kind: string, fact: SeenFact, key: string, text: string, latest = false): void {
    const run = this.run(kind, fact, key);
    if (run !== null) {
      if (latest) run.entry.text = text;
      return;
    }
    const entry = this.add(kind, fact, text);
    if (entry !== null) this.remember(`${kind} ${key}`, { entry, numbers: [] });
  }

  private numbers(
    kind: string,
    fact: SeenFact,
    key: string,
    more: readonly number[],
    text: (all: string) => string,
  ): void {
    const known = this.run(kind, fact, `${fact.node} ${key}`);
    const entry = known?.entry ?? this.add(kind, fact, '');
    if (entry === null) return;
    const run = known ?? { entry, numbers: [] };
    for (const number of more)
      if (run.numbers.length < NUMBERS_KEPT && !run.numbers.includes(number)) run.numbers.push(number);
    entry.text = text(numbersText(run.numbers));
    if (known === null) this.remember(`${kind} ${fact.node} ${key}`, run);
  }

  private run(kind: string, fact: SeenFact, key: string): Run | null {
    const run = this.runs.get(`${kind} ${key}`);
    const { timeMs } = fact.packet;
    if (run === undefined || timeMs - run.entry.lastMs > RUN_MS) return null;
    run.entry.lastMs = timeMs;
    run.entry.count++;
    return run;
  }

  private remember(key: string, run: Run): void {
    if (this.runs.size >= RUNS_MAX) this.runs.clear();
    this.runs.set(key, run);
  }

  /** What can only be said at the end. */
  finish(): { readonly rings: readonly string[]; readonly links: readonly string[] } {
    return { rings: this.rings.summary(), links: this.links.summary() };
  }
}
