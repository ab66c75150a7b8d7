import { Cfg, type NodeLink } from '../client/cfg.ts';
import { Cmap } from '../client/cmap.ts';
import { isConnectionError } from '../client/errors.ts';
import { Quorum, type RingIdentity } from '../client/quorum.ts';
import { type VoteInfo, Votequorum } from '../client/votequorum.ts';
import { CsError, CsStatusError } from '../lib/errors.ts';
import type { CommandContext } from './command.ts';

/** What several commands show: collected once, from one daemon, by its IPC. */
export interface ClusterNode {
  readonly nodeId: number;
  readonly name: string | null;
  readonly local: boolean;
  /** In the ring now. */
  readonly member: boolean;
  /** In the node list of the configuration. */
  readonly configured: boolean;
  readonly addresses: readonly string[];
  readonly votes: number | null;
  readonly links: readonly ClusterLink[];
}

export interface ClusterLink extends NodeLink {
  /** Microseconds; `null` where the transport does not measure. */
  readonly latencyUs: number | null;
  readonly downCount: number | null;
}

export interface ClusterStatus {
  readonly clusterName: string | null;
  readonly transport: string;
  readonly localNodeId: number;
  readonly ringId: RingIdentity;
  readonly quorate: boolean;
  readonly quorumProvider: string | null;
  readonly votes: VoteInfo | null;
  readonly nodes: readonly ClusterNode[];
}

const LINK_TRANSPORT_DEFAULT = 'knet';

/** Opens the connections, collects, closes them. */
export async function clusterStatus(context: CommandContext): Promise<ClusterStatus> {
  const cmap = await Cmap.connect(context.connect);
  const stats = await Cmap.connect({ ...context.connect, map: 'stats' });
  const cfg = await Cfg.connect(context.connect);
  const quorum = await Quorum.connect(context.connect);
  const votequorum = await connectVotequorum(context);
  try {
    return await collect({ cmap, stats, cfg, quorum, votequorum });
  } finally {
    for (const connection of [cmap, stats, cfg, quorum, votequorum]) connection?.close();
  }
}

/** `null` where votequorum is not configured: then it has no socket. */
export async function connectVotequorum(context: Pick<CommandContext, 'connect'>): Promise<Votequorum | null> {
  try {
    return await Votequorum.connect({ ...context.connect, waitReadyMs: 0 });
  } catch (error) {
    if (isConnectionError(error, 'RONDO_NOT_RUNNING')) return null;
    throw error;
  }
}

interface Connections {
  readonly cmap: Cmap;
  readonly stats: Cmap;
  readonly cfg: Cfg;
  readonly quorum: Quorum;
  readonly votequorum: Votequorum | null;
}

async function collect({ cmap, stats, cfg, quorum, votequorum }: Connections): Promise<ClusterStatus> {
  const localNodeId = await cfg.localNodeId();
  const transport = (await cmap.getString('totem.transport')) ?? LINK_TRANSPORT_DEFAULT;
  const { ringId, members, quorate } = await currentQuorum(quorum);
  const listed = await configuredNodes(cmap);
  const ids = [...new Set([...listed.keys(), ...members])].sort((a, b) => a - b);
  const nodes: ClusterNode[] = [];
  for (const nodeId of ids) {
    nodes.push({
      nodeId,
      name: listed.get(nodeId) ?? null,
      local: nodeId === localNodeId,
      member: members.includes(nodeId),
      configured: listed.has(nodeId),
      addresses: (await optional(cfg.nodeAddresses(nodeId))) ?? [],
      votes: (await optional(votequorum?.info(nodeId)))?.votes ?? null,
      links: await nodeLinks(cfg, stats, nodeId, transport),
    });
  }
  return {
    clusterName: await cmap.getString('totem.cluster_name'),
    transport,
    localNodeId,
    ringId,
    quorate,
    quorumProvider: await cmap.getString('quorum.provider'),
    votes: (await optional(votequorum?.info(localNodeId))) ?? null,
    nodes,
  };
}

async function nodeLinks(cfg: Cfg, stats: Cmap, nodeId: number, transport: string): Promise<ClusterLink[]> {
  const status = await optional(cfg.nodeStatus(nodeId));
  const links: ClusterLink[] = [];
  for (const link of status?.links ?? []) {
    const key = `stats.knet.node${nodeId}.link${link.linkId}`;
    const knet = transport === 'knet';
    links.push({
      ...link,
      latencyUs: knet ? await stats.getNumber(`${key}.latency_ave`) : null,
      downCount: knet ? await stats.getNumber(`${key}.down_count`) : null,
    });
  }
  return links;
}

/** Ring id, members and quorum, from the report that begins every watch. */
export async function currentQuorum(
  quorum: Quorum,
): Promise<{ readonly ringId: RingIdentity; readonly members: readonly number[]; readonly quorate: boolean }> {
  let ringId: RingIdentity = { rep: 0, seq: 0n };
  let members: readonly number[] = [];
  for await (const event of await quorum.watch()) {
    if (event.type === 'nodes') ({ ringId, members } = event);
    else return { ringId, members: members.length > 0 ? members : event.members, quorate: event.quorate };
  }
  return { ringId, members, quorate: false };
}

/** Node id → name, of the node list in the configuration. */
export async function configuredNodes(cmap: Cmap): Promise<Map<number, string | null>> {
  const entries = new Map<string, { id: number | null; name: string | null }>();
  for await (const { key, value } of cmap.entries('nodelist.node.')) {
    const [, , index = '', field = ''] = key.split('.');
    const entry = entries.get(index) ?? { id: null, name: null };
    if (field === 'nodeid') entry.id = Number(value);
    if (field === 'name') entry.name = String(value);
    entries.set(index, entry);
  }
  const nodes = new Map<number, string | null>();
  for (const { id, name } of entries.values()) if (id !== null) nodes.set(id, name);
  return nodes;
}

/** `null` instead of a status that says "there is none". */
async function optional<T>(promise: Promise<T> | undefined): Promise<T | null> {
  try {
    return (await promise) ?? null;
  } catch (error) {
    const none: readonly number[] = [CsError.NOT_EXIST, CsError.FAILED_OPERATION, CsError.NOT_SUPPORTED];
    if (error instanceof CsStatusError && none.includes(error.status)) return null;
    throw error;
  }
}

export const ringText = ({ rep, seq }: RingIdentity): string => `${rep.toString(16)}.${seq.toString(16)}`;
