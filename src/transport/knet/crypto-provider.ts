import { createHash, randomFillSync } from 'node:crypto';
import {
  CIPHER_KEY_BYTES,
  type CipherMode,
  type CipherName,
  type CryptoProvider,
  type CryptoSuite,
  cipherMode,
  DIGEST_BYTES,
  type HashName,
} from '../../knet/crypto.ts';
import { RondoError } from '../../lib/errors.ts';
import type { FrameMemory } from '../../lib/frame-memory.ts';
import { KEY_BYTES_MAX, KEY_BYTES_MIN } from '../../lib/knet-facts.ts';
import type { Arena } from '../../os/arena.ts';
import { type EvpFunctions, evpFunctions, type MultiBlockKernels, multiBlockKernels } from '../../os/openssl.ts';
import type { CipherEngine, MacEngine } from './crypto-engine.ts';
import { Suite } from './crypto-suite.ts';
import { EvpCipher, EvpMac } from './evp-engines.ts';
import { MultiBlockCipher } from './multi-block-cipher.ts';
import { type MultiBlockHash, MultiBlockMac } from './multi-block-mac.ts';
import { NodeCipher, NodeMac } from './node-engines.ts';
import { engineAgrees } from './self-test.ts';

export type EngineName = 'multi-block' | 'openssl' | 'node:crypto';

export interface OpensslProviderOptions {
  /** Fills with unpredictable bytes; tests put known ones. */
  readonly random?: (bytes: Uint8Array) => void;
  /** The best engine to use; by default the fastest that this machine has and that computes correctly. */
  readonly best?: EngineName;
}

const SHA_BLOCK_BYTES = 64;
const MULTI_BLOCK_HASHES: readonly HashName[] = ['sha1', 'sha224', 'sha256'];

/**
 * Crypto on Node's own OpenSSL. Every engine is checked against node:crypto before its first use; one that is missing
 * or disagrees is left out, and `CryptoSuite.engine` says what is used instead.
 */
export class OpensslProvider implements CryptoProvider {
  readonly memory: FrameMemory;
  private readonly evp: EvpFunctions | null;
  private readonly kernels: MultiBlockKernels | null;
  private readonly random: (bytes: Uint8Array) => void;

  constructor(
    private readonly packets: Arena,
    options: OpensslProviderOptions = {},
  ) {
    this.memory = { bytes: packets.u8, view: packets.data };
    this.random = options.random ?? ((bytes) => randomFillSync(bytes));
    const best = options.best ?? 'multi-block';
    this.evp = best === 'node:crypto' ? null : evpFunctions();
    this.kernels = best === 'multi-block' ? checkedKernels() : null;
  }

  load(cipher: CipherName, hash: HashName, key: Uint8Array): CryptoSuite {
    if (hash === 'none') {
      throw new RondoError('RONDO_KNET_CRYPTO', 'a cipher needs a hash', 'Set totem.crypto_hash, for example sha256');
    }
    if (key.length < KEY_BYTES_MIN || key.length > KEY_BYTES_MAX) {
      throw new RondoError(
        'RONDO_KNET_KEY',
        `a key of ${key.length} bytes`,
        `Keys have ${KEY_BYTES_MIN} to ${KEY_BYTES_MAX} bytes`,
      );
    }
    return new Suite(
      `${cipher}/${hash}`,
      this.packets,
      cipher === 'none' ? null : this.cipherEngine(key.subarray(0, CIPHER_KEY_BYTES[cipher]), cipherMode(cipher)),
      this.macEngine(hash, key),
      cipher !== 'none' && cipherMode(cipher) === 'cbc',
      this.random,
    );
  }

  private cipherEngine(key: Uint8Array, mode: CipherMode): CipherEngine {
    if (this.kernels !== null && mode === 'cbc') return new MultiBlockCipher(this.kernels, this.packets, key);
    if (this.evp !== null) return new EvpCipher(this.evp, this.packets, key, mode);
    return new NodeCipher(this.packets, key, mode);
  }

  private macEngine(hash: Exclude<HashName, 'none'>, key: Uint8Array): MacEngine {
    if (this.kernels !== null && MULTI_BLOCK_HASHES.includes(hash)) {
      const short = key.length > SHA_BLOCK_BYTES ? createHash(hash).update(key).digest() : Uint8Array.from(key);
      const mac = new MultiBlockMac(this.kernels, this.packets, hash as MultiBlockHash, short);
      short.fill(0);
      return mac;
    }
    if (this.evp !== null) return new EvpMac(this.evp, this.packets, hash, DIGEST_BYTES[hash], key);
    return new NodeMac(this.packets, hash, DIGEST_BYTES[hash], key);
  }
}

let kernelsChecked: MultiBlockKernels | null | undefined;

/** The kernels if they exist and their results agree with node:crypto; looked at once per thread. */
function checkedKernels(): MultiBlockKernels | null {
  if (kernelsChecked === undefined) {
    const kernels = multiBlockKernels();
    kernelsChecked = kernels !== null && engineAgrees(kernels) ? kernels : null;
  }
  return kernelsChecked;
}
