import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findOption, OPTIONS, typeOfKey } from '../../src/config/options/index.ts';
import { optionsMarkdown } from '../../src/config/options/markdown.ts';

t.test('docs/configuration.md is what the option table says', async (t) => {
  const text = readFileSync(join(process.cwd(), 'docs/configuration.md'), 'utf8');
  t.equal(text, optionsMarkdown(), 'run: node scripts/write-configuration-docs.mjs');
});

t.test('the table is in order', async (t) => {
  const paths = OPTIONS.map(({ section, key }) => `${section}.${key}`);
  t.equal(new Set(paths).size, paths.length, 'no option twice');
  for (const option of OPTIONS) {
    t.match(option.doc, /\.$/, `${option.key}: a sentence`);
    t.ok(option.values === undefined || option.values.length > 0);
  }
  t.equal(findOption('nodelist.node', 'ring7_addr')?.key, 'ring<0-7>_addr');
  t.equal(findOption('nodelist.node', 'ring8_addr'), undefined);
  t.equal(findOption('quorum.device.heuristics', 'exec_ping')?.key, 'exec_<NAME>');
  t.equal(typeOfKey('resources.process.whatever', 'poll_period'), 'u64');
  t.equal(typeOfKey('elsewhere', 'poll_period'), 'str');
});
