import { sleep } from '../lab/process.ts';
import type { BadLine, FaultScene } from './scene.ts';
import type { Fault } from './table.ts';

const heal = async (scene: FaultScene): Promise<void> => {
  for (const node of scene.lab.nodes) await node.heal();
};

/** A line that a relay of ours makes bad in both directions. */
const badLine = (name: string, what: string, line: BadLine, ring: Fault['ring']): Fault => ({
  name,
  what,
  ring,
  holdMs: 5_000,
  harm: (scene) => scene.badLine(line),
  mend: (scene) => scene.goodLine(),
});

/** A link has ten times its PONG timeout at first, and one time less each second (knet.md 3.1). */
const LINKS_SETTLE_MS = 11_000;

const lossAtAll = (name: string, share: number): Fault => ({
  name,
  what: `${share * 100} % of all datagrams are lost, at every node`,
  ring: 'may change',
  holdMs: 5_000,
  harm: async ({ lab }) => {
    for (const node of lab.nodes) await node.cut({ direction: 'in', share });
  },
  mend: heal,
});

export const NETWORK_FAULTS: readonly Fault[] = [
  lossAtAll('loss-5', 0.05),
  lossAtAll('loss-20', 0.2),
  badLine('delay', 'each datagram of one node takes 20 ms', { minMs: 20 }, 'stays'),
  badLine('jitter', '0 to 60 ms, so that datagrams overtake each other all the time', { maxMs: 60 }, 'may change'),
  badLine('reorder', '0 to 8 ms', { maxMs: 8 }, 'stays'),
  badLine('doubles', 'a third of the datagrams comes twice, up to 5 ms apart', { doubled: 0.33, maxMs: 5 }, 'stays'),
  badLine('worst-line', '10 % lost, 10 % twice, 0 to 30 ms', { loss: 0.1, doubled: 0.1, maxMs: 30 }, 'may change'),
  {
    name: 'deaf',
    what: 'one node hears nobody, all hear it',
    ring: 'may change',
    holdMs: 8_000,
    harm: ({ victim }) => victim.cut({ direction: 'in' }),
    mend: heal,
  },
  {
    name: 'mute',
    what: 'nobody hears one node, it hears all',
    ring: 'may change',
    holdMs: 8_000,
    harm: ({ victim }) => victim.cut({ direction: 'out' }),
    mend: heal,
  },
  {
    name: 'one-way',
    what: 'one node does not hear another one, which hears it',
    ring: 'may change',
    holdMs: 8_000,
    harm: ({ victim, others }) => victim.cut({ direction: 'in', peers: others.slice(0, 1) }),
    mend: heal,
  },
  {
    name: 'triangle',
    what: 'two nodes do not hear each other, a third hears both',
    ring: 'may change',
    holdMs: 8_000,
    harm: ({ victim, others }) => victim.cut({ peers: others.slice(-1) }),
    mend: heal,
  },
  {
    name: 'partition',
    what: 'one node is cut off',
    ring: 'may change',
    holdMs: 8_000,
    harm: ({ victim }) => victim.cut(),
    mend: heal,
  },
  {
    name: 'cable',
    what: 'the interface of one node is down for 8 s',
    ring: 'may change',
    holdMs: 8_000,
    harm: ({ victim }) => victim.linkState(0, 'down'),
    mend: ({ victim }) => victim.linkState(0, 'up'),
  },
  {
    name: 'flapping',
    what: 'one node is cut off and back, 12 times, for 0.3 s each',
    ring: 'may change',
    holdMs: 0,
    harm: async ({ victim }) => {
      for (let times = 0; times < 12; times++) {
        await victim.cut();
        await sleep(300);
        await victim.heal();
        await sleep(300);
      }
    },
  },
  {
    name: 'one-link-of-two',
    what: 'one of two links fails at one node, when they have been up for a while',
    ring: 'stays',
    holdMs: 4_000,
    options: { links: 2 },
    harm: async ({ victim }) => {
      await sleep(LINKS_SETTLE_MS);
      await victim.cut({ link: 0 });
    },
    mend: heal,
  },
  {
    name: 'new-link-of-two',
    what: 'one of two links fails as soon as they are up: that is noticed after the token timeout, and only our tokens take the other link',
    ring: 'stays among ours',
    holdMs: 4_000,
    options: { links: 2 },
    harm: ({ victim }) => victim.cut({ link: 0 }),
    mend: heal,
  },
];
