import { readFileSync } from 'node:fs';
import koffi from 'koffi';
import { assert } from '../lib/assert.ts';

/**
 * OpenSSL as it is inside of the node executable, which exports its symbols: nothing to install, the same version that
 * node:crypto uses, but contexts can be reused and no object is made per packet. All pointers are plain Numbers.
 *
 * Two sets: the EVP functions that every build has, and, on x86-64, the multi-block kernels that libssl uses for TLS
 * records: AES-CBC of eight buffers at once, SHA-1 and SHA-256 of eight buffers at once. The kernels are internal to
 * OpenSSL; whoever uses them checks their results first.
 */
const P = 'uintptr_t';

export interface EvpFunctions {
  readonly cipherContextNew: () => number;
  readonly cipherContextFree: (context: number) => void;
  /** The cipher of a key of so many bits. */
  readonly aes: (bits: number, mode: 'cbc' | 'ctr') => number;
  readonly cipherInit: (
    context: number,
    cipher: number,
    engine: number,
    key: number,
    iv: number,
    encrypt: number,
  ) => number;
  readonly cipherUpdate: (context: number, out: number, outLength: number, input: number, length: number) => number;
  readonly setPadding: (context: number, padding: number) => number;
  readonly hmacNew: () => number;
  readonly hmacFree: (context: number) => void;
  readonly hmacInit: (context: number, key: number, keyBytes: number, digest: number, engine: number) => number;
  readonly hmacUpdate: (context: number, data: number, length: number) => number;
  readonly hmacFinal: (context: number, out: number, outLength: number) => number;
  /** Digest methods by name; `null` where this build has none. */
  readonly digest: (name: 'md5' | 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512') => number;
}

export interface MultiBlockKernels {
  /** `AES_KEY` (244 bytes) from a key of `bits`. */
  readonly setEncryptKey: (key: number, bits: number, schedule: number) => number;
  readonly setDecryptKey: (key: number, bits: number, schedule: number) => number;
  /**
   * Descriptors of 40 bytes: source, destination, blocks, IV. `groups` 1: four of them, 2: eight. Lanes with no blocks
   * are idle.
   */
  readonly cbcEncrypt: (descriptors: number, schedule: number, groups: number) => void;
  readonly cbcDecrypt: (descriptors: number, schedule: number, groups: number) => void;
  /** State of eight lanes word by word, descriptors of 16 bytes: pointer, blocks. */
  readonly sha1: (state: number, descriptors: number, groups: number) => void;
  readonly sha256: (state: number, descriptors: number, groups: number) => void;
}

type Native = (...args: number[]) => number;

let executable: ReturnType<typeof koffi.load> | null = null;

/** A function of the executable, or null. */
function find(name: string, result: string, args: readonly string[]): Native | null {
  try {
    executable ??= koffi.load(null);
    const declared: unknown = executable.func(name, result, [...args]);
    return declared as Native;
  } catch {
    return null;
  }
}

/** All of `wanted`, or null when one is missing: a stripped or differently built node. */
function findAll<K extends string>(
  wanted: Readonly<Record<K, readonly [string, string, readonly string[]]>>,
): Readonly<Record<K, Native>> | null {
  const found: Partial<Record<K, Native>> = {};
  for (const key of Object.keys(wanted) as K[]) {
    const [name, result, args] = wanted[key];
    const native = find(name, result, args);
    if (native === null) return null;
    found[key] = native;
  }
  return found as Readonly<Record<K, Native>>;
}

/** The portable functions, or null when this executable does not export them (then only node:crypto is left). */
export function evpFunctions(): EvpFunctions | null {
  const base = findAll({
    cipherContextNew: ['EVP_CIPHER_CTX_new', P, []],
    cipherContextFree: ['EVP_CIPHER_CTX_free', 'void', [P]],
    'aes128-cbc': ['EVP_aes_128_cbc', P, []],
    'aes192-cbc': ['EVP_aes_192_cbc', P, []],
    'aes256-cbc': ['EVP_aes_256_cbc', P, []],
    'aes128-ctr': ['EVP_aes_128_ctr', P, []],
    'aes192-ctr': ['EVP_aes_192_ctr', P, []],
    'aes256-ctr': ['EVP_aes_256_ctr', P, []],
    cipherInit: ['EVP_CipherInit_ex', 'int', [P, P, P, P, P, 'int']],
    cipherUpdate: ['EVP_CipherUpdate', 'int', [P, P, P, P, 'int']],
    setPadding: ['EVP_CIPHER_CTX_set_padding', 'int', [P, 'int']],
    hmacNew: ['HMAC_CTX_new', P, []],
    hmacFree: ['HMAC_CTX_free', 'void', [P]],
    hmacInit: ['HMAC_Init_ex', 'int', [P, P, 'int', P, P]],
    hmacUpdate: ['HMAC_Update', 'int', [P, P, 'size_t']],
    hmacFinal: ['HMAC_Final', 'int', [P, P, P]],
    md5: ['EVP_md5', P, []],
    sha1: ['EVP_sha1', P, []],
    sha224: ['EVP_sha224', P, []],
    sha256: ['EVP_sha256', P, []],
    sha384: ['EVP_sha384', P, []],
    sha512: ['EVP_sha512', P, []],
  });
  if (base === null) return null;
  const ciphers: Readonly<Record<string, () => number>> = base;
  return {
    ...base,
    aes: (bits, mode) => {
      const cipher = ciphers[`aes${bits}-${mode}`];
      assert(cipher !== undefined, `AES has no keys of ${bits} bits`);
      return cipher();
    },
    digest: (name) => base[name](),
  };
}

/** The kernels, or null: another architecture, a CPU without the instructions, or a build without them. */
export function multiBlockKernels(): MultiBlockKernels | null {
  if (process.arch !== 'x64' || !cpuHas(['aes', 'ssse3', 'avx'])) return null;
  return findAll({
    setEncryptKey: ['aesni_set_encrypt_key', 'int', [P, 'int', P]],
    setDecryptKey: ['aesni_set_decrypt_key', 'int', [P, 'int', P]],
    cbcEncrypt: ['aesni_multi_cbc_encrypt', 'void', [P, P, 'int']],
    cbcDecrypt: ['aesni_multi_cbc_decrypt', 'void', [P, P, 'int']],
    sha1: ['sha1_multi_block', 'void', [P, P, 'int']],
    sha256: ['sha256_multi_block', 'void', [P, P, 'int']],
  });
}

function cpuHas(flags: readonly string[]): boolean {
  try {
    const line = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'latin1'))?.[1] ?? '';
    const present = new Set(line.trim().split(/\s+/));
    return flags.every((flag) => present.has(flag));
  } catch {
    return false;
  }
}
