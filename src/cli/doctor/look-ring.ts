import { pause } from '../../client/abort.ts';
import { Cmap } from '../../client/cmap.ts';
import { FlightFileError, type FlightRecord, loadFlight, PAUSE_NOTICED_BY } from '../../observe/flight/index.ts';
import { departureSentences, membershipChanges } from '../../observe/why/index.ts';
import { clockText } from '../../observe/why/words.ts';
import { type ClusterLink, type ClusterStatus, clusterStatus } from '../cluster.ts';
import type { CommandContext } from '../command.ts';
import { FLIGHT_FILE_KEY } from '../flight-source.ts';
import { nodeViews } from '../views.ts';
import {
  type ClientFacts,
  type MemberFacts,
  type RingCounts,
  type RingFacts,
  rotationWithoutHold,
  type VoteFacts,
} from './live.ts';
import { lookAtArbiter } from './look-arbiter.ts';

const CLIENT_KEY = /^stats\.ipcs\.service\d+\.(\d+)\.(0x[0-9a-f]+)\.(procname|queued|overload)$/;
const DOWNS_KEY = /^stats\.knet\.node(\d+)\.link(\d+)\.down_count$/;
const PAUSE_KEY = /^stats\.schedmiss\.(\d+)\.delay$/;

interface Sample {
  readonly counts: RingCounts;
  readonly downs: ReadonlyMap<string, number>;
  readonly unauthentic: number;
  /** Requests of all clients that were refused for want of room. */
  readonly overload: number;
}

/** Looks at the daemon twice, so many seconds apart. */
export async function lookAtRing(
  context: CommandContext,
  seconds: number,
  fileConfiguration: string | null,
): Promise<RingFacts> {
  const cmap = await Cmap.connect(context.connect);
  const stats = await Cmap.connect({ ...context.connect, map: 'stats' });
  try {
    const before = await sample(stats);
    await pause(seconds * 1000, context.io.signal);
    const after = await sample(stats);
    const status = await clusterStatus(context);
    const records = await recordsOf(stats);
    return {
      localNodeId: status.localNodeId,
      transport: status.transport,
      crypto: await cryptoText(cmap),
      tokenMs: (await cmap.getNumber('runtime.config.totem.token')) ?? 0,
      rotationMs: rotationWithoutHold({
        meanMs: (await stats.getNumber('stats.srp.mtt_rx_token')) ?? 0,
        holdMs: (await cmap.getNumber('runtime.config.totem.hold')) ?? 0,
        messages: after.counts.received - before.counts.received,
        seconds,
      }),
      longestPause: records === null ? await longestMiss(stats) : longestPause(records, Date.now()),
      members: await membersOf(status, cmap, departuresOf(records)),
      votes: votesOf(status),
      arbiter: await lookAtArbiter(cmap, status),
      quorate: status.quorate,
      views: await nodeViews(stats),
      fileConfiguration,
      seconds,
      since: difference(before.counts, after.counts),
      total: after.counts,
      downs: downsOf(before, after, status.localNodeId),
      unauthentic: Math.max(0, after.unauthentic - before.unauthentic),
      refused: Math.max(0, after.overload - before.overload),
      clients: await clientsOf(stats),
    };
  } finally {
    cmap.close();
    stats.close();
  }
}

async function sample(stats: Cmap): Promise<Sample> {
  const number = async (name: string): Promise<number> => (await stats.getNumber(`stats.srp.${name}`)) ?? 0;
  const downs = new Map<string, number>();
  for await (const { key, value } of stats.entries('stats.knet.'))
    if (DOWNS_KEY.test(key)) downs.set(key, Number(value));
  return {
    counts: {
      retransmitted: await number('mcast_retx'),
      received: (await number('mcast_rx')) + (await number('mcast_tx')),
      tokensLost: await number('operational_token_lost'),
      gathers: await number('gather_entered'),
    },
    downs,
    unauthentic: (await stats.getNumber('rondo.dropped.knet.authentication')) ?? 0,
    overload: (await clientsOf(stats)).reduce((sum, { overload }) => sum + overload, 0),
  };
}

const difference = (before: RingCounts, after: RingCounts): RingCounts => ({
  retransmitted: Math.max(0, after.retransmitted - before.retransmitted),
  received: Math.max(0, after.received - before.received),
  tokensLost: Math.max(0, after.tokensLost - before.tokensLost),
  gathers: Math.max(0, after.gathers - before.gathers),
});

function downsOf(before: Sample, after: Sample, localNodeId: number): RingFacts['downs'] {
  return [...after.downs].flatMap(([key, total]) => {
    const [, peerId, link] = DOWNS_KEY.exec(key) ?? [];
    if (Number(peerId) === localNodeId) return [];
    const since = Math.max(0, total - (before.downs.get(key) ?? 0));
    return [{ peerId: Number(peerId), link: Number(link), since, total }];
  });
}

