import { Random } from '../../src/sim/random.ts';
import type { SrpTimings } from '../../src/totem/index.ts';
import { STATES } from './coverage.ts';
import { FAIR } from './sim-network.ts';
import type { SimNode } from './sim-node.ts';
import type { World } from './world.ts';

/** Of a campaign: these seeds have ambushes, which change their story; those that have a name keep theirs. */
export const hasAmbushes = (seed: number): boolean => seed % 5 === 3;

/**
 * Every other of these seeds begins without faults, for what may be seen then and is rare otherwise:
 *
 *   disks      are slower than the token timeout
 *   lone disk  one is: the others agree on rings for which its node is not ready, until they are on its failed list, and it is alone
 *   boots      come one after the other, on a network that is slower, so that more is on its way at a time
 */
type Calm = 'disks' | 'lone disk' | 'boots';
const CALMS: readonly Calm[] = ['lone disk', 'disks', 'boots'];
const calmOf = (seed: number): Calm | null => (seed % 2 === 0 ? CALMS[(seed % 6) / 2]! : null);
const CALM_MS = 1500;
const CALM_DISK_MS_MAX = 400;
const CALM_BOOT_MS_MAX = 1200;
/** JOINs so seldom that a node that waits for its disk misses them: the others are on its failed list while they send it their commit token. */
const LONE_DISK_TIMINGS = {
  tokenMs: 100,
  tokenRetransmitMs: 23,
  holdMs: 8,
  consensusMs: 120,
  silenceMs: 72,
  joinMs: 50,
  sendJoinMs: 0,
};
const LONE_LOOK_MS = 1;
/** No idle ring, and none in RECOVERY, takes so long for its rotations there. */
const BOOTS_TIMINGS = { sendJoinMs: 0, mergeMs: 60 };
const BOOTS_WEATHER = { latencyMsMin: 0, latencyMsMax: 1.5 };
const TIMINGS: Readonly<Record<Calm, Partial<SrpTimings>>> = {
  disks: {},
  'lone disk': LONE_DISK_TIMINGS,
  boots: BOOTS_TIMINGS,
};

/** What the ambushes of a seed need of the timings. */
export function ambushTimings(seed: number): Partial<SrpTimings> {
  const calm = calmOf(seed);
  return calm === null ? {} : TIMINGS[calm];
}

const LOOK_MS = 0.1;
const GAP_MS_MAX = 200;
/** A node that hears of a change, and another one of its ring that is about to hear of it: this close to each other. */
const WHISPER_LOOK_MS = 0.02;
const WHISPER_MS = 10;
/** The disks stop for so many token timeouts. */
const DISK_TOKENS = { min: 1, max: 4 };
/** After the healing: an operator may force a ring then, and a report of a death come late. */
const LATE_ACTS = 2;

type Act = 'gather' | 'died' | 'interface' | 'leave' | 'reload' | 'disk';
const ACTS: readonly Act[] = ['gather', 'died', 'interface', 'leave', 'reload', 'disk'];

/** Faults that wait for a node in a state that passes quickly, COMMIT and RECOVERY above all: by chance they would hardly ever hit one. */
export class Ambushes {
  readonly calmMs: number;
  private readonly random: Random;
  private lateActs = LATE_ACTS;
  private readonly calm: Calm | null;
  /** Whose disk is the slow one, by index. */
  private readonly loneDisk: number;
  private diskStopsUntilMs = 0;

  constructor(
    seed: number,
    private readonly world: World,
  ) {
    this.random = new Random(seed ^ 0x0a3b05);
    this.calm = calmOf(seed);
    this.calmMs = this.calm === null ? 0 : CALM_MS;
    this.loneDisk = this.random.between(0, world.nodeIds.length - 1);
  }

  /** How much longer the disk of a node, by its index, takes now. */
  diskMs(index: number): number {
    const { random, world } = this;
    if (world.now() >= this.calmMs) return world.isHealed ? 0 : Math.max(0, this.diskStopsUntilMs - world.now());
    if (this.calm === 'disks') return random.real(0, CALM_DISK_MS_MAX);
    return this.calm === 'lone disk' && index === this.loneDisk ? this.calmMs - world.now() : 0;
  }

  /** How much later a node starts. */
  bootMs(): number {
    return this.calm === 'boots' ? this.random.real(0, CALM_BOOT_MS_MAX) : 0;
  }

