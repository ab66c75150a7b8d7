import type { ClusterOptions } from '../lab/conf.ts';
import { sleep } from '../lab/process.ts';
import type { Side } from './side.ts';

/** Something that happens to both clusters. */
export type Step = readonly [name: string, act: (side: Side) => Promise<void>];

export interface VoteStory {
  readonly name: string;
  readonly size: number;
  /** Lines of the quorum section. */
  readonly quorum: readonly string[];
  /** Further lines of node blocks. */
  readonly node?: NonNullable<ClusterOptions['node']>;
  readonly steps: readonly Step[];
  readonly rare?: boolean;
}

export const boot = (...ids: number[]): Step => [
  `boot ${ids.join(' ')}`,
  async (side) => {
    for (const id of ids) side.node(id).startDaemon();
    await side.together();
  },
];

/**
 * Steps between which nothing is compared, because what stock shows there is one of two things. A node that comes to one that has just become
 * able to be quorate with it hears so only if its own votes are delivered before the other has told its own: two clusters of stock differed in 5 of 10
 * runs, until all nodes are there.
 */
export const inOneGo = (...steps: readonly Step[]): Step => [
  steps.map(([name]) => name).join(', '),
  async (side) => {
    for (const [, act] of steps) await act(side);
  },
];

export const kill = (...ids: number[]): Step => [
  `kill ${ids.join(' ')}`,
  async (side) => {
    await Promise.all(ids.map((id) => side.node(id).killDaemon()));
    await side.together();
  },
];

export const stop = (id: number): Step => [
  `stop ${id}`,
  async (side) => {
    await side.node(id).stopDaemon();
    await side.together();
  },
];

export const split = (...groups: number[][]): Step => [`split ${groups.join(' | ')}`, (side) => side.split(groups)];
export const heal: Step = ['heal', (side) => side.heal()];

/** For what must not happen: no event reports that it has not. */
export const nothingFor = (ms: number): Step => [`nothing for ${ms} ms`, () => sleep(ms)];

/** The window of last_man_standing closes: only the living count. */
export const windowCloses = (votes: number): Step => [
  `the window closes: ${votes}`,
  (side) => side.shows(new RegExp(`^Expected votes:\\s+${votes}$`)),
];

/** The device of a node has not polled in time. */
export const deviceLost = (id: number): Step => [
  `device of ${id} is lost`,
  (side) => side.shows(new RegExp(`^\\s+${id}\\s+\\d+\\s+NA,NV,`), id),
];

export const quorumtool = (id: number, ...args: string[]): Step => [
  `quorumtool ${args.join(' ')} on ${id}`,
  (side) => side.tool(id, 'corosync-quorumtool', ...args),
];

export const setKey = (id: number, key: string, type: string, value: string): Step => [
  `set ${key} = ${value} on ${id}`,
  (side) => side.tool(id, 'corosync-cmapctl', '-s', key, type, value),
];

export const device = (id: number, command: string): Step => [
  `device of ${id}: ${command}`,
  (side) => side.device(id, command),
];

export const PROVIDER = 'provider: corosync_votequorum';

/** All nodes read the file again, in which the quorum section has these lines, or those of the start. */
export const reload = (name: string, lines?: readonly string[]): Step => [
  `reload: ${name}`,
  async (side) => {
    side.lab.writeConfs(lines === undefined ? {} : { quorum: [PROVIDER, ...lines] });
    await side.tool(side.living()[0]?.id ?? 0, 'corosync-cfgtool', '-R');
  },
];
