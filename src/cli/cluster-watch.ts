import { pause } from '../client/abort.ts';
import { Cfg } from '../client/cfg.ts';
import { Cmap, type CmapEvent } from '../client/cmap.ts';
import { Cpg } from '../client/cpg.ts';
import { ConnectionError } from '../client/errors.ts';
import { Quorum } from '../client/quorum.ts';
import { lastAddress, linkOfKey, nodeOfStatusKey } from '../notify/keys.ts';
import { type ClusterEvent, type EventKind, quorumEvent } from '../notify/notice.ts';
import { configuredNodes } from './cluster.ts';
import type { CommandContext } from './command.ts';

/** How often process groups are looked at: to hear of them as they change one would have to be a member. */
const GROUPS_MS = 1_000;
const RECONNECT_MS = 1_000;
const CLIENT_KEY = /^stats\.ipcs\.service\d+\.(\d+)\.(0x[0-9a-f]+)\.procname$/;

export interface ClusterWatchOptions {
  readonly connect: CommandContext['connect'];
  readonly kinds: readonly EventKind[];
  /** End, with the error, when the daemon is lost; without this it is waited for. */
  readonly once?: boolean;
  /** The first connection stands: this is the node. */
  begun(nodeId: number): void;
  event(event: ClusterEvent): void;
}

interface Connections {
  readonly cmap: Cmap;
  readonly stats: Cmap;
  readonly quorum: Quorum;
  readonly cfg: Cfg;
  readonly cpg: Cpg | null;
}

/**
 * Changes of the cluster as events, by a client's means, from any daemon. What was there at the beginning is no event; after a daemon was lost,
 * what has changed meanwhile is.
 */
export class ClusterWatch {
  private readonly wanted: ReadonlySet<EventKind>;
  private nodeId = 0;
  private quorate: boolean | null = null;
  /** Node → whether it is a member. */
  private members: Map<number, boolean> | null = null;
  /** Key of the statistics map → whether the link is up. */
  private links: Map<string, boolean> | null = null;
  private processes: Map<string, Extract<ClusterEvent, { readonly kind: 'process' }>> | null = null;

  constructor(private readonly options: ClusterWatchOptions) {
    this.wanted = new Set(options.kinds);
  }

  /** Until the signal fires. Rejects when the first connection fails. */
  async run(signal: AbortSignal): Promise<void> {
    let begun = false;
    while (!signal.aborted) {
      try {
        await this.session(signal, () => {
          if (begun) this.send({ kind: 'daemon', reachable: true });
          else this.options.begun(this.nodeId);
          begun = true;
        });
      } catch (error) {
        if (signal.aborted) return;
        if (!begun || this.options.once === true || !(error instanceof ConnectionError)) throw error;
      }
      await this.reconnect(signal);
    }
  }

  /** Waits until a daemon can be reached again. */
  private async reconnect(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.send({ kind: 'daemon', reachable: false });
    while (!signal.aborted) {
      await pause(RECONNECT_MS, signal).catch(() => {});
      try {
        (await Quorum.connect(this.options.connect)).close();
        return;
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error;
      }
    }
  }

  private send(event: ClusterEvent): void {
    if (this.wanted.has(event.kind)) this.options.event(event);
  }

  /** One life of a daemon. */
  private async session(signal: AbortSignal, connected: () => void): Promise<void> {
    const { connect } = this.options;
    const opened: { close(): unknown }[] = [];
    const keep = async <C extends { close(): unknown }>(connection: Promise<C>): Promise<C> => {
      const made = await connection;
      opened.push(made);
      return made;
    };
    try {
      const connections: Connections = {
        cmap: await keep(Cmap.connect(connect)),
        stats: await keep(Cmap.connect({ ...connect, map: 'stats' })),
        quorum: await keep(Quorum.connect(connect)),
        cfg: await keep(Cfg.connect(connect)),
        cpg: this.wanted.has('process') ? await keep(Cpg.connect(connect)) : null,
      };
      this.nodeId = await connections.cfg.localNodeId();
      connected();
      await Promise.race(this.watches(connections, signal));
    } finally {
      for (const connection of opened) void connection.close();
    }
  }

  private watches(connections: Connections, signal: AbortSignal): Promise<void>[] {
    const running = [this.watchQuorum(connections, signal)];
    if (this.wanted.has('node')) running.push(this.watchMembers(connections, signal));
    if (this.wanted.has('link')) running.push(this.watchLinks(connections, signal));
    if (this.wanted.has('client')) running.push(this.watchClients(connections, signal));
    if (connections.cpg !== null) running.push(this.watchProcesses(connections.cpg, signal));
    return running;
  }

