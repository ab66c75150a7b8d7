import { KEY_BYTES_MAX, KEY_BYTES_MIN } from '../../lib/knet-facts.ts';
import { systemReason } from '../environment.ts';
import { type KeyFile, KeyMaterial, keyFileExposure, NotAKeyFile } from '../key-material.ts';
import { CRYPTO_CIPHERS, CRYPTO_HASHES, KEY_FILE_DEFAULT } from '../options/totem.ts';
import type { CryptoConfig } from '../totem-config.ts';
import { followsNext } from './compatibility.ts';
import type { TotemContext } from './context.ts';
import { readText } from './settings.ts';

type Cipher = CryptoConfig['cipher'];
type Hash = CryptoConfig['hash'];

function oneOf<T extends string>(values: readonly T[], text: string | null, otherwise: T): T {
  return values.find((value) => value === text) ?? otherwise;
}

/** `aes-256-ctr` is `aes256-ctr`, `aes256-cbc` is `aes256`. */
function cipherOf(text: string | null, otherwise: Cipher): Cipher {
  const [, bits, mode] = /^aes-?(128|192|256)(?:-(ctr|cbc))?$/.exec(text ?? '') ?? [];
  if (bits === undefined || (text?.startsWith('aes-') && mode === undefined))
    return oneOf(CRYPTO_CIPHERS, text, otherwise);
  return `aes${bits as '128' | '192' | '256'}${mode === 'ctr' ? '-ctr' : ''}`;
}

/** Cipher and hash from `secauth` and the explicit keys, which win; `null` stands for a cipher without a hash. */
function readSuite(context: TotemContext): { readonly cipher: Cipher; readonly hash: Hash } {
  const { map } = context;
  const isNext = followsNext(map);
  const secure = (map.getString('totem.secauth') ?? (isNext ? 'on' : 'off')) === 'on';
  const cipher = cipherOf(map.getString('totem.crypto_cipher'), secure ? 'aes256' : 'none');
  const hash = oneOf<Hash>(CRYPTO_HASHES, map.getString('totem.crypto_hash'), secure ? 'sha256' : 'none');
  if (cipher !== 'none' && hash === 'none') {
    throw context.error('RONDO_CONFIG_CRYPTO', 'crypto_cipher requires crypto_hash with value other than none', {
      key: map.has('totem.crypto_cipher') ? 'totem.crypto_cipher' : 'totem.secauth',
      hint: 'Add crypto_hash: sha256',
    });
  }
  if (isNext && (cipher === 'none' || hash === 'none')) {
    throw context.error('RONDO_CONFIG_CRYPTO', 'corosync is compiled to require enabled encryption', {
      key:
        ['totem.crypto_cipher', 'totem.crypto_hash', 'totem.secauth'].find((key) => map.has(key)) ??
        'totem.crypto_hash',
      hint: 'Leave out crypto_cipher, crypto_hash and secauth, or write system.compatibility: 3.1',
    });
  }
  return { cipher, hash };
}

/**
 * Crypto settings; throws a ConfigError. The key is read only when crypto is on, as in stock, and goes into the context:
 * only its fingerprint is part of the settings.
 */
export async function readCrypto(context: TotemContext): Promise<CryptoConfig> {
  const { cipher, hash } = readSuite(context);
  const model = readText(context.map, 'totem', 'crypto_model');
  if (cipher === 'none' && hash === 'none') return { model, cipher, hash, keyFingerprint: '' };
  context.key = new KeyMaterial(await readKey(context));
  return { model, cipher, hash, keyFingerprint: context.key.fingerprint };
}

/** `keyfile`, else `key` with its terminating NUL, else the default file (knet.md 5.2). In memory of its own. */
async function readKey(context: TotemContext): Promise<Uint8Array> {
  const { map } = context;
  const file = map.getString('totem.keyfile');
  const inline = map.get('totem.key');
  if (file === null && inline !== undefined) return readInlineKey(context, inline.bytes);
  const path = file ?? KEY_FILE_DEFAULT;
  const key = file === null ? 'totem.crypto_hash' : 'totem.keyfile';
  let found: KeyFile;
  try {
    found = await context.environment.readKeyFile(path, KEY_BYTES_MAX);
  } catch (error) {
    const { text } = systemReason(error);
    const what = text === 'Is a directory' || error instanceof NotAKeyFile ? 'Could not read' : 'Could not open';
    throw context.error('RONDO_CONFIG_CRYPTO', `${what} ${path}: ${text}`, {
      key,
      hint: 'Make a key with corosync-keygen and copy it to every node',
    });
  }
  const { bytes } = found;
  if (bytes.length < KEY_BYTES_MIN) {
    bytes.fill(0);
    const text = `Could only read ${bytes.length * 8} bits of minimum ${KEY_BYTES_MIN * 8} bits from ${path}.`;
    throw context.error('RONDO_CONFIG_CRYPTO', text, { key, hint: 'Make a key with corosync-keygen' });
  }
  warnOfExposure(context, path, key, found);
  return bytes;
}

/** Stock takes any file. Whoever can write the key is in the ring, whoever can read it can listen to it. */
function warnOfExposure(context: TotemContext, path: string, key: string, file: KeyFile): void {
  const exposure = keyFileExposure(file, context.environment.ownUid());
  if (exposure === null) return;
  context.warnings.push({
    code: 'key-file-access',
    position: context.positions.get(key),
    key,
    message: `The key file ${path} is not safe: ${exposure}. The next release refuses it`,
    hint: `chown root:root ${path}; chmod 0400 ${path}`,
    stockMessage: null,
  });
}

function readInlineKey(context: TotemContext, bytes: Uint8Array): Uint8Array {
  if (bytes.length < KEY_BYTES_MIN) {
    throw context.error('RONDO_CONFIG_CRYPTO', 'key is too short', {
      key: 'totem.key',
      hint: `${KEY_BYTES_MIN - 1} characters or more are needed`,
    });
  }
  if (bytes.length > KEY_BYTES_MAX) {
    throw context.error('RONDO_CONFIG_CRYPTO', 'key is too long', { key: 'totem.key', hint: 'Use a keyfile' });
  }
  return bytes.slice(); // the map keeps its own, and wiping this one must not change it
}
