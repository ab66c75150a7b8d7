import { CsError } from '../../lib/errors.ts';
import type { ResponseOf } from '../../services/codec/call.ts';
import { CFG_CALLS, NODE_STATUS_VERSION, ShutdownFlag } from '../../services/codec/cfg.ts';
import { nodeAddresses } from './addresses.ts';
import { getopt, type LongOption, wholeNumber } from './getopt.ts';
import { getText, getU32, listKeys } from './keys.ts';
import { EXIT_FAILURE, EXIT_SUCCESS, Exit, foreign, Service, statusText, type Tool, type ToolIo } from './tool.ts';

const LONG: readonly LongOption[] = [
  { name: 'if', short: 'i', argument: true },
  { name: 'status', short: 's', argument: false },
  { name: 'nodes', short: 'n', argument: false },
  { name: 'brief', short: 'b', argument: false },
  { name: 'reload', short: 'R', argument: false },
  { name: 'reopen', short: 'L', argument: false },
  { name: 'kill', short: 'k', argument: true },
  { name: 'address', short: 'a', argument: true },
  { name: 'shutdown', short: 'H', argument: false },
  { name: 'force', short: '', argument: false },
];
const U32_MAX = 0xffff_ffff;
const KILL_REASON = 'Killed by corosync-cfgtool';
const SHUTDOWN_TRY_AGAIN_MS = 30_000;
const PAD_NODE_ID = 10;

type Action = 'usage' | 'links' | 'nodes' | 'reload' | 'reopen' | 'kill' | 'shutdown' | 'addresses';
const ACTIONS: Readonly<Record<string, Action>> = {
  s: 'links',
  n: 'nodes',
  R: 'reload',
  L: 'reopen',
  k: 'kill',
  H: 'shutdown',
  a: 'addresses',
};

const LETTERS = 'i:snbrRLk:a:hH';

/** `corosync-cfgtool`: links and nodes, reload, shutdown. */
export const CFGTOOL: Tool = {
  name: 'corosync-cfgtool',
  letters: LETTERS,
  async run(args, io, program) {
    const { options, errors } = getopt(program, args, LETTERS, LONG);
    let action: Action = 'usage';
    let nodeId = 0;
    let brief = false;
    let force = false;
    for (const { letter, value } of options) {
      if (letter === '?') {
        io.err(`${errors[0]}\n`);
        return EXIT_FAILURE;
      }
      if (letter === 'b') brief = true;
      if (letter === 'force') force = true;
      if (letter === 'k' || letter === 'a') {
        const number = wholeNumber(value, 1, U32_MAX);
        if (number === null) {
          io.err('The nodeid was not valid, try a positive number\n');
          return EXIT_FAILURE;
        }
        nodeId = number;
      }
      action = ACTIONS[letter] ?? action;
    }
    switch (action) {
      case 'links':
        return showStatus(io, (view) => printLinks(io, view, brief));
      case 'nodes':
        return showStatus(io, (view) => printNodes(io, view));
      case 'reload':
        return reload(io);
      case 'reopen':
        return reopen(io);
      case 'kill':
        return kill(io, nodeId);
      case 'shutdown':
        return shutdown(io, force);
      case 'addresses':
        return showAddresses(io, nodeId);
      case 'usage':
        io.out(USAGE);
        return EXIT_SUCCESS;
    }
  },
};

type NodeStatus = ResponseOf<typeof CFG_CALLS.nodeStatus>;

/** What `-s` and `-n` are printed from. */
interface View {
  readonly cfg: Service;
  readonly localNodeId: number;
  readonly knet: boolean;
  /** Ascending. */
  readonly nodeIds: readonly number[];
  /** What is shown behind the number of a link. */
  readonly linkTransport: (link: number) => string;
}

/** A connection to cfg; without one the tool ends, with the status as a number or by its name. */
async function openCfg(io: ToolIo, shown: (status: number) => string = String): Promise<Service> {
  const cfg = await Service.open('cfg', io);
  if (typeof cfg !== 'number') return cfg;
  io.err(`Could not initialize corosync configuration API error ${shown(cfg)}\n`);
  throw new Exit(EXIT_FAILURE);
}

