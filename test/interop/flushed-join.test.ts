import t from 'tap';
import { memberships } from '../security/spoof.ts';
import { skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import type { LabNode } from './lab/node.ts';
import { sleep, until } from './lab/process.ts';

/**
 * Over udp a node that gets the token reads first what waits on the multicast socket. If that is the JOIN of a member that has given up
 * the ring, and the ring is in RECOVERY, stock says that it discards it, gathers all the same, with the counters of its old ring, and processes the
 * token of the new one with those: it aborts. Any member may send that JOIN, one of stock, too: its token timeout is over, and the one that has the token was held up.
 */
const PROGRAM = `
const { createSocket } = require('node:dgram');
const [, own, peer, group, beside] = process.argv;
const PORT = 5405;
const frame = (type, bytes) => {
  const made = Buffer.alloc(bytes);
  made.writeUInt16LE(0xc070, 0);
  made.set([3, type, 0, 1], 2);
  return made;
};
const join = (seq) => {
  const made = frame(3, 41);
  [1, 2, 0].forEach((word, i) => made.writeUInt32LE(word, 13 + 4 * i));
  made.writeBigUInt64LE(seq, 25);
  [1, 2].forEach((node, i) => made.writeUInt32LE(node, 33 + 4 * i));
  return made;
};
const ring = (made, at, seq) => {
  made.writeUInt32LE(1, at);
  made.writeBigUInt64LE(seq, at + 4);
};
const commit = (seq) => {
  const made = frame(4, 97);
  ring(made, 17, seq);
  [1, 2, 1, 2].forEach((word, i) => made.writeUInt32LE(word, 33 + 4 * i));
  ring(made, 49, seq - 3n);
  made.writeUInt32LE(1, 69);
  return made;
};
const token = (seq) => {
  const made = frame(0, 57);
  made.writeUInt32LE(0xffffffff, 21);
  made.writeUInt32LE(1, 25);
  ring(made, 29, seq);
  return made;
};
let seq = 0n;
let tokenSeq = 0;
const tokens = createSocket('udp4');
const heard = createSocket({ type: 'udp4', reuseAddr: true });
const toAll = (made) => tokens.send(made, PORT, group);
const toPeer = (made, then) => tokens.send(made, PORT, peer, then);
heard.bind(PORT, group, () => heard.addMembership(group, own));
heard.on('message', (made) => {
  if (made[3] !== 3 || seq > 0n || made.readUInt32LE(13) !== 2 || made.readUInt32LE(17) !== 2 || made.readUInt32LE(21) !== 0) return;
  seq = made.readBigUInt64LE(25) + 4n;
  toPeer(commit(seq));
});
tokens.on('message', (made) => {
  if (made[3] === 0) console.log('the token comes back');
  if (made[3] !== 4 || made.readUInt32LE(13) <= tokenSeq) return;
  const first = tokenSeq === 0;
  tokenSeq = made.readUInt32LE(13);
  if (first) toPeer(made);
  else console.log('recovery');
});
tokens.bind(PORT, own, () => {
  tokens.setMulticastInterface(own);
  const timer = setInterval(() => (seq > 0n ? clearInterval(timer) : toAll(join(1n))), 50);
});
process.stdin.on('data', () => {
  toPeer(token(seq), () => {
    if (beside === 'join') toAll(join(seq));
    console.log('sent');
  });
});
`;
/** Of a cluster with the name "lab" (totem.md 6.3). */
const GROUP = '239.192.2.214';
/** Before it passes nobody takes the new ring for lost, nor the stop for a pause. */
const TOKEN_MS = 8_000;
/** The consensus timeout, and what a busy machine adds. */
const FORMS_MS = 40_000;

for (const kind of ['stock', 'ours'] as const) {
  for (const beside of ['nothing', 'join'] as const) {
    const name = `${kind} in RECOVERY gets the token, and beside it ${beside === 'join' ? 'a JOIN' : beside}`;
    t.test(name, { skip: skipReason([kind], kind === 'stock', name) }, async (t) => {
      const lab = await Lab.create({ transport: 'udp', tokenMs: TOKEN_MS }, ['ours', kind]);
      t.teardown(() => lab.close());
      t.teardown(() => t.passing() || t.comment(lab.logs(40)));
      const [forger, node] = lab.nodes as [LabNode, LabNode];
      const daemon = node.startDaemon();
      await lab.waitRing([node]);
      const [own, peer] = [forger.plan.addresses[0] ?? '', node.plan.addresses[0] ?? ''];
      const forging = forger.space.start(process.execPath, ['-e', PROGRAM, own, peer, GROUP, beside]);
      t.teardown(() => forging.stop());
      t.teardown(() => t.passing() || t.comment(`forger: ${forging.output}${forging.errors}`));
      const says = (line: string): Promise<unknown> =>
        until(`"${line}"`, async () => (forging.output.includes(line) ? true : null), 10_000);
      await says('recovery');
      node.freeze();
      forging.write('go\n');
      await says('sent');
      await sleep(100);
      node.thaw();
      if (beside === 'nothing') {
        await says('the token comes back');
      } else if (kind === 'stock') {
        t.equal((await daemon.exited).signal, 'SIGABRT', 'stock aborts');
        t.match(node.log(), /Discarding JOIN message during flush/);
        t.match(daemon.errors, /orf_token_rtr: .*range < QUEUE_RTR_ITEMS_SIZE_MAX/);
        return;
      } else {
        await sleep(1_000);
        const counts = await node.cmapDump('rondo.dropped.totem.', 'stats');
        t.comment([...counts].filter(([, count]) => count !== '0').join(' '));
        await forging.stop();
        await until('a ring without the forger', () => (memberships(node) > 1 ? true : null), FORMS_MS);
      }
      t.ok(daemon.alive, 'goes on');
    });
  }
}
