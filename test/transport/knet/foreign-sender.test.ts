import { randomBytes } from 'node:crypto';
import t from 'tap';
import { frameMemory } from '../../../src/lib/frame-memory.ts';
import { encodeCommitToken } from '../../../src/totem/wire/commit-token.ts';
import { encodeHoldCancel } from '../../../src/totem/wire/hold-cancel.ts';
import { encodeJoin } from '../../../src/totem/wire/join.ts';
import { encodeMergeDetect, MergeDetect } from '../../../src/totem/wire/merge-detect.ts';
import { encodeOrfToken, OrfToken } from '../../../src/totem/wire/orf-token.ts';
import { CLEAR, crypto, TestNode, totemConfig, until } from './harness.ts';

/** What goes in one hop, each naming `node` as its sender. */
function controlFrames(node: number): Readonly<Record<string, Uint8Array>> {
  const make = (encode: (view: DataView) => number): Uint8Array => {
    const memory = frameMemory(new Uint8Array(4096));
    return memory.bytes.slice(0, encode(memory.view));
  };
  const join = { systemFrom: node, ringSeq: 8, proc: [1, 2, 3], failed: [1] };
  const entries = [1, 2].map(() => ({ ringId: { rep: 0, seq: 0 }, aru: 0, highDelivered: 0, receivedFlg: 0 }));
  const ringId = { rep: 1, seq: 12 };
  const trailer = { trailerMembers: 0, capabilities: 0 };
  const commit = { tokenSeq: 1, ringId, retransFlg: 0, membIndex: 1, addr: [1, 2], entries, ...trailer };
  const merge = Object.assign(new MergeDetect(), { systemFrom: node, ringRep: 3, ringSeq: 400 });
  const token = Object.assign(new OrfToken(), { ringRep: 1, ringSeq: 8, tokenSeq: 0x4000_0000 });
  return {
    JOIN: make((view) => encodeJoin(view, 0, { ...join, leave: false })),
    LEAVE: make((view) => encodeJoin(view, 0, { ...join, leave: true })),
    MERGE_DETECT: make((view) => encodeMergeDetect(view, 0, merge)),
    'ORF token': make((view) => encodeOrfToken(view, 0, node, token)),
    'commit token': make((view) => encodeCommitToken(view, 0, node, commit)),
    HOLD_CANCEL: make((view) => encodeHoldCancel(view, 0, node, { ringRep: 1, ringSeq: 8 })),
  };
}

const members = { 1: ['127.0.3.1'], 2: ['127.0.3.2'], 3: ['127.0.3.3'] };
[CLEAR, crypto('aes256', 'sha256', randomBytes(256))].forEach((suite, index) => {
  t.test(`a member forges control frames of another: ${suite.cipher}`, async (t) => {
    const port = 25_905 + 10 * index;
    const nodes = [1, 2].map((nodeId) =>
      new TestNode(totemConfig({ nodeId, members, port, tokenMs: 400, crypto: suite })).open(),
    );
    t.teardown(() => {
      for (const node of nodes) node.close();
    });
    const [one, two] = nodes as [TestNode, TestNode];
    t.ok(await until(nodes, 5_000, () => one.connected(2) && two.connected(1)));
    const at = two.arena.allocate(4096, 64);
    const send = (frame: Uint8Array): void => {
      two.arena.u8.set(frame, at);
      two.transport.multicast(at, frame.length, 0, 0);
      two.transport.flush();
    };
    for (const [name, frame] of Object.entries(controlFrames(3))) {
      const before = one.count('rondo.dropped.transport.foreign_sender');
      one.received.length = 0;
      send(frame);
      const counted = (): boolean => one.count('rondo.dropped.transport.foreign_sender') === before + 1;
      t.ok(await until(nodes, 2_000, counted), `${name} of node 3: counted`);
      t.equal(one.received.length, 0, 'not received');
    }
    for (const [name, frame] of Object.entries(controlFrames(2))) {
      one.received.length = 0;
      send(frame);
      t.ok(await until(nodes, 2_000, () => one.received.length === 1), `${name} of node 2: received`);
    }
  });
});
