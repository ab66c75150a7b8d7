import { Stat } from '../../src/totem/index.ts';
import type { SimNode } from './sim-node.ts';
import { World } from './world.ts';

export interface LossyRingOptions {
  readonly nodes: number;
  readonly loss: number;
  /** Frames of knet's size, in datagrams of an Ethernet; otherwise a frame is one datagram. */
  readonly large?: boolean;
  /** How many nodes send. */
  readonly senders?: number;
  /** Virtual time under load. */
  readonly loadMs?: number;
  /** As in a mixed ring: the members' abilities are not known. */
  readonly mixed?: boolean;
  /** Stock's rules: a miss is asked for at the fifth visit, a token sent again after a fifth of its timeout, packets keep their size. */
  readonly stockRules?: boolean;
  /** Messages that follow the token. */
  readonly acceleratedWindow?: number;
  /** One node after the other does not run for so long, every `STALL_EVERY_MS`: a processor that others use, too. */
  readonly stallMs?: number;
}

export interface LossyRingFigures {
  readonly messagesPerMs: number;
  /** Frames that somebody missed at first, and the token visits until they were there. */
  readonly lostFrames: number;
  readonly visitsPerLoss: number;
  readonly visitsPerLossMax: number;
  readonly sentAgain: number;
  /** Tokens that were sent again, of all nodes, and the rotations meanwhile. */
  readonly tokenCopies: number;
  readonly rotations: number;
  readonly ringChanges: number;
  readonly violations: readonly string[];
}

export const STALL_EVERY_MS = 10;
const MESSAGE_BYTES = 1400;
/** A gigabit Ethernet, less its headers. */
const BYTES_PER_MS = 117_000;
const DATAGRAM_BYTES = 1400;
const KNET_MTU = 65_536;
const REGION_BYTES = 24_000_000;
/** Stock's defaults for a ring of three. */
const TOKEN_MS = 3650;

/** A ring that stands while some of its datagrams are lost, under full load on virtual time: what the protocol costs, without processors. */
export function lossyRing(seed: number, options: LossyRingOptions): LossyRingFigures {
  const delays: number[] = [];
  let tokenCopies = 0;
  const spoil = (node: SimNode): void => {
    const { srp } = node.groups;
    srp.setTimings({
      ...srp.state.timings,
      tokenMs: TOKEN_MS,
      tokenRetransmitMs: 869,
      holdMs: 685,
      consensusMs: 4380,
      windowSize: 50,
      maxMessages: 17,
      missCountConst: 5,
      failRecvConst: 2500,
      heartbeatFailuresAllowed: 0,
      cancelTokenHoldOnRetransmit: false,
      acceleratedWindow: options.acceleratedWindow ?? 0,
    });
    if (options.mixed || options.stockRules)
      Object.defineProperty(srp.state, 'capabilities', { get: () => 0, set: () => {} });
    if (options.stockRules) followStock(node);
    countMisses(node, delays);
    const { pace } = srp.state;
    const resent = pace.resent.bind(pace);
    pace.resent = (nowMs) => {
      tokenCopies++;
      resent(nowMs);
    };
  };
  const world = new World(seed, {
    nodes: options.nodes,
    faults: false,
    ownCopies: false,
    spoil,
    ...(options.large ? { netMtu: KNET_MTU, regionBytes: REGION_BYTES } : { netMtu: 1500 }),
  });
  const { weather } = world.network;
  weather.bytesPerMs = BYTES_PER_MS;
  weather.datagramBytes = DATAGRAM_BYTES;
  for (let index = 0; index < options.nodes; index++) world.startNode(index);
  world.runWhile(60_000, () => world.nodes.every((node) => node!.settled && members(node!) === options.nodes));
  const rings = ringsOf(world);
  load(world, options.senders ?? 1, 200);
  weather.loss = options.loss;
  const before = delivered(world);
  const rotations = visitsOf(world);
  tokenCopies = 0;
  const loadMs = options.loadMs ?? 1000;
  if (options.stallMs !== undefined) stall(world, options.stallMs, loadMs);
  load(world, options.senders ?? 1, loadMs);
  const messages = delivered(world) - before;
  const ringChanges = ringsOf(world) - rings;
  const figures = { rotations: visitsOf(world) - rotations, tokenCopies };
  world.heal();
  // The world's own bounds are for the token timeout of its dice; here megabytes wait, and the timeout is stock's.
  world.runWhile(60_000, () =>
    world.nodes.every(
      (node) => node!.settled && node!.groups.srp.state.highDelivered === world.nodes[0]!.groups.srp.state.high,
    ),
  );
  world.settle();
  const { violations } = world.finish();
  return {
    messagesPerMs: messages / loadMs,
    lostFrames: delays.length,
    visitsPerLoss: delays.reduce((sum, visits) => sum + visits, 0) / Math.max(1, delays.length),
    visitsPerLossMax: Math.max(0, ...delays),
    sentAgain: world.nodes.reduce((sum, node) => sum + node!.groups.srp.state.statistics.get(Stat.mcast_retx), 0),
    ringChanges,
    violations,
    ...figures,
  };
}

function stall(world: World, stallMs: number, loadMs: number): void {
  for (let at = 0, index = 0; at < loadMs; at += STALL_EVERY_MS, index++)
    world.after(at, () => {
      world.nodes[index % world.nodes.length]!.pausedUntil = world.now() + stallMs;
    });
}

/** Every message is accepted as soon as there is room for it. */
function load(world: World, senders: number, ms: number): void {
  const endMs = world.now() + ms;
  const step = (): void => {
    if (world.now() >= endMs) return;
    for (let index = 0; index < senders; index++)
      for (let sent = 0; sent < 400 && world.nodes[index]!.send(MESSAGE_BYTES); ) sent++;
    world.after(0.25, step);
  };
  step();
  world.runFor(ms);
}

function followStock(node: SimNode): void {
  const { loss, pace } = node.groups.srp.state;
  const { packetBytes } = loss;
  Object.defineProperty(loss, 'packetBytes', { get: () => packetBytes, set: () => {} });
  pace.resendMs = (longestMs) => longestMs;
  pace.resendsOnCopy = () => false;
}

function countMisses(node: SimNode, delays: number[]): void {
  const { state } = node.groups.srp;
  for (const queue of [state.regular, state.recovery.queue]) {
    const missing = new Map<number, number>();
    const countMiss = queue.countMiss.bind(queue);
    const add = queue.add.bind(queue);
    queue.countMiss = (seq) => {
      const misses = countMiss(seq);
      missing.set(seq, misses);
      return misses;
    };
    queue.add = (seq, offset, length, borrowed) => {
      const misses = missing.get(seq);
      if (misses !== undefined && state.state === 'operational') delays.push(misses);
      missing.delete(seq);
      add(seq, offset, length, borrowed);
    };
  }
}

const members = (node: SimNode): number => node.groups.srp.members.length;
const visitsOf = (world: World): number => world.nodes[0]!.groups.srp.state.statistics.get(Stat.orf_token_rx);
const delivered = (world: World): number => world.nodes[0]!.view.messagesDelivered;
const ringsOf = (world: World): number => world.nodes[0]!.groups.srp.state.statistics.get(Stat.operational_entered);
