import { readFileSync } from 'node:fs';
import t from 'tap';
import { COMMANDS } from '../../src/cli/commands/index.ts';
import { manualPage } from '../../src/cli/manual.ts';
import { cliMarkdown } from '../../src/cli/markdown.ts';

t.test('docs/cli.md is what the commands say', async (t) => {
  const text = readFileSync('docs/cli.md', 'utf8');
  t.equal(text, cliMarkdown(COMMANDS), 'run: node scripts/write-docs.mjs');
});

t.test('docs/cli.md says what the JSON of every command is', async (t) => {
  const table = readFileSync('docs/cli.md', 'utf8').split('\n## JSON\n')[1] ?? '';
  const said = new Set(
    [...table.matchAll(/^\| (.*?) \|/gm)]
      .flatMap(([, cell = '']) => [...cell.matchAll(/`([a-z -]+)`/g)])
      .map(([, words]) => words),
  );
  const without = ['completion', 'quorum status'];
  t.same(
    COMMANDS.map(({ words }) => words).filter((words) => !without.includes(words) && !said.has(words)),
    [],
  );
});

t.test('man/rondo.1 is what the commands say', async (t) => {
  t.equal(readFileSync('man/rondo.1', 'utf8'), manualPage(COMMANDS), 'run: node scripts/write-docs.mjs');
});
