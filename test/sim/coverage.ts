import { whyUnreachable } from './reachable.ts';

/** A cell of the table: what state a core was in, what came to it, and the last fault before that. */
export const CELL = (state: string, event: string, fault: string): string => `${state}|${event}|${fault}`;

export const STATES = ['operational', 'gather', 'commit', 'recovery'] as const;
const STATE_INDEX: Readonly<Record<string, number>> = Object.fromEntries(STATES.map((state, at) => [state, at]));

/** How often each cell was visited. */
export class Coverage {
  readonly cells = new Map<string, number>();
  /** Fault, event, visits by state: strings made for each event of a campaign would cost more than its cores. */
  private readonly counts = new Map<string, Map<string, number[]>>();
  private lastFault = '';
  private ofLastFault = new Map<string, number[]>();

  note(state: string, event: string, fault: string): void {
    if (fault !== this.lastFault) this.enterFault(fault);
    let counts = this.ofLastFault.get(event);
    if (counts === undefined) {
      counts = STATES.map(() => 0);
      this.ofLastFault.set(event, counts);
    }
    const index = STATE_INDEX[state] ?? 0;
    counts[index] = counts[index]! + 1;
  }

  private enterFault(fault: string): void {
    this.lastFault = fault;
    this.ofLastFault = this.counts.get(fault) ?? new Map();
    this.counts.set(fault, this.ofLastFault);
  }

  /** Takes what was noted into `cells`. */
  close(): this {
    for (const [fault, events] of this.counts)
      for (const [event, counts] of events)
        this.merge(STATES.map((state, at) => [CELL(state, event, fault), counts[at]!] as const));
    this.counts.clear();
    this.lastFault = '';
    return this;
  }

  merge(cells: Iterable<readonly [string, number]>): void {
    for (const [cell, count] of cells) if (count > 0) this.cells.set(cell, (this.cells.get(cell) ?? 0) + count);
  }

  private names(part: 1 | 2): string[] {
    return [...new Set([...this.cells.keys()].map((cell) => cell.split('|')[part]!))].sort();
  }

  /** All cells of the states, events and faults that were seen, with what was claimed about them. */
  private judged(): { readonly cell: string; readonly visits: number; readonly claim: string | null }[] {
    const events = this.names(1);
    const faults = this.names(2);
    return STATES.flatMap((state) =>
      events.flatMap((event) =>
        faults.map((fault) => {
          const cell = CELL(state, event, fault);
          return { cell, visits: this.cells.get(cell) ?? 0, claim: whyUnreachable(state, event, fault) };
        }),
      ),
    );
  }

  /** Cells that were never visited, and nothing says that they cannot be. */
  get missing(): string[] {
    return this.judged().flatMap(({ cell, visits, claim }) => (visits === 0 && claim === null ? [cell] : []));
  }

  /** Cells that cannot be visited, as claimed, and were not. */
  get unreachable(): string[] {
    return this.judged().flatMap(({ cell, visits, claim }) => (visits === 0 && claim !== null ? [cell] : []));
  }

  /** Cells that were visited although they cannot be: the claim is wrong, or the core is. */
  get impossible(): string[] {
    return this.judged().flatMap(({ cell, visits, claim }) =>
      visits > 0 && claim !== null ? [`${cell}: ${claim}`] : [],
    );
  }

  get summary(): string {
    const { missing, unreachable, impossible } = this;
    const parts = [`${this.cells.size} cells of state, event and last fault visited`];
    parts.push(`${unreachable.length} cannot be, by rule`, `${missing.length} were not`);
    if (impossible.length > 0) parts.push(`AGAINST THE RULE: ${impossible.join('; ')}`);
    return parts.join(', ');
  }

  /** Markdown: a row for each event, a column for each state; in a cell the visits, and the faults that it was not visited after. */
  table(): string {
    const faults = this.names(2);
    const rows = this.names(1).map((event) => {
      const columns = STATES.map((state) => {
        let visits = 0;
        const missing: string[] = [];
        const claims = new Set<string>();
        for (const fault of faults) {
          const count = this.cells.get(CELL(state, event, fault)) ?? 0;
          visits += count;
          const claim = whyUnreachable(state, event, fault);
          if (count === 0 && claim === null) missing.push(fault);
          else if (count === 0 && claim !== null) claims.add(claim);
        }
        if (visits === 0 && missing.length === 0) return `– (${[...claims].join('; ')})`;
        const not = missing.length === 0 ? '' : ` (not after ${missing.join(', ')})`;
        return `${visits}${not}`;
      });
      return `| ${event} | ${columns.join(' | ')} |`;
    });
    return [`| event | ${STATES.join(' | ')} |`, `|---|${'---|'.repeat(STATES.length)}`, ...rows].join('\n');
  }
}