  start(): void {
    this.world.after(this.calmMs, () => this.next());
    if (this.calm === 'boots') this.slowDown();
    if (this.calm === 'lone disk') this.endLoneWait();
  }

  /** The slow disk is done when its node has given up the others. */
  private endLoneWait(): void {
    const { world } = this;
    world.after(LONE_LOOK_MS, () => {
      const node = world.nodes[this.loneDisk];
      const state = node?.groups.srp.state;
      if (state?.diskWait.commitWaiting === true && state.membership.failed.length > 0) node?.diskDone();
      if (world.now() < this.calmMs) this.endLoneWait();
    });
  }

  private slowDown(): void {
    const { network } = this.world;
    Object.assign(network.weather, BOOTS_WEATHER);
    this.world.after(this.calmMs, () => Object.assign(network.weather, FAIR));
    this.whisper();
  }

  /**
   * No fault: while a ring changes, the transport of a member that has not heard of it says that somebody is silent, and what it reports to the others finds them a state
   * ahead: in GATHER, or where a commit token was faster in COMMIT.
   */
  private whisper(): void {
    const { random, world } = this;
    world.after(WHISPER_LOOK_MS, () => {
      if (world.now() >= this.calmMs) return;
      const pair = this.parting();
      if (pair !== null && random.chance(0.5)) {
        const [late, other] = pair;
        late.memberSilent(other, 0);
        world.after(WHISPER_MS, () => late.memberSilent(other, -1));
      }
      this.whisper();
    });
  }

  /** A member that is still OPERATIONAL, and one of its ring that is not any more. */
  private parting(): readonly [SimNode, number] | null {
    const running = this.world.nodes.flatMap((node) => (node?.running === true ? [node] : []));
    const left = running.filter(({ groups: { srp } }) => srp.phase === 'gather' || srp.phase === 'commit');
    if (left.length === 0) return null;
    const late = running.find(
      ({ groups: { srp } }) =>
        srp.phase === 'operational' && left.some(({ options }) => srp.members.includes(options.nodeId)),
    );
    if (late === undefined) return null;
    const maker = Math.min(...running.map(({ options }) => options.nodeId)); // of the commit token: its line to that one stays free
    return maker === late.options.nodeId ? null : [late, maker];
  }

  private next(): void {
    const { random, world } = this;
    world.after(random.real(0, GAP_MS_MAX), () => {
      const acts: readonly Act[] = world.isHealed ? ['gather', 'died'] : ACTS;
      if (world.isHealed && this.lateActs-- <= 0) return;
      this.wait(random.pick(STATES), random.pick(acts), world.now() + world.timings.tokenMs);
    });
  }

  private wait(state: string, act: Act, untilMs: number): void {
    const { world } = this;
    const there = world.nodes.flatMap((node) =>
      node?.running === true && node.groups.srp.phase === state ? [node] : [],
    );
    const node = there.length > 0 ? this.random.pick(there) : null;
    if (node !== null && (!world.isHealed || act === 'gather' || act === 'died')) this.strike(node, act);
    else if (world.now() < untilMs) {
      world.after(LOOK_MS, () => this.wait(state, act, untilMs));
      return;
    }
    this.next();
  }

  private strike(node: SimNode, wanted: Act): void {
    const { random, world } = this;
    const { nodeId } = node.options;
    const act = world.faultsBegan || wanted !== 'died' ? wanted : 'gather'; // nobody has died before the first fault
    switch (act) {
      case 'gather':
        node.forceGather();
        break;
      case 'died':
        node.memberDied(random.pick(world.nodeIds.filter((other) => other !== nodeId)));
        break;
      case 'interface':
        node.interfaceChanged();
        break;
      case 'reload':
        node.reload({ ...world.timings, maxMessages: random.pick([3, 17]) });
        break;
      case 'leave':
        node.leave();
        node.crash();
        break;
      case 'disk':
        this.stopDisks();
        this.strike(node, random.pick(ACTS.slice(0, -1))); // in the same moment
        return;
    }
    if (!world.isHealed && act !== 'died') world.note(act, `${act} of ${nodeId} in ${node.groups.srp.phase}`);
  }

  private stopDisks(): void {
    const { random, world } = this;
    this.diskStopsUntilMs = world.now() + random.real(DISK_TOKENS.min, DISK_TOKENS.max) * world.timings.tokenMs;
    world.note('disk', 'the disks do not write');
  }
}
