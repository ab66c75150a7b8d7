import { LoadMember } from '../lab/load.ts';
import { sleep } from '../lab/process.ts';
import { program } from '../lab/programs.ts';
import type { FaultScene } from './scene.ts';

/** How often what happened. */
export interface ChurnCounts {
  clients: number;
  clientKills: number;
  daemonKills: number;
  cuts: number;
  reloads: number;
}

type Step = (scene: FaultScene, counts: ChurnCounts, round: number) => Promise<void>;

/** The last node of the ring is the one whose daemon ends; the others live from the beginning to the end. */
const last = ({ lab }: FaultScene) => lab.node(lab.nodes.length);

const STEPS: readonly Step[] = [
  async ({ lab }, counts, round) => {
    const members = await Promise.all(lab.nodes.map((node) => LoadMember.join(node, `churn${round % 3}`)));
    for (const member of members) member.send(50, 64, 50_000, round);
    await Promise.all(members.map((member) => member.allSent()));
    for (const member of members) await member.leave();
    counts.clients += members.length;
  },
  async ({ lab }, counts, round) => {
    for (const node of lab.nodes) {
      for (let times = 0; times < 3; times++) {
        const member = await LoadMember.join(node, 'killed');
        member.send(500, 64, 5_000, round);
        await sleep(20 + ((round * 7) % 60));
        await member.process.stop('SIGKILL');
        counts.clientKills++;
      }
    }
  },
  async (scene, counts) => {
    const node = last(scene);
    await node.killDaemon();
    for (const member of scene.living) if (member.node === node) await member.process.stop('SIGKILL');
    await sleep(500);
    node.startDaemon();
    counts.daemonKills++;
  },
  async ({ lab }, counts) => {
    await lab.node(1).tool('corosync-cfgtool', '-R');
    for (const node of lab.nodes) {
      for (let key = 0; key < 5; key++)
        await node.tool('corosync-cmapctl', '-s', `soak.key${key}`, 'str', 'x'.repeat(key));
      for (let key = 0; key < 5; key++) await node.tool('corosync-cmapctl', '-d', `soak.key${key}`);
      await node.tool('corosync-quorumtool', '-s');
      await node.tool('corosync-cpgtool');
    }
    counts.reloads++;
  },
  async (scene, counts) => {
    const node = last(scene);
    await node.cut();
    await sleep(5_000);
    await node.heal();
    counts.cuts++;
  },
  async ({ lab }, counts, round) => {
    const hostile = await program('hostile');
    const ways = ['garbage', 'half', 'long', 'sizes'];
    for (const node of lab.nodes)
      await node.space.run(hostile, ['cpg', ways[round % ways.length] ?? '', String(round)]);
    counts.clients += lab.nodes.length;
  },
];

/** In a round of deaths; the time from a start of the daemon to its next death goes through all of a join. */
const DAEMONS_A_ROUND = 12;
const LIFE_MS_MIN = 60;
const LIFE_MS_STEP = 53;
const LIFE_MS_SPAN = 1_400;
const CLIENTS_A_DAEMON = 4;

/** Services whose sockets belong to the daemon's main thread, and to its ring thread. */
const KNOCKED_AT = ['cmap', 'cpg'];

/**
 * A round of nothing but deaths: clients in the middle of sending, on all nodes, and the last daemon at any moment of its start and after it, with
 * handshakes under way.
 */
export async function deaths(scene: FaultScene, counts: ChurnCounts): Promise<void> {
  const node = last(scene);
  const ipc = await program('ipc', 'security');
  const knockers = KNOCKED_AT.map((service) => node.space.start(ipc, ['flood', service, '3600', 'paced']));
  try {
    await killDaemons(scene, counts);
  } finally {
    for (const knocker of knockers) await knocker.stop('SIGKILL');
  }
}

async function killDaemons(scene: FaultScene, counts: ChurnCounts): Promise<void> {
  const { lab } = scene;
  const node = last(scene);
  for (let times = 0; times < DAEMONS_A_ROUND; times++) {
    await node.killDaemon();
    counts.daemonKills++;
    for (const member of scene.living) if (member.node === node) await member.process.stop('SIGKILL');
    node.startDaemon();
    const lifeMs = LIFE_MS_MIN + ((counts.daemonKills * LIFE_MS_STEP) % LIFE_MS_SPAN);
    await Promise.all([sleep(lifeMs), killClients(scene, counts, lab.nodes.slice(0, -1))]);
  }
}

async function killClients({ lab }: FaultScene, counts: ChurnCounts, nodes = lab.nodes): Promise<void> {
  for (let times = 0; times < CLIENTS_A_DAEMON; times++) {
    const node = nodes[times % nodes.length] ?? lab.node(1);
    const member = await LoadMember.join(node, 'killed');
    member.send(500, 64, 5_000, counts.clientKills);
    await sleep((counts.clientKills * 7) % 40);
    await member.process.stop('SIGKILL');
    counts.clientKills++;
  }
}

/** Members of process groups as the tools of each node list them, where they are not exactly the living ones. */
export async function ghosts({ lab, living }: FaultScene): Promise<string[]> {
  const wanted = living.map(({ nodeId, pid }) => `${pid}@${nodeId}`).sort();
  const complaints: string[] = [];
  for (const node of lab.nodes) {
    const { stdout } = await node.tool('corosync-cpgtool');
    const listed = [...stdout.matchAll(/^\s+(\d+)\s+(\d+) \(/gm)].map(([, pid, id]) => `${pid}@${id}`).sort();
    if (listed.join() !== wanted.join()) complaints.push(`${node.plan.name} lists ${listed}, there are ${wanted}`);
  }
  return complaints;
}

/** One step; they take turns. */
export async function churn(scene: FaultScene, counts: ChurnCounts, round: number): Promise<void> {
  await STEPS[round % STEPS.length]?.(scene, counts, round);
}
