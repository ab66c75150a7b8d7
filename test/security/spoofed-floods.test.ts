import t from 'tap';
import { describe, FULL, skipReason } from '../interop/lab/cases.ts';
import { Lab } from '../interop/lab/lab.ts';
import type { DaemonKind, LabNode } from '../interop/lab/node.ts';
import { program } from '../interop/lab/programs.ts';
import { memberships, spoof } from './spoof.ts';

/**
 * Junk with the address of a listed node, from somebody on the network without one: how often the token comes, what clients get through and whether the
 * ring stays, beside stock at the same rate. Figures depend on the machine; asserted is that the ring lives and clients are served.
 */
const RATE = Number(process.env['RONDO_FLOOD_RATE'] ?? 5_000);
const SECONDS = FULL ? 2 : 1;
const BYTES = 200;
const FLOODS_MAX = 5;
const GROUP = '239.192.106.83';

/** Messages a second of one client of the node. */
async function throughput(node: LabNode): Promise<number> {
  const args = ['flood', String(BYTES), String(SECONDS)];
  const text = await node.space.must(await program('cpgbench'), args, { timeoutMs: 60_000 });
  return Number(/"perSecond":\s*([\d.]+)/.exec(text)?.[1] ?? 0);
}

const tokens = async (node: LabNode): Promise<number> => Number(await node.cmap('stats.srp.orf_token_rx', 'stats'));

type Dress = 'udpu' | 'udp' | 'knet' | 'knet, encrypted';

function labOptions(dress: Dress) {
  if (dress === 'udpu') return { transport: 'udpu' } as const;
  const multicast = `interface {\n  linknumber: 0\n  mcastaddr: ${GROUP}\n  mcastport: 5405\n}`;
  if (dress === 'udp') return { transport: 'udp', totem: [multicast] } as const;
  const crypto = { cipher: 'aes256', hash: 'sha256' } as const;
  return dress === 'knet' ? ({ transport: 'knet' } as const) : ({ transport: 'knet', crypto } as const);
}

for (const dress of ['udpu', 'udp', 'knet', 'knet, encrypted'] as const) {
  for (const kind of ['ours', 'stock'] as const) {
    const kinds: readonly DaemonKind[] = [kind, kind, kind];
    const rare = dress !== 'udpu';
    t.test(
      `${dress}, junk as node 2: ${describe(kinds)}`,
      { skip: skipReason(kinds, (rare || kind === 'stock') && !FULL, dress) },
      async (t) => {
        const lab = await Lab.create(labOptions(dress), kinds);
        t.teardown(() => lab.close());
        const [victim, other, attacker] = [lab.node(1), lab.node(2), lab.node(3)];
        const members = [victim, other];
        for (const node of members) node.startDaemon();
        await lab.waitRing(members, 60_000);
        const quiet = await throughput(victim);
        const before = memberships(victim);
        const target = dress === 'udp' ? { address: GROUP } : {};
        const payloads = [`random:${BYTES}`] as const;
        const rotations = await tokens(victim);
        const startMs = performance.now();
        let [sent, flooded] = [0, 0];
        // On a machine with other things to do a client may not even get started within one flood.
        let floods = 0;
        while (flooded === 0 && floods++ < FLOODS_MAX) {
          const flood = { as: other, to: victim, rate: RATE, seconds: SECONDS + 1, payloads, ...target };
          const [packets, messages] = await Promise.all([spoof(attacker, flood), throughput(victim)]);
          sent += packets;
          flooded = messages;
        }
        const perSecond = ((await tokens(victim)) - rotations) / ((performance.now() - startMs) / 1000);
        const formed = memberships(victim) - before;
        const lines = victim.log().split('\n').length;
        t.comment(
          `${kind}: ${Math.round(sent / (SECONDS + 1) / floods)} a second; ${quiet} messages/s before, ${flooded} during; ` +
            `${Math.round(perSecond)} tokens/s; ${formed} memberships; ${lines} lines in the log`,
        );
        if (kind === 'ours') {
          t.ok(flooded > 0, 'a client gets through');
          t.ok(lines < 2000, `${lines} lines in the log`);
        }
        await lab.waitRing(members, 60_000);
        t.pass('the ring is there');
      },
    );
  }
}