async function showStatus(io: ToolIo, print: (view: View) => Promise<void>): Promise<number> {
  const cfg = await openCfg(io);
  const cmap = await Service.open('cmap', io);
  if (typeof cmap === 'number') {
    io.err(`Could not initialize corosync cmap API error ${cmap}\n`);
    return EXIT_FAILURE;
  }
  const transport = (await getText(cmap, 'totem.transport')) ?? 'knet';
  const local = await cfg.call(CFG_CALLS.localGet, {});
  if (typeof local === 'number') {
    io.err(`Could not get the local node id, the error is: ${local}\n`);
    return EXIT_FAILURE;
  }
  const keys = await listKeys(cmap, 'nodelist.node.');
  if (typeof keys === 'number') {
    io.err(`Could not get nodelist from cmap. error ${keys}\n`);
    return EXIT_FAILURE;
  }
  const nodeIds: number[] = [];
  for (const { key } of keys) {
    const nodeId = /^nodelist\.node\.\d+\.nodeid$/.test(key) ? await getU32(cmap, key) : null;
    if (nodeId !== null) nodeIds.push(nodeId);
  }
  if (nodeIds.length === 0) {
    io.err('No nodes found in nodelist\n');
    return EXIT_FAILURE;
  }
  const knet = transport !== 'udp' && transport !== 'udpu';
  const configured = await linkTransports(cmap);
  const { nodeId: localNodeId } = local.values;
  io.out(`Local node ID ${localNodeId}, transport ${foreign(io, transport)}\n`);
  await print({
    cfg,
    localNodeId,
    knet,
    nodeIds: nodeIds.sort((a, b) => a - b),
    linkTransport: (link) => foreign(io, configured.get(link) ?? (knet ? 'udp' : '')),
  });
  return EXIT_SUCCESS;
}

/** Transports that interface sections name. */
async function linkTransports(cmap: Service): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>();
  const keys = await listKeys(cmap, 'totem.interface.');
  for (const { key } of typeof keys === 'number' ? [] : keys) {
    const link = Number(/^totem\.interface\.(\d+)\.knet_transport$/.exec(key)?.[1] ?? -1);
    const transport = link < 0 ? null : await getText(cmap, key);
    if (transport !== null) found.set(link, transport);
  }
  return found;
}

async function nodeStatus({ cfg }: View, nodeId: number): Promise<NodeStatus | number> {
  const reply = await cfg.call(CFG_CALLS.nodeStatus, { nodeId, version: NODE_STATUS_VERSION });
  return typeof reply === 'number' ? reply : reply.values;
}

/** Only nodes that are reachable, and not the local one. */
async function printNodes(io: ToolIo, view: View): Promise<void> {
  for (const nodeId of view.nodeIds) {
    const node = await nodeStatus(view, nodeId);
    if (typeof node === 'number' || node.reachable === 0 || node.nodeId === view.localNodeId) continue;
    const { onwireMin, onwireMax, onwireVersion } = node;
    const flags = `${node.remote ? ' remote' : ''}${node.external ? ' external' : ''}`;
    // Stock's tool has it when it was built with a libknet that knows of it; such a daemon has versions to show.
    const onwire =
      view.knet && onwireMax > 0 ? `   onwire (min/max/cur): ${onwireMin}, ${onwireMax}, ${onwireVersion}` : '';
    io.out(`nodeid: ${node.nodeId} reachable${flags}${onwire}\n`);
    for (const [index, link] of node.links.entries()) {
      if (link.enabled === 0) continue;
      const ends = foreign(io, `${link.source}${view.knet ? '->' : ''}${link.destination}`);
      const states = `${link.connected ? ' connected' : ''}${link.dynconnected ? ' dynconnected' : ''}`;
      io.out(`   LINK: ${index} ${view.linkTransport(index)} (${ends}) enabled${states} mtu: ${link.mtu}\n`);
    }
    io.out('\n');
  }
}

/**
 * Link by link, the state of each node on it. The links are those of some other node: the local one has just one, to itself.
 */
