import { mixtures } from './lab/cases.ts';
import { ALL_VARIANTS, ringTest, type VariantName } from './scenarios/knet-variant.ts';

/** Rings of ours and stock over knet in every dress: thousands of messages of 1 byte to 1 MB in one order. */
const BRIEF: readonly (readonly VariantName[])[] = [
  [
    'plain',
    'aes256 sha256',
    'hash only',
    'two links, passive, aes128 md5',
    'two links, active, aes192 sha1',
    'two links, rr, aes192 sha384',
    'IPv6, aes256 sha512',
    'zlib',
    'lz4',
    'lzo2',
    'lzma',
    'zstd',
  ],
  ['plain', 'aes256 sha256', 'two links, rr, aes192 sha384'],
  ['aes256 sha256'],
];

for (const [at, kinds] of mixtures([
  ['ours', 'stock', 'stock'],
  ['ours', 'ours', 'stock'],
  ['ours', 'ours', 'ours'],
]).entries()) {
  for (const name of ALL_VARIANTS) ringTest(name, kinds, !BRIEF[at]?.includes(name));
}
