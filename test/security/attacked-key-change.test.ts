import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import { PacketType } from '../../src/knet/constants.ts';
import { describe, FULL, skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import { LoadMember } from '../interop/lab/load.ts';
import type { DaemonKind, LabNode } from '../interop/lab/node.ts';
import { sleep, until } from '../interop/lab/process.ts';
import { program } from '../interop/lab/programs.ts';
import { memberships, spoof } from './spoof.ts';

/**
 * The key of a ring is changed by a reload while somebody on its network, without either key, sends packets recorded under the old one, the same with
 * some bytes changed, knet packets in clear text, and junk, all with the other node's address: before, during and after the change.
 */
const RECORD_SECONDS = 3;
const AFTER_MS = FULL ? 10_000 : 3_000;
const JUNK_RATE = 1_000;
const MESSAGES = 40;

/** PING, PONG, PMTUD, its reply and DATA as an unencrypted ring has them. */
function clearText(as: LabNode): Uint8Array[] {
  const types = [PacketType.PING, PacketType.PONG, PacketType.PMTUD, PacketType.PMTUD_REPLY, PacketType.DATA];
  return types.map((type) => Uint8Array.from([1, type, 0, as.id, 0, 0, ...randomBytes(60)]));
}

async function talk(node: LabNode, count: number): Promise<LoadMember> {
  const member = await LoadMember.join(node);
  for (let i = 0; i < count; i++) {
    member.send(1, 20, 200, i + 1);
    await sleep(60);
  }
  return member;
}

for (const kind of ['ours', 'stock'] as const) {
  const kinds: readonly DaemonKind[] = [kind, kind, kind];
  t.test(
    `a key change under attack: ${describe(kinds.slice(1))}`,
    { skip: skipReason(kinds, kind === 'stock') },
    async (t) => {
      const lab = await Lab.create({ transport: 'knet', crypto: { cipher: 'aes256', hash: 'sha256' } }, kinds);
      t.teardown(() => lab.close());
      const [victim, other, attacker] = [lab.node(1), lab.node(2), lab.node(3)];
      const members = [victim, other];
      const old = randomBytes(256);
      for (const node of members) {
        node.writeKey(old);
        node.startDaemon();
      }
      await lab.waitRing(members, 60_000);
      const wire = await program('wire');
      const files = members.map((node) => join(lab.wire.directory, `to-${node.id}`));
      const run = (...args: string[]) => lab.wire.must(wire, args, { timeoutMs: 60_000 });
      const recordings = members.map((_, at) => run('record', `n${2 - at}l0`, files[at]!, `${RECORD_SECONDS}`));
      await (await talk(other, 20)).leave();
      for (const recorded of await Promise.all(recordings)) t.ok(Number(recorded) > 20, `${recorded.trim()} recorded`);

      const before = members.map(memberships);
      let attacking = true;
      let sent = 0;
      const loop = async (send: (round: number) => Promise<number>): Promise<void> => {
        for (let round = 1; attacking; round++) sent += await send(round);
      };
      const junk = ['random:200', 'random:60', 'random:1300', ...clearText(other)] as const;
      const attacks = [
        ...files.map((file, at) => loop(async () => Number(await run('replay', `n${at + 1}l0`, file, '1')))),
        ...files.map((file, at) =>
          loop(async (round) => Number(await run('noise', `n${at + 1}l0`, file, '1', String(round)))),
        ),
        loop(() => spoof(attacker, { as: other, to: victim, rate: JUNK_RATE, seconds: 1, payloads: junk })),
      ];
      await sleep(500);
      const next = randomBytes(256);
      for (const node of members) node.writeKey(next);
      const traffic = talk(other, MESSAGES);
      const reloaded = await victim.space.run('corosync-cfgtool', ['-R']);
      if (kind === 'stock' && reloaded.code !== 0) {
        // Seen in a third of the runs: stock's tool gets no response. There is nothing more to compare with then.
        attacking = false;
        await Promise.allSettled([...attacks, traffic]);
        t.comment(`stock: the reload was not answered under the attack (status ${reloaded.code})`);
        return;
      }
      t.equal(reloaded.code, 0, reloaded.stderr);
      const member = await traffic;
      const arrived = await until(
        'all messages',
        async () => (await member.delivered()) >= MESSAGES || null,
        20_000,
      ).then(
        () => 'all messages arrived',
        async () => `${await member.delivered()} of ${MESSAGES} messages arrived`,
      );
      await sleep(AFTER_MS);
      attacking = false;
      await Promise.all(attacks);
      const formed = members.map((node, at) => memberships(node) - before[at]!);
      t.comment(`${kind}: ${sent} packets; ${arrived}; memberships ${formed.join(' and ')}`);
      if (kind === 'ours') {
        t.same(formed, [0, 0], 'the ring goes on');
        t.equal(arrived, 'all messages arrived');
        for (const node of members) t.ok(node.log().split('\n').length < 1000, 'the log is not filled');
      }
      await lab.waitRing(members, 60_000);
      // Who has the new key only is let in: it is the one in use.
      await other.stopDaemon();
      other.startDaemon();
      await lab.waitRing(members, 60_000);
      t.pass('both use the new key');
    },
  );
}
