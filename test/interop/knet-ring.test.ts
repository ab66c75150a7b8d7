import t from 'tap';
import { describe, skipReason } from './lab/cases.ts';
import type { ClusterOptions } from './lab/conf.ts';
import type { DaemonKind } from './lab/node.ts';
import { Story } from './scenarios/story.ts';

/** Rings of ours and stock over knet: plain and encrypted, one and two links, every policy, compressed, IPv6. */
interface Case {
  readonly name: string;
  readonly options: Partial<ClusterOptions>;
  readonly rare?: boolean;
  /** Most bytes of a message; stock takes tens of milliseconds to pack one frame with lzma. */
  readonly maxBytes?: number;
}

const MIXTURES: readonly (readonly DaemonKind[])[] = [
  ['ours', 'stock', 'stock'],
  ['ours', 'ours', 'stock'],
  ['ours', 'ours', 'ours'],
];
const ENCRYPTED = { cipher: 'aes256', hash: 'sha256' } as const;

const compressed = (model: string): Case => ({
  name: `compressed with ${model}`,
  options: { totem: [`knet_compression_model: ${model}`], crypto: ENCRYPTED },
  rare: model === 'lz4hc' || model === 'bzip2',
  ...(model === 'lzma' || model === 'bzip2' ? { maxBytes: 10_000 } : {}),
});

const cases: readonly Case[] = [
  { name: 'plain', options: {} },
  { name: 'encrypted', options: { crypto: ENCRYPTED } },
  { name: 'encrypted, two links, passive', options: { links: 2, linkMode: 'passive', crypto: ENCRYPTED }, rare: true },
  { name: 'encrypted, two links, active', options: { links: 2, linkMode: 'active', crypto: ENCRYPTED } },
  { name: 'encrypted, two links, rr', options: { links: 2, linkMode: 'rr', crypto: ENCRYPTED } },
  { name: 'IPv6', options: { family: 6, crypto: ENCRYPTED }, rare: true },
  ...(['aes128 md5', 'aes192 sha1', 'aes192 sha384', 'aes256 sha512', 'none sha256'] as const).map((pair): Case => {
    const [cipher = '', hash = ''] = pair.split(' ');
    return { name: pair, options: { crypto: { cipher, hash } }, rare: pair !== 'aes192 sha384' };
  }),
  ...['zlib', 'lz4', 'lz4hc', 'lzo2', 'lzma', 'bzip2', 'zstd'].map(compressed),
];

for (const kinds of MIXTURES) {
  for (const { name, options, rare = false, maxBytes } of cases) {
    const brief =
      !rare &&
      (kinds.includes('stock') || name === 'encrypted') &&
      !(name.includes('compressed') && kinds[1] === 'ours');
    t.test(`knet, ${name}, ${describe(kinds)}`, { skip: skipReason(kinds, !brief) }, async (t) => {
      const story = await Story.begin(t, { transport: 'knet', tokenMs: 4_000, ...options }, kinds);
      await story.tell(async () => {
        await story.joinAll();
        story.send(maxBytes === undefined ? 600 : 100, 1, maxBytes);
        await story.settleAndCompare('all together');
        story.compareWithSent('all together');
      });
    });
  }
}
