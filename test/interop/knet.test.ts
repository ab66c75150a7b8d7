import t from 'tap';
import { describe, mixtures, skipReason } from './lab/cases.ts';
import type { ClusterOptions } from './lab/conf.ts';
import { Story } from './scenarios/story.ts';

/** Rings of ours and stock over knet in every dress: thousands of messages of 1 byte to 1 MB in one order. */
interface Dress {
  readonly name: string;
  readonly options: Omit<ClusterOptions, 'transport'>;
  /** Only in the full programme. */
  readonly rare?: boolean;
}

const crypto = (cipher: string, hash: string) => ({ crypto: { cipher, hash } });
const strong = crypto('aes256', 'sha256');
const compression = (model: string) => ({
  totem: [`knet_compression_model: ${model}`, 'knet_compression_threshold: 200'],
});

const dresses: readonly Dress[] = [
  { name: 'plain', options: {} },
  { name: 'aes256 sha256', options: strong },
  { name: 'aes128 sha1', options: crypto('aes128', 'sha1'), rare: true },
  { name: 'aes192 sha384', options: crypto('aes192', 'sha384'), rare: true },
  { name: 'aes128 md5', options: crypto('aes128', 'md5'), rare: true },
  { name: 'aes256 sha512', options: crypto('aes256', 'sha512'), rare: true },
  { name: 'hash only', options: crypto('none', 'sha256') },
  { name: 'two links, passive', options: { ...strong, links: 2, linkMode: 'passive' } },
  { name: 'two links, active', options: { ...strong, links: 2, linkMode: 'active' } },
  { name: 'two links, rr', options: { ...strong, links: 2, linkMode: 'rr' } },
  { name: 'zlib', options: { ...strong, ...compression('zlib') }, rare: true },
  { name: 'lz4', options: { ...strong, ...compression('lz4') } },
  { name: 'zstd', options: { ...strong, ...compression('zstd') }, rare: true },
  { name: 'IPv6', options: { ...strong, family: 6 } },
  { name: 'jumbo frames', options: { ...strong, mtu: 9000 }, rare: true },
  { name: 'openssl', options: { crypto: { cipher: 'aes256', hash: 'sha256', model: 'openssl' } }, rare: true },
];

for (const [at, kinds] of mixtures([
  ['ours', 'stock', 'stock'],
  ['ours', 'ours', 'stock'],
]).entries()) {
  for (const { name, options, rare } of dresses) {
    t.test(`${name}, ${describe(kinds)}`, { skip: skipReason(kinds, rare || at > 0) }, async (t) => {
      const story = await Story.begin(t, { transport: 'knet', ...options }, kinds);
      await story.tell(async ({ lab }) => {
        await story.joinAll();
        const rings = await story.rings();
        story.send(350);
        await story.settleAndCompare('all together');
        story.compareWithSent('all together');
        t.same(await story.rings(), rings, 'the ring did not change');
        for (const node of lab.nodes) {
          t.notMatch(
            node.log(),
            /Digest does not match|Unable to decrypt|authentication/i,
            `${node.plan.name}: no packet refused`,
          );
        }
      });
    });
  }
}
