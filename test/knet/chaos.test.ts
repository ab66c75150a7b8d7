import fc from 'fast-check';
import t from 'tap';
import { KnetSim, message, type Packet } from './helpers.ts';

/**
 * Hosts, links and a network that loses, doubles, delays and refuses packets, cuts and heals links, and restarts nodes: what
 * knet promises must hold at every step, and everything must be well again a few seconds after the last fault.
 */
type Fault =
  | { readonly kind: 'cut'; readonly node: number; readonly link: number }
  | { readonly kind: 'heal' }
  | { readonly kind: 'restart'; readonly node: number }
  | { readonly kind: 'mtu'; readonly bytes: number }
  | { readonly kind: 'loss'; readonly percent: number }
  | { readonly kind: 'icmp'; readonly node: number; readonly link: number };

const fault = (nodes: number, links: number): fc.Arbitrary<Fault> => {
  const node = fc.integer({ min: 1, max: nodes });
  const link = fc.integer({ min: 0, max: links - 1 });
  return fc.oneof(
    fc.record({ kind: fc.constant('cut' as const), node, link }),
    fc.constant({ kind: 'heal' as const }),
    fc.record({ kind: fc.constant('restart' as const), node }),
    fc.record({ kind: fc.constant('mtu' as const), bytes: fc.constantFrom(700, 1_300, 1_500, 9_000) }),
    fc.record({ kind: fc.constant('loss' as const), percent: fc.constantFrom(1, 5, 20) }),
    fc.record({ kind: fc.constant('icmp' as const), node, link }),
  );
};

class Chaos {
  readonly sim: KnetSim;
  private readonly cuts = new Set<string>();
  private lossPercent = 0;
  private seed: number;
  private sent = 0;

  constructor(
    readonly nodes: number,
    readonly links: number,
    policy: 'passive' | 'active' | 'rr',
    seed: number,
    sealed = false,
  ) {
    this.seed = seed >>> 0;
    this.sim = new KnetSim({
      sealed,
      nodes,
      links,
      policy,
      linkOptions: [
        { pingIntervalMs: 100, pingTimeoutMs: 300 },
        { pingIntervalMs: 100, pingTimeoutMs: 300 },
      ],
    });
    for (const node of this.sim.nodes.values()) node.interfaceMtu = 9_000;
    this.sim.network = (packet) => this.passes(packet);
  }

  private random(): number {
    this.seed = (Math.imul(this.seed, 1_664_525) + 1_013_904_223) >>> 0;
    return this.seed / 2 ** 32;
  }

  private passes(packet: Packet): boolean {
    if (this.cuts.has(`${packet.from}/${packet.linkId}`) || this.cuts.has(`${packet.to}/${packet.linkId}`))
      return false;
    if (this.random() * 100 < this.lossPercent) return false;
    if (this.random() < 0.01) this.sim.wire.push({ ...packet, atMs: packet.atMs + Math.floor(this.random() * 20) });
    return true;
  }

  apply(event: Fault): void {
    switch (event.kind) {
      case 'cut':
        this.cuts.add(`${event.node}/${event.link}`);
        return;
      case 'heal':
        this.cuts.clear();
        this.lossPercent = 0;
        return;
      case 'restart':
        this.sim.node(event.node).restart();
        return;
      case 'mtu':
        this.sim.pathMtu = event.bytes;
        return;
      case 'loss':
        this.lossPercent = event.percent;
        return;
      case 'icmp':
        this.sim.node(event.node).core.linkError(event.link, true, this.sim.nowMs);
        return;
    }
  }

  /** Everybody sends, in sizes of one and of many fragments. */
  traffic(messages: number): void {
    for (let i = 0; i < messages; i++) {
      for (const node of this.sim.nodes.values()) {
        const bytes = message(60 + Math.floor(this.random() ** 3 * 20_000), node.nodeId);
        bytes.writeUInt32LE(++this.sent, 20);
        bytes.writeUInt32LE(bytes.length, 24);
        node.send(0, bytes);
      }
      this.sim.run(3);
    }
  }

  /** Nothing damaged, nothing delivered twice by one process. */
  complaints(): string[] {
    const found: string[] = [];
    for (const node of this.sim.nodes.values()) {
      const seen = new Set<number>();
      for (const { from, bytes } of node.delivered) {
        const id = bytes.readUInt32LE(20);
        if (bytes.readUInt32LE(24) !== bytes.length) found.push(`node ${node.nodeId}: length of ${id}`);
        if (bytes.subarray(28).some((byte) => byte !== from)) found.push(`node ${node.nodeId}: content of ${id}`);
        if (seen.has(id)) found.push(`node ${node.nodeId}: ${id} of node ${from} twice`);
        seen.add(id);
      }
    }
    return found;
  }
}

/** What was found before. */
const FOUND: [number, number, 'passive' | 'active' | 'rr', boolean, number, Fault[]][] = [
  // A node that restarts within one PING interval, and whose PINGs with number 0 are lost.
  [
    2,
    1,
    'passive',
    false,
    1591251910,
    [{ kind: 'heal' }, { kind: 'mtu', bytes: 700 }, { kind: 'loss', percent: 5 }, { kind: 'restart', node: 2 }],
  ],
  [
    3,
    1,
    'passive',
    false,
    8,
    [
      { kind: 'mtu', bytes: 700 },
      { kind: 'loss', percent: 20 },
      { kind: 'mtu', bytes: 700 },
      { kind: 'restart', node: 1 },
      { kind: 'restart', node: 2 },
    ],
  ],
];

t.setTimeout(600_000);

t.test('faults of every kind, then health', async () => {
  const runs = Number(process.env['CHAOS_RUNS'] ?? 40);
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 3 }),
      fc.integer({ min: 1, max: 2 }),
      fc.constantFrom('passive' as const, 'active' as const, 'rr' as const),
      fc.boolean(),
      fc.nat(),
      fc.array(fault(3, 2), { maxLength: 12 }),
      (nodes, links, policy, sealed, seed, faults) => {
        const chaos = new Chaos(nodes, links, policy, seed, sealed);
        const { sim } = chaos;
        sim.run(1_000);
        for (const event of faults) {
          if ('node' in event && event.node > nodes) continue;
          if ('link' in event && event.link >= links) continue;
          chaos.apply(event);
          chaos.traffic(40);
          sim.run(250);
          if (event.kind === 'restart') for (const node of sim.nodes.values()) node.delivered.length = 0;
        }
        const before = chaos.complaints();
        if (before.length > 0) throw new Error(before.slice(0, 5).join('\n'));
        chaos.apply({ kind: 'heal' });
        sim.run(6_000);
        for (const node of sim.nodes.values()) {
          for (const other of sim.nodes.values()) {
            for (let link = 0; link < links; link++) {
              if (other !== node && !node.linkIsUp(other.nodeId, link))
                throw new Error(`${node.nodeId}: link ${link} is down`);
            }
          }
          node.delivered.length = 0;
        }
        chaos.traffic(20);
        sim.run(50);
        for (const node of sim.nodes.values()) {
          const wanted = 20 * (nodes - 1);
          if (node.delivered.length !== wanted)
            throw new Error(`${node.nodeId}: ${node.delivered.length} of ${wanted}`);
        }
        const after = chaos.complaints();
        if (after.length > 0) throw new Error(after.join('\n'));
      },
    ),
    { numRuns: runs, examples: FOUND },
  );
});