async function printLinks(io: ToolIo, view: View, brief: boolean): Promise<void> {
  const nodes: (NodeStatus | null)[] = [];
  for (const nodeId of view.nodeIds) {
    const node = await nodeStatus(view, nodeId);
    if (typeof node === 'number') {
      io.err(`Could not get the node status for nodeid ${nodeId}, the error is: ${node}\n`);
    }
    nodes.push(typeof node === 'number' ? null : node);
  }
  const isLocal = (index: number): boolean => view.nodeIds[index] === view.localNodeId;
  const localIndex = Math.max(0, view.nodeIds.indexOf(view.localNodeId));
  const otherIndex = Math.max(
    0,
    view.nodeIds.findLastIndex((id) => id !== view.localNodeId),
  );
  for (const [number, link] of (nodes[otherIndex]?.links ?? []).entries()) {
    if (link.enabled === 0) continue;
    io.out(`LINK ID ${number} ${view.linkTransport(number)}\n\taddr\t= ${foreign(io, link.source)}\n`);
    const states = nodes.map((node, index) => {
      const { enabled = 0, connected = 0 } = node?.links[number] ?? {};
      if (brief) return index === localIndex ? 'n' : String(enabled | (connected << 1));
      const state = index === localIndex && isLocal(index) ? 'localhost' : connected ? 'connected' : 'disconnected';
      return `\t\tnodeid: ${String(node?.nodeId ?? 0).padStart(PAD_NODE_ID)}:\t${state}\n`;
    });
    io.out(brief ? `\tstatus\t= ${states.join('')}\n` : `\tstatus:\n${states.join('')}`);
  }
}

/** The exit status of a reload that is refused is the `cs_error_t`. */
async function reload(io: ToolIo): Promise<number> {
  io.out('Reloading corosync.conf...\n');
  const cfg = await openCfg(io, statusText);
  const status = await cfg.status(CFG_CALLS.reload, {});
  if (status === CsError.OK) {
    io.out('Done\n');
    return EXIT_SUCCESS;
  }
  io.err(`Could not reload configuration. Error ${statusText(status)}\n`);
  return status;
}

async function reopen(io: ToolIo): Promise<number> {
  const cfg = await openCfg(io, statusText);
  const status = await cfg.status(CFG_CALLS.reopenLogs, {});
  if (status === CsError.OK) return EXIT_SUCCESS;
  io.err(`Could not reopen corosync logging files. Error ${statusText(status)}\n`);
  return status;
}

async function kill(io: ToolIo, nodeId: number): Promise<number> {
  io.out(`Killing node ${nodeId}\n`);
  const cfg = await openCfg(io);
  const reason = { length: KILL_REASON.length + 1, text: KILL_REASON };
  const status = await cfg.status(CFG_CALLS.killNode, { nodeId, reason });
  if (status === CsError.OK) return EXIT_SUCCESS;
  io.err(`Could not kill node (error = ${statusText(status)})\n`);
  return EXIT_FAILURE;
}

/** Succeeds whatever the daemon says, as stock's tool does. */
async function shutdown(io: ToolIo, force: boolean): Promise<number> {
  const cfg = await Service.open('cfg', io, { tryAgainMs: SHUTDOWN_TRY_AGAIN_MS });
  if (typeof cfg === 'number') {
    io.err(`Could not initialize corosync configuration API error ${cfg}\n`);
    return EXIT_FAILURE;
  }
  io.out('Shutting down corosync\n');
  const flags = force ? ShutdownFlag.REGARDLESS : ShutdownFlag.REQUEST;
  const status = await cfg.status(CFG_CALLS.tryShutdown, { flags });
  if (status !== CsError.OK) io.err(`Could not shutdown (error = ${status})\n`);
  return EXIT_SUCCESS;
}

async function showAddresses(io: ToolIo, nodeId: number): Promise<number> {
  const addresses = await nodeAddresses(await openCfg(io), nodeId);
  if (typeof addresses === 'number') {
    io.err(`Could not get node address for nodeid ${nodeId}\n`);
    return EXIT_FAILURE;
  }
  io.out(`${addresses.join(' ')}\n`);
  return EXIT_SUCCESS;
}

const USAGE = `corosync-cfgtool [[-i <interface ip>] [-b] -s] [-R] [-L] [-k nodeid] [-a nodeid] [-h] [-H]

A tool for displaying and configuring active parameters within corosync.
options:
\t-i\tFinds only information about the specified interface IP address or link id when used with -s..
\t-s\tDisplays the status of the current links on this node.
\t-n\tDisplays the status of the connected nodes and their links.
\t-b\tDisplays the brief status of the current links on this node when used with -s.
\t-R\tTell all instances of corosync in this cluster to reload corosync.conf.
\t-L\tTell corosync to reopen all logging files.
\t-k\tKill a node identified by node id.
\t-a\tDisplay the IP address(es) of a node
\t-h\tPrint basic usage.
\t-H\tShutdown corosync cleanly on this node.
\t\t--force will shut down corosync regardless of daemon vetos
`;
