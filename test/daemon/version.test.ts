import { spawnSync } from 'node:child_process';
import t from 'tap';
import { versionText } from '../../src/daemon/version.ts';

const wordsOf = (text: string, line: string): readonly string[] =>
  new RegExp(`^${line}: (.*)$`, 'm').exec(text)?.[1]?.split(' ').sort() ?? [];

t.test('-v says what is spoken and what can be configured', async (t) => {
  const text = versionText();
  t.match(text.split('\n', 1)[0], /^Corosync Cluster Engine, version '\d+\.\d+\.\d+'$/);
  t.ok(['none', 'aes256', 'aes256-ctr'].every((cipher) => wordsOf(text, 'Available crypto ciphers').includes(cipher)));
  t.ok(wordsOf(text, 'Available crypto hashes').includes('sha512'));
});

const stock = spawnSync('/usr/sbin/corosync', ['-v'], { encoding: 'utf8' }).stdout ?? '';
t.test(
  'the features and models of stock, but for how its binary was linked',
  { skip: stock.includes('Copyright') ? false : 'no stock corosync' },
  async (t) => {
    const text = versionText();
    const linking = new Set(['pie', 'relro', 'bindnow']);
    const features = wordsOf(stock, 'Built-in features').filter((feature) => !linking.has(feature));
    t.same(wordsOf(text, 'Built-in features'), features);
    t.same(wordsOf(text, 'Available crypto models'), wordsOf(stock, 'Available crypto models'));
    const models = wordsOf(text, 'Available compression models'); // those whose libraries are here
    const all = wordsOf(stock, 'Available compression models');
    t.ok(models.length > 0 && models.every((model) => all.includes(model)), models.join(' '));
  },
);
