import { readFileSync } from 'node:fs';
import t from 'tap';
import { COMMANDS } from '../../src/cli/commands/index.ts';
import { manualPage } from '../../src/cli/manual.ts';
import { cliMarkdown } from '../../src/cli/markdown.ts';

t.test('docs/cli.md is what the commands say', async (t) => {
  const text = readFileSync('docs/cli.md', 'utf8');
  t.equal(text, cliMarkdown(COMMANDS), 'run: node scripts/write-docs.mjs');
});

t.test('man/rondo.1 is what the commands say', async (t) => {
  t.equal(readFileSync('man/rondo.1', 'utf8'), manualPage(COMMANDS), 'run: node scripts/write-docs.mjs');
});
