import { readFileSync } from 'node:fs';
import t from 'tap';
import { PacketType } from '../../src/knet/constants.ts';
import { cryptoSizes } from '../../src/knet/crypto.ts';
import * as data from '../../src/knet/data-packet.ts';
import * as header from '../../src/knet/header.ts';
import { maxData, minimumData, wireLength } from '../../src/knet/mtu.ts';
import * as ping from '../../src/knet/ping-packet.ts';
import { quantise } from '../../src/knet/pmtud.ts';
import * as pmtud from '../../src/knet/pmtud-packet.ts';
import { frameMemory } from '../../src/lib/frame-memory.ts';

interface Vector {
  readonly id: string;
  readonly plaintextHex?: string;
  readonly header?: Readonly<Record<string, number | string>>;
}
const file = new URL('../../../test/vectors/knet.json', import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] };
const memory = frameMemory(new Uint8Array(4_096));
const AT = 3; // packets lie anywhere

for (const { id, plaintextHex, header: expected } of vectors) {
  if (plaintextHex === undefined || expected === undefined) continue;
  t.test(`vector ${id}`, async (t) => {
    const bytes = Buffer.from(plaintextHex, 'hex');
    memory.bytes.fill(0xee);
    memory.bytes.set(bytes, AT);
    t.equal(header.readVersion(memory, AT), expected['version']);
    t.equal(header.readType(memory, AT), expected['type']);
    t.equal(header.readNode(memory, AT), expected['node']);
    const node = Number(expected['node']);
    const packet = Buffer.from(memory.bytes.slice(AT, AT + bytes.length));
    switch (expected['type']) {
      case PacketType.DATA:
        t.equal(data.readDataSeq(memory, AT), expected['seq']);
        t.equal(data.readCompress(memory, AT), expected['compress']);
        t.equal(data.readBroadcast(memory, AT), expected['bcast']);
        t.equal(data.readFragNum(memory, AT), expected['fragNum']);
        t.equal(data.readFragSeq(memory, AT), expected['fragSeq']);
        t.equal(data.readChannel(memory, AT), expected['channel']);
        data.writeDataHeader(
          memory,
          AT,
          node,
          Number(expected['seq']),
          Number(expected['compress']),
          expected['bcast'] === 1,
          Number(expected['fragNum']),
          Number(expected['fragSeq']),
          Number(expected['channel']),
        );
        break;
      case PacketType.PING:
      case PacketType.PONG: {
        t.equal(ping.readLink(memory, AT), expected['link']);
        t.equal(ping.readPingSeq(memory, AT), expected['seq']);
        t.equal(ping.readTimed(memory, AT), expected['timed']);
        const timeMs = ping.readPingTimeMs(memory, AT);
        ping.writePing(memory, AT, node, Number(expected['link']), timeMs, Number(expected['seq']), true);
        // A double holds the clock to about a tenth of a microsecond: put the exact nanoseconds back before comparing.
        memory.bytes.set(bytes.subarray(15, 19), AT + 15);
        header.turnIntoReply(memory, AT, Number(expected['type']), node);
        break;
      }
      default:
        t.equal(ping.readLink(memory, AT), expected['link']);
        t.equal(pmtud.readPmtudSize(memory, AT), expected['size']);
        pmtud.writePmtud(memory, AT, node, Number(expected['link']), Number(expected['size']), bytes.length);
        header.turnIntoReply(memory, AT, Number(expected['type']), node);
    }
    t.ok(packet.equals(memory.bytes.subarray(AT, AT + bytes.length)), 'written again, it is the same');
  });
}

t.test('sizes of knet.md 4.1', async (t) => {
  const rows = [
    ['none', 'none', 1446, 1426, 1472, 8946, 482, 26, 9],
    ['none', 'md5', 1430, 1410, 1472, 8930, 466, 42, 25],
    ['none', 'sha1', 1426, 1406, 1472, 8926, 462, 46, 29],
    ['none', 'sha256', 1414, 1394, 1472, 8914, 450, 58, 41],
    ['none', 'sha384', 1398, 1378, 1472, 8898, 434, 74, 57],
    ['none', 'sha512', 1382, 1362, 1472, 8882, 418, 90, 73],
    ['aes256', 'md5', 1413, 1381, 1472, 8901, 437, 64, 48],
    ['aes256', 'sha1', 1397, 1381, 1460, 8901, 437, 68, 52],
    ['aes128', 'sha256', 1397, 1365, 1472, 8885, 421, 80, 64],
    ['aes192', 'sha384', 1381, 1349, 1472, 8869, 405, 96, 80],
    ['aes256', 'sha512', 1365, 1333, 1472, 8853, 389, 112, 96],
    ['aes256-ctr', 'sha256', 1398, 1378, 1472, 8898, 434, 74, 57],
  ] as const;
  for (const [cipher, hash, v4, v6, probe, jumbo, minimum, pong, reply] of rows) {
    const sizes = cryptoSizes(cipher, hash);
    const name = `${cipher}/${hash}`;
    t.equal(maxData(sizes, 1500 - 28), v4, `${name}: IPv4`);
    t.equal(maxData(sizes, 1500 - 48), v6, `${name}: IPv6`);
    t.equal(quantise(1500, sizes, 28) - 28, probe, `${name}: probe`);
    t.equal(maxData(sizes, 9000 - 28), jumbo, `${name}: 9000`);
    t.equal(minimumData(sizes), minimum, `${name}: minimum`);
    t.equal(wireLength(sizes, 26), pong, `${name}: PONG`);
    t.equal(wireLength(sizes, 9), reply, `${name}: PMTUD_REPLY`);
  }
});

t.test('times of other architectures are not interpreted', async (t) => {
  memory.bytes.fill(0xff);
  t.equal(ping.readPingTimeMs(memory, AT), -1);
  ping.writePing(memory, AT, 1, 0, 12_345_678.25, 7, true);
  t.equal(ping.readPingTimeMs(memory, AT), 12_345_678.25);
});
