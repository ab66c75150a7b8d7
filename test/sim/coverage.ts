/** A cell of the table: what state a core was in, what came to it, and the last fault before that. */
export const CELL = (state: string, event: string, fault: string): string => `${state}|${event}|${fault}`;

export const STATES = ['operational', 'gather', 'commit', 'recovery'] as const;

/** How often each cell was visited. */
export class Coverage {
  readonly cells = new Map<string, number>();

  note(state: string, event: string, fault: string): void {
    const cell = CELL(state, event, fault);
    this.cells.set(cell, (this.cells.get(cell) ?? 0) + 1);
  }

  merge(cells: Iterable<readonly [string, number]>): void {
    for (const [cell, count] of cells) this.cells.set(cell, (this.cells.get(cell) ?? 0) + count);
  }

  private names(part: 1 | 2): string[] {
    return [...new Set([...this.cells.keys()].map((cell) => cell.split('|')[part]!))].sort();
  }

  /** Cells that were never visited, of the states, events and faults that were. */
  get empty(): string[] {
    const events = this.names(1);
    const faults = this.names(2);
    return STATES.flatMap((state) =>
      events.flatMap((event) =>
        faults.map((fault) => CELL(state, event, fault)).filter((cell) => !this.cells.has(cell)),
      ),
    );
  }

  /** Markdown: a row for each event, a column for each state; in a cell the visits, and the faults that it was not visited after. */
  table(): string {
    const faults = this.names(2);
    const rows = this.names(1).map((event) => {
      const columns = STATES.map((state) => {
        let visits = 0;
        const missing: string[] = [];
        for (const fault of faults) {
          const count = this.cells.get(CELL(state, event, fault)) ?? 0;
          visits += count;
          if (count === 0) missing.push(fault);
        }
        if (visits === 0) return '–';
        return missing.length === 0 ? `${visits}` : `${visits} (not after ${missing.join(', ')})`;
      });
      return `| ${event} | ${columns.join(' | ')} |`;
    });
    return [`| event | ${STATES.join(' | ')} |`, `|---|${'---|'.repeat(STATES.length)}`, ...rows].join('\n');
  }
}