  private async watchQuorum({ quorum }: Connections, signal: AbortSignal): Promise<void> {
    for await (const event of await quorum.watch({ signal })) {
      if (event.type !== 'quorum') continue;
      const { quorate, members } = event;
      if (this.quorate !== null && quorate !== this.quorate) this.send(quorumEvent(quorate, members));
      this.quorate = quorate;
    }
  }

  private async watchMembers({ cmap }: Connections, signal: AbortSignal): Promise<void> {
    const changes = await cmap.watch('runtime.members.', { prefix: true, kinds: ['add', 'modify'], signal });
    const first = this.members === null;
    this.members ??= new Map();
    for await (const { key, value } of cmap.entries('runtime.members.')) await this.member(cmap, key, value, first);
    for await (const { key, current } of changes) await this.member(cmap, key, current?.value, false);
  }

  private async member(cmap: Cmap, key: string, value: unknown, silent: boolean): Promise<void> {
    const peerId = nodeOfStatusKey(key);
    if (peerId === null) return;
    const joined = value === 'joined';
    const changed = (this.members?.get(peerId) ?? false) !== joined;
    this.members?.set(peerId, joined);
    if (silent || !changed) return;
    const name = (await configuredNodes(cmap)).get(peerId) ?? null;
    const address = lastAddress((await cmap.getString(`runtime.members.${peerId}.ip`)) ?? '');
    this.send({ kind: 'node', peerId, name, address, joined });
  }

  private async watchLinks({ stats }: Connections, signal: AbortSignal): Promise<void> {
    const births = await stats.watch('stats.knet.', { prefix: true, kinds: ['add', 'delete'], signal });
    const known = this.links;
    this.links = known ?? new Map();
    const running: Promise<void>[] = [];
    for await (const key of stats.keys('stats.knet.')) running.push(this.watchLink(stats, key, signal));
    const more = async (): Promise<void> => {
      for await (const { kind, key } of births)
        if (kind === 'add') void this.watchLink(stats, key, signal).catch(() => {}); // ends with the connection, as `births` does
    };
    await Promise.race([more(), ...running]);
  }

  /** Never resolves for a key that is none of a link: whoever waits for the first end waits for the others. */
  private async watchLink(stats: Cmap, key: string, signal: AbortSignal): Promise<void> {
    const place = linkOfKey(key);
    if (place === null || place.peerId === this.nodeId) return await new Promise(() => {});
    const changes = await stats.watch(key, { kinds: ['modify'], signal });
    const note = (up: boolean): void => {
      const before = this.links?.get(key);
      this.links?.set(key, up);
      if (before !== undefined && before !== up) this.send({ kind: 'link', ...place, up });
    };
    note((await stats.getNumber(key)) === 1);
    for await (const { current } of changes) note(Number(current?.value) === 1);
  }

  private async watchClients({ stats }: Connections, signal: AbortSignal): Promise<void> {
    const changes = await stats.watch('stats.ipcs.', { prefix: true, kinds: ['add', 'delete'], signal });
    for await (const change of changes) {
      const event = clientEvent(change);
      if (event !== null) this.send(event);
    }
  }

  private async watchProcesses(cpg: Cpg, signal: AbortSignal): Promise<void> {
    for (;;) {
      const now: NonNullable<typeof this.processes> = new Map();
      for (const { group, nodeId, pid } of await cpg.processes(null, { signal }))
        now.set(`${nodeId} ${pid} ${group}`, { kind: 'process', group, peerId: nodeId, pid, joined: true });
      const before = this.processes ?? now;
      for (const [key, event] of before) if (!now.has(key)) this.send({ ...event, joined: false });
      for (const [key, event] of now) if (!before.has(key)) this.send(event);
      this.processes = now;
      await pause(GROUPS_MS, signal);
    }
  }
}

/** A client that came or went; this process's own connections are no event. */
function clientEvent({ kind, key, current, previous }: CmapEvent): ClusterEvent | null {
  const [, pid, pointer] = CLIENT_KEY.exec(key) ?? [];
  if (pid === undefined || pointer === undefined || Number(pid) === process.pid) return null;
  const name = String(current?.value ?? previous?.value ?? '');
  return { kind: 'client', client: `${pointer}.${pid}.${name}`, connected: kind === 'add' };
}
