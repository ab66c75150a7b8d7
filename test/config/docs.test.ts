import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { READ_ONLY_KEYS_VOTEQUORUM } from '../../src/config/icmap/access.ts';
import { Icmap } from '../../src/config/icmap/index.ts';
import { findOption, OPTIONS, typeOfKey } from '../../src/config/options/index.ts';
import { optionsMarkdown } from '../../src/config/options/markdown.ts';
import { PROGRAM_LISTS } from '../../src/services/quorum/providers.ts';

t.test('docs/configuration.md is what the option table says', async (t) => {
  const text = readFileSync(join(process.cwd(), 'docs/configuration.md'), 'utf8');
  t.equal(text, optionsMarkdown(PROGRAM_LISTS), 'run: node scripts/write-docs.mjs');
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

t.test('what the table says about writing a key is what the map does', async (t) => {
  const map = Icmap.withStockAccess();
  for (const key of READ_ONLY_KEYS_VOTEQUORUM) map.setReadOnly(key, { prefix: false, readOnly: true });
  const places: Readonly<Record<string, string>> = {
    'totem.interface': 'totem.interface.0',
    'nodelist.node': 'nodelist.node.0',
    'logging.logger_subsys': 'logging.logger_subsys.TOTEM',
    'logging.logging_daemon': 'logging.logging_daemon.x',
    uidgid: 'uidgid.config',
  };
  for (const { section, key, cmap } of OPTIONS) {
    const path = `${places[section] ?? section}.${key.replace('<0-7>', '0').replace('<NAME>', 'x')}`;
    const stored = section === 'uidgid' ? `${path}.77` : path;
    t.equal(map.isReadOnly(stored), cmap === 'refused', stored);
  }
});