function membersOf(
  { nodes }: ClusterStatus,
  cmap: Cmap,
  left: ReadonlyMap<number, string>,
): Promise<readonly MemberFacts[]> {
  const others = nodes.filter(({ local }) => !local).flatMap(({ links }) => links);
  return Promise.all(
    nodes.map(async ({ nodeId, name, local, member, links }) => {
      const joins = (await cmap.getNumber(`runtime.members.${nodeId}.join_count`)) ?? 0;
      const departures = Math.max(0, joins - (member ? 1 : 0));
      const addresses = addressesOf(local ? others : links, local ? 'source' : 'destination');
      return { nodeId, name, member, departures, leftWhy: left.get(nodeId) ?? null, addresses };
    }),
  );
}

/** By link. The own ones are those that packets to the others come from. */
const addressesOf = (links: readonly ClusterLink[], end: 'source' | 'destination'): Readonly<Record<number, string>> =>
  Object.fromEntries(links.map((link) => [link.linkId, link[end]]));

/** What the daemon's flight recorder has, for the daemon's own user; `null`: there is none, or it may not be read. */
async function recordsOf(stats: Cmap): Promise<readonly FlightRecord[] | null> {
  const path = await stats.getString(FLIGHT_FILE_KEY);
  if (path === null || path === '') return null;
  try {
    return loadFlight(path).records;
  } catch (error) {
    if (error instanceof FlightFileError) return null;
    throw error;
  }
}

/** Why each node left last. */
function departuresOf(records: readonly FlightRecord[] | null): ReadonlyMap<number, string> {
  const departures = new Map<number, string>();
  for (const change of membershipChanges(records ?? [])) {
    if (change.to === null) continue;
    for (const nodeId of change.left)
      departures.set(nodeId, `left at ${clockText(change.wallMs)}: ${departureSentences(change, nodeId)}`);
  }
  return departures;
}

async function cryptoText(cmap: Cmap): Promise<string | null> {
  const names = [await cmap.getString('totem.crypto_cipher'), await cmap.getString('totem.crypto_hash')];
  const used = names.filter((name) => name !== null && name !== 'none');
  return used.length === 0 ? null : used.join('/');
}

const NO_PAUSE: RingFacts['longestPause'] = { ms: 0, atMs: 0 };
/** What was longer ago says little about how it is now. */
const PAUSES_MS = 86_400_000;

/** Of the thread of the ring: while only the other one is busy, the ring goes on. */
function longestPause(records: readonly FlightRecord[], nowMs: number): RingFacts['longestPause'] {
  let longest = NO_PAUSE;
  for (const record of records) {
    if (record.kind !== 'pause' || PAUSE_NOTICED_BY[record.noticedBy] === 'main thread') continue;
    if (record.ms > longest.ms && nowMs - record.wallMs < PAUSES_MS) longest = { ms: record.ms, atMs: record.wallMs };
  }
  return longest;
}

/** Without a recorder, and of a stock daemon, whose only thread this is. */
async function longestMiss(stats: Cmap): Promise<RingFacts['longestPause']> {
  let longest = NO_PAUSE;
  for await (const { key, value } of stats.entries('stats.schedmiss.')) {
    const [, index] = PAUSE_KEY.exec(key) ?? [];
    if (index === undefined || Number(value) <= longest.ms) continue;
    longest = { ms: Number(value), atMs: (await stats.getNumber(`stats.schedmiss.${index}.timestamp`)) ?? 0 };
  }
  return longest;
}

function votesOf({ votes, nodes, quorate }: ClusterStatus): VoteFacts | null {
  if (votes === null) return null;
  const voters = nodes
    .filter(({ member }) => member)
    .map(({ nodeId, name, votes: own }) => ({ name: name ?? `node ${nodeId}`, votes: own ?? 0 }));
  const { device } = votes;
  return {
    quorate,
    totalVotes: votes.totalVotes,
    quorum: votes.quorum,
    voters: device.castsVote ? [...voters, { name: `the device ${device.name}`, votes: device.votes }] : voters,
    waitsForAll: votes.waitForAll,
  };
}

async function clientsOf(stats: Cmap): Promise<readonly ClientFacts[]> {
  const found = new Map<string, { name: string; pid: number; queued: number; overload: number }>();
  for await (const { key, value } of stats.entries('stats.ipcs.service')) {
    const [, pid, pointer, field] = CLIENT_KEY.exec(key) ?? [];
    if (pid === undefined || pointer === undefined) continue;
    const client = found.get(`${pid} ${pointer}`) ?? { name: '', pid: Number(pid), queued: 0, overload: 0 };
    found.set(`${pid} ${pointer}`, client);
    if (field === 'procname') client.name = String(value);
    if (field === 'queued') client.queued = Number(value);
    if (field === 'overload') client.overload = Number(value);
  }
  return [...found.values()];
}
