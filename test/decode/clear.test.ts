import t from 'tap';
import { looksLikeClearKnet, looksLikeKnet } from '../../src/decode/knet-packet.ts';
import { KNET, PacketType } from '../../src/knet/constants.ts';
import { writeDataHeader } from '../../src/knet/data-packet.ts';
import { writeKnetHeader } from '../../src/knet/header.ts';
import { frameMemory } from '../../src/lib/frame-memory.ts';

const PACKET_BYTES = 200;
const HEADER_BYTES = 6;
const memory = frameMemory(new Uint8Array(PACKET_BYTES));

/** Bytes of a sealed packet, as good as random, after a header that is one of knet by chance. */
function sealedBehind(type: number, seed: number): void {
  let state = seed + 1;
  for (let at = 0; at < PACKET_BYTES; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    memory.bytes[at] = state >>> 24;
  }
  writeKnetHeader(memory, 0, type, 1 + (seed % 100));
  memory.bytes[HEADER_BYTES] = 0; // the link, where there is one
}

t.test('a sealed packet whose first bytes are those of a PING or PONG is none in clear', async (t) => {
  for (const type of [PacketType.PING, PacketType.PONG]) {
    sealedBehind(type, 1);
    t.equal(looksLikeKnet(memory, 0, PACKET_BYTES), true);
    t.equal(looksLikeClearKnet(memory, 0, PACKET_BYTES), false);
    t.equal(looksLikeClearKnet(memory, 0, KNET.pingBytes), true);
  }
});

t.test('sealed packets whose first bytes are those of DATA are seldom taken for one in clear', async (t) => {
  let taken = 0;
  for (let seed = 0; seed < 10_000; seed++) {
    sealedBehind(PacketType.DATA, seed);
    if (looksLikeClearKnet(memory, 0, PACKET_BYTES)) taken++;
  }
  t.ok(taken < 100, `${taken} of 10,000`);
});

t.test('DATA in clear is one: whole, in pieces, of the nozzle', async (t) => {
  for (const [fragNum, fragSeq, channel] of [
    [1, 0, 0],
    [1, 0, 1],
    [40, 1, 0],
    [40, 40, 0],
  ] as const) {
    writeDataHeader(memory, 0, 3, 500, 1, true, fragNum, fragSeq, channel);
    t.equal(looksLikeClearKnet(memory, 0, PACKET_BYTES), true, `${fragSeq} of ${fragNum}, channel ${channel}`);
  }
});
