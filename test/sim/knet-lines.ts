import type { KnetConfig } from '../../src/knet/config.ts';
import { Random } from '../../src/sim/random.ts';
import { knetLinkDefaults } from '../config/defaults.ts';
import { handleDefaults, hostConfig } from '../knet/helpers.ts';
import type { World } from './world.ts';

/** Before a datagram: who sends it, and on which link; LOCAL for what a node sends to itself. */
const PREFIX_BYTES = 2;
export const LOCAL = 0xff;
/** Where the target is in a Totem frame; knet writes it on the way. */
const TARGET = { at: 9, end: 13 };
const ICMP_MS_MAX = 2;
const IP_BYTES = { usual: 1500, small: 900, jumbo: 9000 };

/** Of a campaign: these seeds have knet between Totem and the network. */
export const hasKnet = (seed: number): boolean => seed % 11 === 4;

/** What two nodes have sent and received of each other, by content: how often. */
type Counts = Map<number, number>;

/**
 * The lines of knet in a world: one to three links between each two nodes on the simulated network, each of which can be cut or carry less than it did, beside
 * what happens to the network as a whole. And the rule for what comes out of them: what was sent, not more often than it was sent.
 */
export class KnetLines {
  readonly links: number;
  readonly sealed: boolean;
  private readonly random: Random;
  private readonly manualMtu: number;
  private readonly policy: KnetConfig['policy'];
  private readonly priorities: readonly number[];
  /** Largest IP packet that a link's path carries now, and all interfaces. */
  private readonly pathBytes: number[];
  private readonly interfaceBytes: number;
  private readonly cut = new Set<string>();
  private readonly sent = new Map<number, Counts>();
  private readonly received = new Map<string, Counts>();
  private over = false;

  constructor(
    seed: number,
    private readonly world: World,
  ) {
    const random = new Random(seed ^ 0x0c4e7);
    this.random = random;
    this.links = random.between(1, 3);
    this.sealed = random.chance(0.5);
    this.policy = random.pick(['passive', 'passive', 'active', 'rr']);
    this.manualMtu = random.pick([0, 0, 600, IP_BYTES.usual]);
    this.interfaceBytes = random.pick([IP_BYTES.usual, IP_BYTES.jumbo]);
    this.pathBytes = Array.from({ length: this.links }, () => this.interfaceBytes);
    this.priorities = Array.from({ length: this.links }, () => random.between(1, 3));
  }

  configOf(nodeId: number): KnetConfig {
    const others = this.world.nodeIds.filter((other) => other !== nodeId);
    const defaults = knetLinkDefaults(this.world.timings.tokenMs);
    const options = this.priorities.map((priority) => ({ ...defaults, priority }));
    return {
      nodeId,
      policy: this.policy,
      hosts: others.map((other) => hostConfig(other, this.links, options)),
      ...handleDefaults({ manualMtu: this.manualMtu }),
      compression: { method: 0, thresholdBytes: 0, level: 0 },
    };
  }

  // ---- datagrams ----

  /** From a node's index to a node id. */
  post(from: number, to: number, linkId: number, bytes: Uint8Array, ipBytes: number): void {
    const { world } = this;
    const target = world.nodeIds.indexOf(to);
    if (target < 0 || this.cut.has(`${linkId} ${from} ${target}`)) return;
    if (ipBytes > this.pathBytes[linkId]!) return;
    if (world.nodes[target]?.alive === true) world.network.send(from, target, prefixed(from, linkId, bytes));
    else this.refuse(from, target, linkId);
  }

  /** What the kernel says of a probe: 0, or the size that the interface carries. */
  probe(from: number, to: number, linkId: number, bytes: Uint8Array, ipBytes: number): number {
    if (ipBytes > this.interfaceBytes) return this.interfaceBytes;
    this.post(from, to, linkId, bytes, ipBytes);
    return 0;
  }

  loop(from: number, frame: Uint8Array): void {
    this.world.network.send(from, from, prefixed(from, LOCAL, frame));
  }

