import { join } from 'node:path';
import t from 'tap';
import { describe, FULL, skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import { LoadMember } from '../interop/lab/load.ts';
import type { DaemonKind, LabNode } from '../interop/lab/node.ts';
import { sleep } from '../interop/lab/process.ts';
import { program } from '../interop/lab/programs.ts';
import { memberships } from './spoof.ts';

/**
 * Somebody without the key records what node 2 sends to node 1 on an encrypted ring (also while node 2 is started anew) and sends it again and again:
 * while the ring goes on, and after node 1 was started anew. Ours keeps its ring. What remains is in docs/knet-design.md.
 */
const RECORD_SECONDS = FULL ? 6 : 4;
const REPLAY_SECONDS = FULL ? 8 : 2;

/** One message at a time, so that packets are not merged on their way to the recorder. */
async function talk(node: LabNode, seconds: number): Promise<void> {
  const member = await LoadMember.join(node);
  for (let i = 0; i < 12 * seconds; i++) {
    member.send(1, 20, 200, i + 1);
    await sleep(80);
  }
  await member.leave();
}

const tokensLost = (node: LabNode): number => node.log().match(/Token has not been received/g)?.length ?? 0;

for (const kind of ['ours', 'stock'] as const) {
  const kinds: readonly DaemonKind[] = [kind, kind];
  t.test(
    `packets of an encrypted ring, recorded and sent again: ${describe(kinds)}`,
    { skip: skipReason(kinds, kind === 'stock') },
    async (t) => {
      const lab = await Lab.create({ transport: 'knet', crypto: { cipher: 'aes256', hash: 'sha256' } }, kinds);
      t.teardown(() => lab.close());
      const wire = await program('wire');
      const file = join(lab.wire.directory, 'recorded');
      const run = (...args: string[]) => lab.wire.must(wire, args, { timeoutMs: 60_000 });
      const [victim, other] = [lab.node(1), lab.node(2)];
      for (const node of lab.nodes) node.startDaemon();
      await lab.waitRing(lab.nodes, 60_000);
      const recording = run('record', 'n2l0', file, `${RECORD_SECONDS}`);
      await talk(other, RECORD_SECONDS / 2);
      await other.stopDaemon();
      other.startDaemon();
      t.ok(Number(await recording) > 20, 'recorded: messages, tokens, PINGs, a LEAVE, JOINs');
      await lab.waitRing(lab.nodes, 60_000);

      const replay = async (): Promise<string> => {
        const [rings, tokens] = [memberships(victim), tokensLost(victim)];
        const traffic = talk(other, REPLAY_SECONDS);
        let sent = 0;
        for (const end = Date.now() + 1000 * REPLAY_SECONDS; Date.now() < end; )
          sent += Number(await run('replay', 'n1l0', file, '1'));
        t.ok(sent > 50, `${sent} packets sent again`);
        await traffic;
        return `${memberships(victim) - rings} memberships, ${tokensLost(victim) - tokens} tokens late`;
      };
      const running = await replay();
      await victim.stopDaemon();
      victim.startDaemon();
      await lab.waitRing(lab.nodes, 60_000);
      const restarted = await replay();
      t.comment(`${kind}, while the ring goes on: ${running}; after the restart of node 1: ${restarted}`);
      if (kind === 'ours') {
        t.match(running, /^0 memberships/, 'a ring that goes on keeps going');
        t.match(restarted, /^0 memberships/, 'and one of which a member was started anew');
      }
      await lab.waitRing(lab.nodes, 60_000);
    },
  );
}
