import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { ROOT } from './host.ts';
import type { LabNode } from './node.ts';

const DIRECTORY = join(ROOT, 'docs/troubleshooting');
const FENCE = '```';

interface Shown {
  /** With its prompt, as the page has it. */
  readonly command: string;
  /** What its output must say, of a run and of the page. */
  readonly says: readonly RegExp[];
}

/**
 * What an operator asks and what comes back, for a page of docs/troubleshooting. `RONDO_TRANSCRIPT=1` writes the page. Otherwise the
 * committed one must have the same commands in the same order, and what is asserted of an output must be true of the one on the page: times,
 * identifiers and the timer that happened to be first differ from run to run, causes do not.
 */
export class Transcript {
  private readonly lines: string[] = [];
  private readonly shown: Shown[] = [];

  say(text: string): void {
    this.lines.push(text, '');
  }

  /** Runs `rondo ARGS` and keeps its output. */
  async run(node: LabNode, ...args: readonly string[]): Promise<string> {
    const { stdout, stderr } = await node.space.run(join(ROOT, 'bin/rondo'), args);
    this.show(node, args, stdout + stderr, []);
    return stdout + stderr;
  }

  /** Keeps the output of `rondo ARGS`, which must say something. */
  show(node: LabNode, args: readonly string[], output: string, says: readonly RegExp[]): void {
    const command = `${node.plan.name}# rondo ${args.map((arg) => (/\s/.test(arg) ? `'${arg}'` : arg)).join(' ')}`;
    this.shown.push({ command, says });
    this.lines.push(FENCE, command, output.trimEnd(), FENCE, '');
  }

  /** Writes the page, or compares the one that is there. */
  finish(t: Test, name: string, title: string): void {
    const file = join(DIRECTORY, name);
    if (process.env['RONDO_TRANSCRIPT'] !== undefined) {
      mkdirSync(DIRECTORY, { recursive: true });
      writeFileSync(file, `# ${title}\n\n${this.lines.join('\n').trimEnd()}\n`);
    }
    const page = blocksOf(readFileSync(file, 'utf8'));
    t.same(
      page.map(({ command }) => command),
      this.shown.map(({ command }) => command),
      `${name}: its commands are those of this test`,
    );
    for (const [at, { command, says }] of this.shown.entries())
      for (const pattern of says) t.match(page[at]?.output, pattern, `${name}: ${command}`);
  }
}

function blocksOf(page: string): readonly { readonly command: string; readonly output: string }[] {
  return page
    .split(FENCE)
    .filter((_, at) => at % 2 === 1)
    .map((block) => {
      const [command = '', ...output] = block.trim().split('\n');
      return { command, output: output.join('\n') };
    });
}
