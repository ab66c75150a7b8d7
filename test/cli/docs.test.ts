import { readFileSync } from 'node:fs';
import t from 'tap';
import { COMMANDS } from '../../src/cli/commands/index.ts';
import { cliMarkdown } from '../../src/cli/markdown.ts';

t.test('docs/cli.md is what the commands say', async (t) => {
  const text = readFileSync('docs/cli.md', 'utf8');
  t.equal(text, cliMarkdown(COMMANDS), 'run: node scripts/write-docs.mjs');
});
