import { type Profiler, Session } from 'node:inspector';

interface Block {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly number: number;
}

/**
 * Which blocks of the sources ran, by V8's own counters: the inspector of this very process, without a port. Must begin before the
 * modules under test are imported, or their functions have no counters of blocks.
 */
export class V8Coverage {
  private readonly session = new Session();
  private readonly numbers = new Map<string, number>();
  /** By function: the blocks that it was ever shown to have. */
  private readonly blocks = new Map<string, Map<string, Block>>();

  /** Counts only scripts whose address contains `place`. */
  constructor(private readonly place = '/dist/src/') {
    this.session.connect();
    this.session.post('Profiler.enable');
    this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Numbers of the blocks that ran since the last time, and starts anew. Costs milliseconds, however little ran. */
  take(): number[] {
    const ran: number[] = [];
    for (const { scriptId, url, functions } of this.result()) {
      if (!url.includes(this.place)) continue;
      for (const { ranges } of functions) this.addBlocks(ran, scriptId, ranges);
    }
    return ran;
  }

  /**
   * V8 joins a block with the one around it when both ran equally often, and shows it when they did not: so each block that was ever shown is looked up
   * in what is shown now. Ranges come from the outside to the inside, the last one that contains a block has its count.
   */
  private addBlocks(ran: number[], scriptId: string, ranges: readonly Profiler.CoverageRange[]): void {
    const [whole] = ranges;
    if (whole === undefined || whole.count === 0) return;
    const name = `${scriptId}:${whole.startOffset}:${whole.endOffset}`;
    let blocks = this.blocks.get(name);
    if (blocks === undefined) {
      blocks = new Map();
      this.blocks.set(name, blocks);
    }
    for (const { startOffset, endOffset } of ranges) {
      const key = `${startOffset}:${endOffset}`;
      if (!blocks.has(key)) blocks.set(key, { startOffset, endOffset, number: this.number(`${scriptId}:${key}`) });
    }
    for (const { startOffset, endOffset, number } of blocks.values()) {
      const around = ranges.findLast((range) => range.startOffset <= startOffset && range.endOffset >= endOffset);
      if (around !== undefined && around.count > 0) ran.push(number);
    }
  }

  /** The number of anything else that counts as new when it is seen for the first time. */
  number(name: string): number {
    let number = this.numbers.get(name);
    if (number === undefined) {
      number = this.numbers.size;
      this.numbers.set(name, number);
    }
    return number;
  }

  close(): void {
    this.session.disconnect();
  }

  /** With the session of the same thread the response is there when `post` returns. */
  private result(): readonly Profiler.ScriptCoverage[] {
    let found: readonly Profiler.ScriptCoverage[] = [];
    this.session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
      found = result;
    });
    return found;
  }
}
