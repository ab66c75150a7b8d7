import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import type { CipherName, HashName } from '../../src/knet/crypto.ts';
import { Arena } from '../../src/os/arena.ts';
import { type EngineName, OpensslProvider } from '../../src/transport/knet/crypto-provider.ts';
import { BenchNode, data, peer, ping, pong } from '../knet/bench-node.ts';
import { corpus } from './knet-corpus.ts';

/** Hostile bytes for everything that reads packets, and the published defects of libknet by name. */
const runs = Number(process.env['FUZZ_RUNS'] ?? 300);

/** A packet of the corpus with some bytes changed, cut or prolonged. */
const mutated = fc
  .tuple(
    fc.nat(corpus.length - 1),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }),
    fc.option(fc.nat(200)),
    fc.uint8Array({ maxLength: 40 }),
  )
  .map(([seed, changes, cut, tail]) => {
    const packet = Buffer.concat([corpus[seed]!, tail]);
    for (const [at, value] of changes) packet[at % packet.length] = value;
    return cut === null ? packet : packet.subarray(0, cut);
  });

const structured = fc
  .record({
    nodeId: fc.constantFrom(2, 3, 1, 9),
    seq: fc.oneof(fc.nat(65_535), fc.nat(40)),
    compress: fc.oneof(fc.constant(0), fc.nat(9)),
    fragNum: fc.nat(255),
    fragSeq: fc.nat(255),
    channel: fc.constantFrom(0, 0, 0, 1, 255),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.nat(65_000).map((length) => new Uint8Array(length)),
    ),
  })
  .map(({ payload, ...options }) => data(payload, options));

t.setTimeout(3_600_000); // a long run

t.test('any bytes, any source: no exception, nothing grows', async (t) => {
  const node = new BenchNode();
  node.raise(2);
  node.raise(3, 1);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.oneof(mutated, structured, fc.uint8Array({ maxLength: 90 })), fc.nat(4)), { maxLength: 30 }),
      (packets) => {
        for (const [packet, from] of packets) {
          node.nowMs += 1;
          node.put(packet, from === 4 ? peer(77, 0) : peer(2 + (from & 1), from >> 1));
          node.core.tick(node.nowMs);
          node.core.flush();
        }
        node.delivered.length = 0;
        node.sent.length = 0;
        node.drops.length = 0;
        node.reports.length = 0;
        return node.core.hosts.list.every((host) => host.reassembler.held <= 4);
      },
    ),
    { numRuns: runs },
  );
  t.equal(node.core.hosts.list.length, 2);
  node.close();
});

t.test('with crypto on, bytes of somebody without the key change nothing', async (t) => {
  const key = randomBytes(256);
  const node = new BenchNode((arena) => new OpensslProvider(arena).load('aes256', 'sha256', key));
  const before = node.state();
  fc.assert(
    fc.property(fc.oneof(mutated, structured, fc.uint8Array({ maxLength: 200 })), fc.nat(1), (packet, link) => {
      node.put(packet, peer(2, link));
      return node.state() === before && node.sent.length === 0;
    }),
    { numRuns: runs * 4 },
  );
  t.same(new Set(node.drops), new Set(['authentication']));
  node.close();
});

t.test(
  'CVE-2018-1084, CVE-2013-0250: sealed packets that are shorter than their parts, with and without a cipher',
  async (t) => {
    const key = randomBytes(256);
    for (const [cipher, hash] of [
      ['aes256', 'sha512'],
      ['aes128', 'md5'],
      ['none', 'sha1'],
    ] as const) {
      const node = new BenchNode((arena) => new OpensslProvider(arena).load(cipher, hash, key));
      const before = node.state();
      for (let length = 0; length <= 160; length++)
        for (const bytes of [new Uint8Array(length), randomBytes(length), ping(1).subarray(0, length)])
          node.put(bytes, peer(2, 0));
      t.equal(node.state(), before, `${cipher} ${hash}: nothing changed`);
      t.same(node.delivered, []);
      t.same(node.sent, [], 'and nothing was replied');
      node.close();
    }
  },
);

