import { Cfg } from '../../client/cfg.ts';
import { Cmap } from '../../client/cmap.ts';
import { Quorum, type RingIdentity } from '../../client/quorum.ts';
import { configuredNodes, currentQuorum } from '../cluster.ts';
import type { CommandContext } from '../command.ts';

/** The counters of one moment. */
export interface TopSample {
  readonly timeMs: number;
  readonly ringId: RingIdentity;
  readonly members: readonly number[];
  readonly configured: number;
  readonly quorate: boolean;
  /** Of `stats.srp.`, without the prefix. */
  readonly ring: ReadonlyMap<string, number>;
  readonly links: readonly LinkSample[];
  readonly clients: readonly ClientSample[];
}

export interface LinkSample {
  readonly peerId: number;
  readonly link: number;
  readonly values: ReadonlyMap<string, number>;
}

export interface ClientSample {
  /** Pointer of the connection: tells those of one process apart. */
  readonly id: string;
  readonly pid: number;
  readonly service: number;
  readonly name: string;
  readonly values: ReadonlyMap<string, number>;
}

const RING_PREFIX = 'stats.srp.';
const LINK_KEY = /^stats\.knet\.node(\d+)\.link(\d+)\.(\w+)$/;
const CLIENT_KEY = /^stats\.ipcs\.service(\d+)\.(\d+)\.(0x[0-9a-f]+)\.(\w+)$/;

/** Connections to one daemon, and what they show. */
export class TopSource {
  private constructor(
    private readonly stats: Cmap,
    private readonly quorum: Quorum,
    private readonly configured: number,
    private readonly localNodeId: number,
  ) {}

  static async open({ connect }: CommandContext): Promise<TopSource> {
    const cmap = await Cmap.connect(connect);
    const cfg = await Cfg.connect(connect);
    try {
      const configured = (await configuredNodes(cmap)).size;
      const stats = await Cmap.connect({ ...connect, map: 'stats' });
      return new TopSource(stats, await Quorum.connect(connect), configured, await cfg.localNodeId());
    } finally {
      cmap.close();
      cfg.close();
    }
  }

  close(): void {
    this.stats.close();
    this.quorum.close();
  }

  async sample(): Promise<TopSample> {
    const { ringId, members, quorate } = await currentQuorum(this.quorum);
    const ring = new Map<string, number>();
    for await (const { key, value } of this.stats.entries(RING_PREFIX))
      ring.set(key.slice(RING_PREFIX.length), Number(value));
    return {
      timeMs: performance.now(),
      ringId,
      members,
      quorate,
      configured: this.configured,
      ring,
      links: await this.links(),
      clients: await this.clients(),
    };
  }

  private async links(): Promise<readonly LinkSample[]> {
    const links = new Map<string, { peerId: number; link: number; values: Map<string, number> }>();
    for await (const { key, value } of this.stats.entries('stats.knet.node')) {
      const [, peerId, link, field] = LINK_KEY.exec(key) ?? [];
      // The one to the node itself carries nothing.
      if (field === undefined || Number(peerId) === this.localNodeId) continue;
      const place = `${peerId} ${link}`;
      const known = links.get(place) ?? { peerId: Number(peerId), link: Number(link), values: new Map() };
      links.set(place, known);
      known.values.set(field, Number(value));
    }
    return [...links.values()];
  }

  private async clients(): Promise<readonly ClientSample[]> {
    const clients = new Map<
      string,
      { id: string; pid: number; service: number; name: string; values: Map<string, number> }
    >();
    for await (const { key, value } of this.stats.entries('stats.ipcs.service')) {
      const [, service, pid, id, field] = CLIENT_KEY.exec(key) ?? [];
      if (id === undefined || field === undefined) continue;
      const place = `${service} ${pid} ${id}`;
      const known = clients.get(place) ?? {
        id,
        pid: Number(pid),
        service: Number(service),
        name: '',
        values: new Map(),
      };
      clients.set(place, known);
      if (field === 'procname') known.name = String(value);
      else known.values.set(field, Number(value));
    }
    return [...clients.values()];
  }
}
