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

/** One step; they take turns. */
export async function churn(scene: FaultScene, counts: ChurnCounts, round: number): Promise<void> {
  await STEPS[round % STEPS.length]?.(scene, counts, round);
}