t.test('CVE-2026-15813: fragments that lie about their place or their number', async (t) => {
  const node = new BenchNode();
  node.raise(2);
  const big = new Uint8Array(65_000).fill(1);
  const rows: [number, number, Uint8Array][] = [
    [0, 0, big],
    [1, 5, big],
    [2, 3, big],
    [2, 0, big],
    [255, 255, big],
    [254, 254, big],
    [254, 1, big],
    [3, 2, big.subarray(0, 40_000)],
  ];
  rows.forEach(([fragNum, fragSeq, payload], i) => {
    for (let copy = 0; copy < 3; copy++) node.put(data(payload, { seq: 10 + i, fragNum, fragSeq }));
  });
  t.ok(node.drops.includes('bad_fragment'));
  t.same(node.delivered, []);
  node.close();
});

t.test('CVE-2026-15812: the access list cannot be got around by a link number', async (t) => {
  const node = new BenchNode();
  // Stock takes the number modulo 8, and looks at links that are not configured.
  for (const link of [2, 7, 8, 9, 255]) node.put(ping(1, link));
  t.same(new Set(node.drops), new Set(['bad_link']));
  node.drops.length = 0;
  for (const source of [peer(3, 0), peer(2, 1), peer(9, 9)]) {
    for (const packet of [ping(1), pong(node.nowMs - 1), Buffer.from([1, 0x83, 0, 2, 0, 0, 0, 9, 9])]) {
      node.put(packet, source);
    }
  }
  t.same(new Set(node.drops), new Set(['source_address']));
  t.same(node.sent, []);
  node.close();
});

/** Counts places of this process's memory that hold the key; the pattern travels inverted, so as not to be found itself. */
const SCAN = `
const fs = require('fs'); const [pid, hex] = process.argv.slice(1);
const key = Buffer.from(hex, 'hex').map((byte) => byte ^ 255);
const mem = fs.openSync('/proc/' + pid + '/mem', 'r'); let found = 0;
for (const line of fs.readFileSync('/proc/' + pid + '/maps', 'latin1').split('\\n')) {
  const m = /^(\\w+)-(\\w+) rw.. \\w+ \\S+ \\d+ *(.*)$/.exec(line); if (!m || m[3].startsWith('/dev/') || m[3] === '[vvar]') continue;
  const end = parseInt(m[2], 16); const chunk = Buffer.alloc(1 << 20);
  for (let at = parseInt(m[1], 16); at < end; at += (1 << 20) - 32) {
    let n = 0; try { n = fs.readSync(mem, chunk, 0, Math.min(1 << 20, end - at), at); } catch { break; }
    for (let i = chunk.indexOf(key); i >= 0 && i < n; i = chunk.indexOf(key, i + 1)) found++;
  } }
console.log(found);`;

function places(inverted: Buffer): number {
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', SCAN, String(process.pid), inverted.toString('hex')]);
  if (stdout.length === 0) throw new Error(String(stderr));
  return Number(stdout.toString());
}

t.test('CVE-2026-15811: no key is left in memory when its configuration is dropped', async (t) => {
  const arena = Arena.map(65_536);
  const cases: [EngineName, CipherName, HashName][] = [
    ['multi-block', 'aes256', 'sha256'],
    ['multi-block', 'aes128', 'sha512'],
    ['openssl', 'aes192', 'sha1'],
    ['multi-block', 'aes128-ctr', 'sha256'],
  ];
  for (const [best, cipher, hash] of cases) {
    const inverted = randomBytes(128);
    const key = Buffer.alloc(128);
    inverted.forEach((byte, i) => {
      key[i] = byte ^ 255;
    });
    const suite = new OpensslProvider(arena, { best }).load(cipher, hash, key);
    key.fill(0);
    t.ok(places(inverted.subarray(0, 16)) > 0, `${best} ${cipher}/${hash}: the key is there while in use`);
    suite.wipe();
    t.equal(places(inverted.subarray(0, 16)), 0, 'and nowhere afterwards');
  }
});