  /** The process is dead and its host lives: every second seed, as with other witnesses. */
  private refuse(from: number, target: number, linkId: number): void {
    const { world } = this;
    if (!world.hasWitnesses || !world.network.reaches(from, target) || !world.network.reaches(target, from)) return;
    const dead = world.nodes[target];
    world.after(this.random.real(0, ICMP_MS_MAX), () => {
      if (world.nodes[target] === dead) world.nodes[from]?.knetRefused(world.nodeIds[target]!, linkId);
    });
  }

  // ---- what comes out ----

  noteSent(from: number, frame: Uint8Array): void {
    count(this.sent, this.world.nodeIds[from]!, contentOf(frame, 0, frame.length));
  }

  /** A frame of node id `from` comes out of the knet of a node. */
  noteReceived(receiver: string, from: number, bytes: Uint8Array, offset: number, length: number): string | null {
    const content = contentOf(bytes, offset, length);
    const times = count(this.received, `${receiver} ${from}`, content);
    const sent = this.sent.get(from)?.get(content) ?? 0;
    if (times <= sent) return null;
    return sent === 0
      ? `knet delivers what ${from} never sent`
      : `knet delivers for the ${times}. time what ${from} sent ${sent} times`;
  }

  /** The receiver has forgotten what it had of `from`: late copies may come again. */
  forgotten(receiver: string, from: number): void {
    this.received.delete(`${receiver} ${from}`);
  }

  // ---- faults of single links ----

  start(): void {
    this.world.after(this.random.real(1, 400), () => {
      if (this.over) return;
      this.next();
      this.start();
    });
  }

  end(): void {
    this.over = true;
    this.cut.clear();
    this.pathBytes.fill(this.interfaceBytes);
  }

  private next(): void {
    const { random, world } = this;
    const linkId = random.between(0, this.links - 1);
    const a = random.between(0, world.nodes.length - 1);
    const b = random.between(0, world.nodes.length - 1);
    const dice = random.unit();
    if (dice < 0.2) {
      this.pathBytes[linkId] = random.pick([IP_BYTES.small, IP_BYTES.usual, this.interfaceBytes]);
      world.note('weather', `link ${linkId} carries ${this.pathBytes[linkId]}`);
      return;
    }
    const pairs =
      dice < 0.5
        ? [[a, b]]
        : dice < 0.7
          ? [
              [a, b],
              [b, a],
            ]
          : this.pairsOf(dice < 0.9 ? a : -1);
    const ms = random.real(1, 4 * world.timings.tokenMs);
    world.note(
      'flap',
      `link ${linkId} down for ${ms.toFixed(0)}: ${pairs.map(([x, y]) => `${world.nodeIds[x!]}>${world.nodeIds[y!]}`)}`,
    );
    for (const [x, y] of pairs) this.cut.add(`${linkId} ${x} ${y}`);
    world.after(ms, () => {
      for (const [x, y] of pairs) this.cut.delete(`${linkId} ${x} ${y}`);
    });
  }

  /** All lines of a node, or all. */
  private pairsOf(node: number): number[][] {
    const all = this.world.nodes.flatMap((_, x) => this.world.nodes.map((_, y) => [x, y]));
    return node < 0 ? all : all.filter((pair) => pair.includes(node));
  }
}

/** Sender and link of a datagram that arrived, and what it carries. */
export const unwrap = (
  datagram: Uint8Array,
): { readonly from: number; readonly linkId: number; readonly bytes: Uint8Array } => ({
  from: datagram[0]!,
  linkId: datagram[1]!,
  bytes: datagram.subarray(PREFIX_BYTES),
});

function prefixed(from: number, linkId: number, bytes: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(PREFIX_BYTES + bytes.length);
  datagram[0] = from;
  datagram[1] = linkId;
  datagram.set(bytes, PREFIX_BYTES);
  return datagram;
}

function count<K>(all: Map<K, Counts>, key: K, content: number): number {
  let counts = all.get(key);
  if (counts === undefined) {
    counts = new Map();
    all.set(key, counts);
  }
  const times = (counts.get(content) ?? 0) + 1;
  counts.set(content, times);
  return times;
}

/** FNV-1a of a frame without its target, and its length. */
function contentOf(bytes: Uint8Array, offset: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < length; i++)
    if (i < TARGET.at || i >= TARGET.end) hash = Math.imul(hash ^ bytes[offset + i]!, 0x01000193);
  return length * 0x1_0000_0000 + (hash >>> 0);
}
