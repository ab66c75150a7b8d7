import { DURATION_BOUNDS_MS } from '../../src/lib/durations.ts';
import type { NodeSnapshot } from '../../src/web/view.ts';

const COUNTERS: Readonly<Record<string, number>> = {
  'srp.orf_token_rx': 4000,
  'srp.mcast_rx': 120,
  'srp.mcast_retx': 3,
  'srp.operational_entered': 2,
  'rondo.dropped.totem.duplicate': 5,
  'rondo.dropped.knet.authentication': 1,
  'rondo.repeated.node2': 3,
  'stats.knet.node2.link0.mtu': 1397,
  'stats.knet.node2.link0.rx_total_bytes': 1e6,
  'stats.knet.node2.link0.down_count': 1,
};
const counts: readonly number[] = [...DURATION_BOUNDS_MS.map((_, at) => (at === 2 ? 10 : at === 5 ? 2 : 0)), 1];

/** Three nodes, one of them gone, its name as a hostile one would choose it. */
export const sampleView = (more: Partial<NodeSnapshot> = {}): NodeSnapshot => ({
  identity: {
    nodeId: 1,
    name: 'node1',
    cluster: 'lab',
    transport: 'knet',
    encrypted: true,
    addresses: ['10.0.0.1'],
    version: '0.1.0',
    startedAtMs: 1_700_000_000_000,
  },
  ring: { ringId: { rep: 1, seq: 44 }, members: [1, 2], synchronised: true, silentMs: 1.5, tokenMs: 1000 },
  nodes: [
    { nodeId: 1, name: 'node1', local: true, member: true, votes: 1 },
    { nodeId: 2, name: 'node2', local: false, member: true, votes: 1 },
    { nodeId: 3, name: 'no"de\\3\n', local: false, member: false, votes: 1 },
  ],
  links: [
    { nodeId: 2, linkId: 0, address: '10.0.0.2', connected: true, latencyUs: 150, prefix: 'stats.knet.node2.link0.' },
    { nodeId: 3, linkId: 0, address: '10.0.0.3', connected: false, latencyUs: null, prefix: 'stats.knet.node3.link0.' },
  ],
  seen: [
    {
      nodeId: 1,
      configuration: 'c',
      version: '0.1.0',
      key: 'k',
      keyFile: 'k',
      links: [{ peerId: 2, link: 0, up: true, heard: true, latencyUs: 150, mtu: 1397, downs: 1 }],
    },
    {
      nodeId: 2,
      configuration: 'c',
      version: '0.1.0',
      key: 'k',
      keyFile: 'k',
      links: [{ peerId: 1, link: 0, up: false, heard: true, latencyUs: 0, mtu: 1397, downs: 2 }],
    },
  ],
  quorum: {
    provider: 'votequorum',
    quorate: true,
    votes: {
      members: [
        { nodeId: 1, votes: 1 },
        { nodeId: 2, votes: 1 },
      ],
      quorate: true,
      expectedVotes: 3,
      twoNode: false,
      waitForAll: false,
      waitForAllArmed: false,
      autoTieBreaker: false,
      tieBreakerNode: null,
      lastManStanding: false,
      allowDownscale: false,
      deviceVotes: 0,
      deviceName: '',
      masterWins: false,
      totalVotes: 2,
      neededVotes: 2,
      rule: 'votes',
      highestExpected: 3,
      nodes: [],
    },
    words: () => ['Quorate: 2 of 3 votes are here, 2 are needed (rule: votes).'],
  },
  queue: { usedPackets: 1, freePackets: 60, packets: 64, level: 1, stalled: false },
  clients: [{ service: 'cpg', connections: 2, eventsWaiting: 7, slowClients: 1 }],
  pauses: { count: 1, totalMs: 1500, lastAtMs: 1_700_000_001_000, lastMs: 1500 },
  memory: {
    residentBytes: 80e6,
    cpuSeconds: 1.25,
    heaps: [
      { thread: 'main', usedBytes: 5e6, sizeBytes: 9e6 },
      { thread: 'ring', usedBytes: 4e6, sizeBytes: 0 },
    ],
    collections: [
      { thread: 'main', kind: 'minor', count: 4, seconds: 0.002, longestSeconds: 0.001 },
      { thread: 'ring', kind: 'major', count: 1, seconds: 0.003, longestSeconds: 0.003 },
    ],
  },
  lastChange: {
    phases: [
      { phase: 'gather', ms: 12 },
      { phase: 'sync', ms: 3 },
    ],
    atMs: 1_700_000_000_500,
  },
  rotation: { counts, sumMs: 12.5 },
  delivery: { counts: counts.map(() => 0), sumMs: 0 },
  counter: (name) => COUNTERS[name] ?? 0,
  namesOf: (prefix) => Object.keys(COUNTERS).filter((name) => name.startsWith(prefix)),
  ...more,
});
