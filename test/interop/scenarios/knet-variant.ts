import t from 'tap';
import { describe, skipReason } from '../lab/cases.ts';
import { block, type ClusterOptions } from '../lab/conf.ts';
import type { DaemonKind } from '../lab/node.ts';
import { Story } from './story.ts';

/** What a knet ring can wear: cipher and hash, links and their policy, compression, IP version. */
export interface Variant {
  readonly options: Omit<ClusterOptions, 'transport'>;
  /** How many messages each node sends, at most. */
  readonly countMax?: number;
  /** Most bytes of a message; default a million. */
  readonly maxBytes?: number;
}

/** Messages of each node: in the short selection, and in the many other combinations, where the dress is the point and not the load. */
const COUNT = 250;
const COUNT_RARE = 80;

const crypto = (cipher: string, hash: string): Variant['options'] => ({ crypto: { cipher, hash } });
const strong = crypto('aes256', 'sha256');
const compressed = (model: string): Variant['options'] => ({
  ...strong,
  totem: [`knet_compression_model: ${model}`, 'knet_compression_threshold: 200'],
});

/** What needs no cipher and hash of its own has one of the less common ones, so that a short selection has all of them. */
export const VARIANTS = {
  plain: { options: {} },
  'aes256 sha256': { options: strong },
  'aes256 md5': { options: crypto('aes256', 'md5') },
  'aes128 sha1': { options: crypto('aes128', 'sha1') },
  'aes128 sha256': { options: crypto('aes128', 'sha256') },
  'aes128 sha384': { options: crypto('aes128', 'sha384') },
  'aes192 md5': { options: crypto('aes192', 'md5') },
  'hash only': { options: crypto('none', 'sha256') },
  'openssl model': { options: { crypto: { cipher: 'aes256', hash: 'sha256', model: 'openssl' } } },
  'two links, passive, aes128 md5': { options: { ...crypto('aes128', 'md5'), links: 2, linkMode: 'passive' } },
  'two links, active, aes192 sha1': { options: { ...crypto('aes192', 'sha1'), links: 2, linkMode: 'active' } },
  'two links, rr, aes192 sha384': { options: { ...crypto('aes192', 'sha384'), links: 2, linkMode: 'rr' } },
  'IPv6, aes256 sha512': { options: { ...crypto('aes256', 'sha512'), family: 6 } },
  'jumbo frames': { options: { ...strong, mtu: 9000 } },
  zlib: { options: compressed('zlib') },
  lz4: { options: compressed('lz4') },
  lz4hc: { options: compressed('lz4hc') },
  lzo2: { options: compressed('lzo2') },
  // Stock takes tens of milliseconds to pack one frame with these.
  lzma: { options: compressed('lzma'), countMax: 100, maxBytes: 10_000 },
  bzip2: { options: compressed('bzip2'), countMax: 100, maxBytes: 10_000 },
  zstd: { options: compressed('zstd') },
} as const satisfies Readonly<Record<string, Variant>>;

export type VariantName = keyof typeof VARIANTS;
export const ALL_VARIANTS = Object.keys(VARIANTS) as readonly VariantName[];

/** The load takes all of two processors: a daemon may wait long for its turn. A token that is lost is still sent again once a second. */
const TOKEN_MS = 10_000;
const PATIENCE = 'token_retransmits_before_loss_const: 10';

/** A link is up after three PONGs; with the token of these rings alone that takes three seconds. */
const quickLinks = ({ links = 1 }: Variant['options']): readonly string[] =>
  Array.from({ length: links }, (_, link) =>
    block('interface', [`linknumber: ${link}`, 'knet_ping_interval: 400', 'knet_ping_timeout: 2000']),
  );

/** A ring in this dress: messages of 1 byte to 1 MB, the same sequence everywhere, nothing lost, no packet refused. */
export function ringTest(name: VariantName, kinds: readonly DaemonKind[], rare: boolean): void {
  const { options, countMax = COUNT, maxBytes = 1_000_000 }: Variant = VARIANTS[name];
  const count = Math.min(countMax, rare ? COUNT_RARE : COUNT);
  const title = `knet, ${name}, ${describe(kinds)}`;
  t.test(title, { skip: skipReason(kinds, rare, title) }, async (t) => {
    const totem = [PATIENCE, ...(options.totem ?? []), ...quickLinks(options)];
    const story = await Story.begin(t, { transport: 'knet', tokenMs: TOKEN_MS, ...options, totem }, kinds);
    await story.play(async ({ lab }) => {
      await story.joinAll();
      const rings = await story.rings();
      story.send(count, 1, maxBytes);
      await story.settleAndCompare('all together');
      story.compareWithSent('all together');
      if (!t.same(await story.rings(), rings, 'the ring did not change')) t.comment(lab.logs(40));
      for (const node of lab.nodes) {
        t.notMatch(
          node.log(),
          /Digest does not match|Unable to decrypt|authentication|Unable to decompress/i,
          `${node.plan.name}: no packet refused`,
        );
      }
    });
  });
}
