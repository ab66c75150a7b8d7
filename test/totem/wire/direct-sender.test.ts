import t from 'tap';
import { frameMemory } from '../../../src/lib/frame-memory.ts';
import { encodeCommitToken } from '../../../src/totem/wire/commit-token.ts';
import { ANYBODY, directSender } from '../../../src/totem/wire/direct-sender.ts';
import { Encapsulated } from '../../../src/totem/wire/header.ts';
import { encodeHoldCancel } from '../../../src/totem/wire/hold-cancel.ts';
import { encodeJoin } from '../../../src/totem/wire/join.ts';
import { writeMcastHeader } from '../../../src/totem/wire/mcast.ts';
import { encodeMergeDetect, MergeDetect } from '../../../src/totem/wire/merge-detect.ts';
import { encodeOrfToken, OrfToken } from '../../../src/totem/wire/orf-token.ts';

const { view } = frameMemory(new Uint8Array(4096));
const sender = (length: number): number => directSender(view, 0, length);

t.test('who must have sent a frame himself', async (t) => {
  const join = { systemFrom: 7, ringSeq: 4, proc: [1, 7], failed: [7] };
  const entries = [{ ringId: { rep: 0, seq: 0 }, aru: 0, highDelivered: 0, receivedFlg: 0 }];
  const commit = {
    tokenSeq: 1,
    ringId: { rep: 1, seq: 4 },
    retransFlg: 0,
    membIndex: 0,
    addr: [1],
    entries,
    trailerMembers: 0,
    capabilities: 0,
  };
  t.equal(sender(encodeJoin(view, 0, { ...join, leave: false })), 7, 'JOIN');
  t.equal(sender(encodeJoin(view, 0, { ...join, leave: true })), 7, 'LEAVE, which has no id in its header');
  t.equal(sender(encodeMergeDetect(view, 0, Object.assign(new MergeDetect(), { systemFrom: 7 }))), 7, 'MERGE_DETECT');
  t.equal(sender(encodeOrfToken(view, 0, 7, new OrfToken())), 7, 'ORF token');
  t.equal(sender(encodeCommitToken(view, 0, 7, commit)), 7, 'commit token');
  t.equal(sender(encodeHoldCancel(view, 0, 7, { ringRep: 1, ringSeq: 4 })), 7, 'hold cancel');
  writeMcastHeader(view, 0, Encapsulated.ORDINARY, 7);
  t.equal(sender(45), ANYBODY, 'an MCAST is sent again by others');
  encodeJoin(view, 0, { ...join, leave: false });
  t.equal(sender(20), ANYBODY, 'what is too short is judged elsewhere');
  t.equal(sender(3), ANYBODY);
});

t.test('in the sender’s byte order', async (t) => {
  const bytes = new Uint8Array(29);
  bytes.set([0xc0, 0x70, 3, 2, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 7]);
  t.equal(directSender(frameMemory(bytes).view, 0, 29), 7);
});
