import { assert } from '../lib/assert.ts';
import { KNET } from './constants.ts';
import { cryptoSizes } from './crypto.ts';
import { AssemblyPool } from './reassembly.ts';
import { txQueueBytes } from './sender.ts';

/**
 * Where everything of the core lies in its memory:
 *
 *   | transmit queues | probe | staging ×2 | expanded message | receive | opened packets | reassembly buffers … |
 *
 * Received packets are decrypted to the same place of the second receive area, so that the sealed bytes stay.
 */
export interface KnetLayout {
  readonly txAt: number;
  readonly txBytes: number;
  /** One behind the other: one is filled while transmit threads work on the others. */
  readonly txQueues: number;
  readonly probeAt: number;
  readonly stagingAt: number;
  readonly expandAt: number;
  readonly expandBytes: number;
  /** The socket layer's receive buffers. */
  readonly rxAt: number;
  readonly rxBytes: number;
  readonly scratchDelta: number;
  readonly assemblyAt: number;
  readonly assemblyBuffers: number;
  readonly end: number;
}

export interface KnetLayoutOptions {
  readonly base?: number;
  readonly txBytes?: number;
  readonly txQueues?: number;
  readonly rxBytes?: number;
  readonly assemblyBuffers?: number;
}

const PAGE = 4_096;
const page = (bytes: number): number => Math.ceil(bytes / PAGE) * PAGE;

export function knetLayout(options: KnetLayoutOptions = {}): KnetLayout {
  const txAt = page(options.base ?? 0);
  const txBytes = page(options.txBytes ?? 1 << 20);
  // 508-byte packets are the smallest that data is cut to; 26 is the smallest allowance for crypto at all.
  assert(txBytes >= txQueueBytes(cryptoSizes('aes256', 'sha512')), 'the queue holds the longest message');
  const txQueues = options.txQueues ?? 1;
  const probeAt = txAt + txQueues * txBytes;
  const stagingAt = probeAt + page(KNET.messageBytesMax + 256);
  const expandAt = stagingAt + page(2 * KNET.messageBytesMax);
  const expandBytes = page(KNET.messageBytesMax + 1_024);
  const rxAt = expandAt + expandBytes;
  const rxBytes = page(options.rxBytes ?? 1 << 20);
  const assemblyAt = rxAt + 2 * rxBytes;
  const assemblyBuffers = options.assemblyBuffers ?? 64;
  const end = assemblyAt + AssemblyPool.bytesFor(assemblyBuffers);
  return {
    txAt,
    txBytes,
    txQueues,
    probeAt,
    stagingAt,
    expandAt,
    expandBytes,
    rxAt,
    rxBytes,
    scratchDelta: rxBytes,
    assemblyAt,
    assemblyBuffers,
    end,
  };
}
