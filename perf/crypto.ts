import { randomBytes } from 'node:crypto';
import { CIPHER_KEY_BYTES, type CipherName, type HashName, type PacketBatch } from '../src/knet/crypto.ts';
import { wireLength } from '../src/knet/mtu.ts';
import { Arena } from '../src/os/arena.ts';
import { type EngineName, OpensslProvider } from '../src/transport/knet/crypto-provider.ts';
import { toolNumber, toolOptions } from '../test/tool-options.ts';
import { costs } from './bench.ts';

/**
 * What sealing and opening a packet costs, by engine: CPU time of this process, the best sample.
 *
 *   node dist/perf/crypto.js [--bytes 1400] [--suites aes256/sha256,…] [--batch 40]
 */
const USAGE = `node dist/perf/crypto.js [options]   what sealing and opening a packet costs, by engine
  --bytes 1400
  --suites aes256/sha256,aes128/sha1,aes256/sha512,aes256/md5,none/sha256
  --batch 40                     packets
`;

const values = toolOptions(USAGE, {
  bytes: { type: 'string', default: '1400' },
  suites: { type: 'string', default: 'aes256/sha256,aes128/sha1,aes256/sha512,aes256/md5,none/sha256' },
  batch: { type: 'string', default: '40' },
});
const bytes = toolNumber(USAGE, 'bytes', values.bytes, { min: 1, max: 65_536 });
const packets = toolNumber(USAGE, 'batch', values.batch, { min: 1, max: 1000 });
const ENGINES: readonly EngineName[] = ['multi-block', 'openssl', 'node:crypto'];
const slot = Math.ceil((bytes + 128) / 64) * 64;
const arena = Arena.map(2 * packets * slot);
const batch: PacketBatch = {
  offset: Int32Array.from({ length: packets }, (_, i) => i * slot),
  length: new Int32Array(packets),
  plainOffset: new Int32Array(packets),
  plainLength: new Int32Array(packets),
};

/** Microseconds of CPU for one packet. */
const costByPacket = (run: () => void): number => (costs({ run }).get('run')?.bestUs ?? Number.NaN) / packets;

console.log(`${bytes} bytes, ${packets} packets a batch; µs of CPU a packet`);
console.log('suite          engine                    seal    open');
for (const name of values.suites.split(',')) {
  const [cipher, hash] = name.split('/') as [CipherName, HashName];
  for (const best of ENGINES) {
    const suite = new OpensslProvider(arena, { best }).load(cipher, hash, randomBytes(256));
    if (!(cipher in CIPHER_KEY_BYTES)) throw new Error(`no cipher ${cipher}`);
    const seal = costByPacket(() => {
      batch.length.fill(bytes);
      suite.seal(batch, 0, packets);
    });
    const wire = wireLength(suite, bytes);
    const open = costByPacket(() => {
      batch.length.fill(wire);
      suite.open(batch, 0, packets, packets * slot);
    });
    if (batch.plainLength.some((length) => length !== bytes)) throw new Error(`${name}: does not open`);
    const line = [name.padEnd(14), suite.engine.padEnd(23), seal.toFixed(2).padStart(6), open.toFixed(2).padStart(7)];
    console.log(line.join(' '));
    suite.wipe();
  }
}
