import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabNode } from './node.ts';
import { type Running, sleep } from './process.ts';
import { program } from './programs.ts';
import { commonLines, firstDifference, type GroupRecord, lostOrDamaged, parseRecord } from './records.ts';

let serial = 0;

/** Where a member runs: a node of the lab, or a host of another kind. */
export interface LoadHost {
  readonly plan: { readonly name: string };
  readonly space: {
    /** Of the records, as this process sees it. */
    readonly directory: string;
    /** The same directory, as the member sees it, when that is another path. */
    readonly inside?: string;
    start(command: string, args: readonly string[]): Running;
  };
}

/** A C program on libcpg that sends and records; one member of a process group. */
export class LoadMember<Host extends LoadHost = LabNode> {
  sent = 0;
  private marked = 0;
  private deliveredAtMark = 0;

  private constructor(
    readonly node: Host,
    readonly process: Running,
    readonly nodeId: number,
    readonly pid: number,
    private readonly recordFile: string,
  ) {}

  static async join<Host extends LoadHost>(node: Host, group = 'load', timeoutMs = 30_000): Promise<LoadMember<Host>> {
    const { directory, inside = directory } = node.space;
    const name = `record-${++serial}`;
    const recordFile = join(directory, name);
    const process = node.space.start(await program('cpgload'), [group, join(inside, name)]);
    const [, nodeId, pid] = await process.waitFor(/ready (\d+) (\d+)/, timeoutMs);
    return new LoadMember(node, process, Number(nodeId), Number(pid), recordFile);
  }

  get address(): string {
    return `${this.nodeId}:${this.pid}`;
  }

  /** Orders messages of `minBytes`..`maxBytes`, logarithmically distributed; does not wait. */
  send(count: number, minBytes: number, maxBytes: number, seed = 1): void {
    this.sent += count;
    this.process.write(`send ${count} ${minBytes} ${maxBytes} ${seed}\n`);
  }

  record(): GroupRecord {
    return parseRecord(readFileSync(this.recordFile, 'utf8'));
  }

  /** Remembers how far the record has come; for moments when nothing is under way. */
  mark(): void {
    const { lines } = this.record();
    this.marked = lines.length;
    this.deliveredAtMark = lines.filter((line) => line.startsWith('M ')).length;
  }

  /** What arrived since the mark, and how much of what this member was ordered to send has not come back to it. */
  async progress(): Promise<{ readonly sinceMark: number; readonly ownMissing: number }> {
    const { total, own } = await this.counts();
    return { sinceMark: total - this.deliveredAtMark, ownMissing: this.sent - own };
  }

  sinceMark(): GroupRecord {
    return { lines: this.record().lines.slice(this.marked) };
  }

  /** Waits until everything ordered has been handed to the daemon. */
  async allSent(timeoutMs = 120_000): Promise<void> {
    await this.process.waitFor(new RegExp(`^sent ${this.sent}$`, 'm'), timeoutMs);
  }

  /** Number of messages delivered to this member so far. */
  async delivered(): Promise<number> {
    return (await this.counts()).total;
  }

  private async counts(): Promise<{ readonly total: number; readonly own: number }> {
    const before = this.process.output.length;
    this.process.write('count\n');
    for (let tries = 0; tries < 200; tries++) {
      const match = /^delivered (\d+) own (\d+)$/m.exec(this.process.output.slice(before));
      if (match) return { total: Number(match[1]), own: Number(match[2]) };
      if (!this.process.alive) break;
      await sleep(25);
    }
    throw new Error(
      `${this.node.plan.name}: load member does not respond: ${this.process.output}${this.process.errors}`,
    );
  }

  async leave(): Promise<void> {
    this.process.write('quit\n');
    await this.process.exited;
  }
}

/** Waits until no member gets anything new and all have been given what they were ordered to send. */
export async function settle(members: readonly LoadMember<LoadHost>[], timeoutMs = 180_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  await Promise.all(members.map((member) => (member.sent > 0 ? member.allSent(timeoutMs) : null)));
  let last = '';
  let quiet = 0;
  for (;;) {
    const progress = await Promise.all(members.map((member) => member.progress()));
    const counts = progress.map(({ sinceMark }) => sinceMark);
    quiet = counts.join() === last ? quiet + 1 : 0;
    last = counts.join();
    const complete = new Set(counts).size === 1 && progress.every(({ ownMissing }) => ownMissing === 0);
    // Somebody may be behind: a quiet time of many seconds is needed to believe that it stays so.
    if (quiet >= (complete ? 3 : 100)) return;
    if (Date.now() > end) throw new Error(`messages do not settle: ${last}`);
    await sleep(150);
  }
}

/**
 * Compares what the members saw since their marks: same messages and changes in the same order. Returns complaints.
 *
 * Marks are set when all is quiet. Since the moment of a merge instead would not do: of a message that was cut in two
 * by the change of the ring, stock delivers the end to those that have its beginning, and to nobody else.
 */
export function compareSequences(members: readonly LoadMember<LoadHost>[]): string[] {
  const views = members.map((member) => commonLines(member.sinceMark()));
  return views.flatMap((view, at) => {
    const difference = firstDifference(views[0] ?? [], view, false);
    return difference === null
      ? []
      : [`${members[0]?.node.plan.name} and ${members[at]?.node.plan.name} differ: ${difference}`];
  });
}

/** Every message of every sender arrived once, whole and in order at every receiver. For members that never left, or since their marks. */
export function compareWithSent(members: readonly LoadMember<LoadHost>[], sinceMark = false): string[] {
  const records = members.map((member) => (sinceMark ? member.sinceMark() : member.record()));
  return members.flatMap((sender, from) =>
    members.flatMap((receiver, to) => {
      const [sent, got] = [records[from], records[to]];
      if (sent === undefined || got === undefined) return [];
      const problem = lostOrDamaged(sent, got, sender.nodeId, sender.pid);
      return problem === null ? [] : [`${receiver.node.plan.name}: ${problem}`];
    }),
  );
}
