import { CmapType } from '../lib/cmap-value.ts';
import type { ConnectivityView, SeenLink } from '../lib/connectivity.ts';
import type { StatsTable } from '../services/cmap/stats-keys.ts';
import type { StatsMap } from '../services/cmap/stats-map.ts';

const LINKS_PREFIX = 'stats.knet.';
const LINK_BRANCH = /^stats\.knet\.node(\d+)\.link(\d+)\.$/;
/** Packets of the peer that show that its own ones get here, and those that answer ours. */
const SIGNS_OF_LIFE = ['rx_ping_packets', 'rx_pong_packets'] as const;
/** A link that was silent for so long is not heard: several intervals of pings with any timeouts that are in use. */
const SILENCE_MS_MIN = 3_000;

/** Looks at this node's links in the statistics: what each is, and since when it has been silent. */
export class LinkObserver {
  private readonly counts = new Map<string, { count: number; changedMs: number }>();

  constructor(
    private readonly statistics: StatsMap,
    private readonly nodeId: number,
    private readonly tokenMs: () => number,
  ) {}

  /** The nodes that this one has links to. */
  peers(): readonly number[] {
    const ids = new Set<number>();
    for (const branch of this.statistics.branchesBelow(LINKS_PREFIX)) {
      const id = LINK_BRANCH.exec(branch)?.[1];
      if (id !== undefined && Number(id) !== this.nodeId) ids.add(Number(id));
    }
    return [...ids];
  }

  links(nowMs: number): readonly SeenLink[] {
    const silenceMs = Math.max(SILENCE_MS_MIN, this.tokenMs());
    const views: SeenLink[] = [];
    for (const branch of this.statistics.branchesBelow(LINKS_PREFIX)) {
      const [, id, link] = LINK_BRANCH.exec(branch) ?? [];
      const peerId = Number(id);
      if (id === undefined || peerId === this.nodeId) continue;
      views.push({
        peerId,
        link: Number(link),
        up: this.number(branch, 'connected') === 1,
        heard: this.heard(branch, nowMs, silenceMs),
        latencyUs: this.number(branch, 'latency_ave'),
        mtu: this.number(branch, 'mtu'),
        downs: this.number(branch, 'down_count'),
      });
    }
    return views.sort((a, b) => a.peerId - b.peerId || a.link - b.link);
  }

  private heard(branch: string, nowMs: number, silenceMs: number): boolean {
    const count = SIGNS_OF_LIFE.reduce((sum, name) => sum + this.number(branch, name), 0);
    const known = this.counts.get(branch);
    if (known === undefined) {
      this.counts.set(branch, { count, changedMs: count > 0 ? nowMs : Number.NEGATIVE_INFINITY });
      return count > 0;
    }
    if (count !== known.count) {
      known.count = count;
      known.changedMs = nowMs;
    }
    return nowMs - known.changedMs < silenceMs;
  }

  private number(branch: string, name: string): number {
    return this.statistics.numberOf(branch, name);
  }
}

/** Prefix of the keys of all views. */
export const VIEWS_PREFIX = 'rondo.view.';
const SELF_TABLE: StatsTable = {
  configuration: CmapType.STRING,
  version: CmapType.STRING,
  key: CmapType.STRING,
  key_file: CmapType.STRING,
};
const LINK_TABLE: StatsTable = {
  up: CmapType.U8,
  heard: CmapType.U8,
  latency_us: CmapType.U32,
  mtu: CmapType.U32,
  downs: CmapType.U32,
};

/** The views of all nodes in the statistics map: `rondo.view.node<N>.self.…`, `rondo.view.node<N>.peer<M>.link<L>.…`. */
export class ViewKeys {
  private views: ReadonlyMap<number, ConnectivityView> = new Map();
  /** Node → the links that it has keys for. Those of a ring of N nodes are N², so they are made once and read what is known then. */
  private readonly shown = new Map<number, string>();

  constructor(private readonly statistics: StatsMap) {}

  show(views: ReadonlyMap<number, ConnectivityView>): void {
    this.views = views;
    for (const nodeId of this.shown.keys()) if (!views.has(nodeId)) this.remove(nodeId);
    for (const [nodeId, { links }] of views) {
      const wanted = links.map(({ peerId, link }) => `${peerId}.${link}`).join(' ');
      if (this.shown.get(nodeId) === wanted) continue;
      this.remove(nodeId);
      this.add(nodeId, links);
      this.shown.set(nodeId, wanted);
    }
  }

  private remove(nodeId: number): void {
    this.shown.delete(nodeId);
    for (const prefix of [...this.statistics.branchesBelow(nodePrefix(nodeId))]) this.statistics.remove(prefix);
  }

  private add(nodeId: number, links: readonly SeenLink[]): void {
    const common = { discreet: true, silent: true } as const;
    const prefix = nodePrefix(nodeId);
    const self = (name: string): string => ownValue(this.views.get(nodeId), name);
    this.statistics.add({ ...common, prefix: `${prefix}self.`, table: SELF_TABLE, read: self });
    for (const { peerId, link } of links) {
      const read = (name: string): number | undefined => {
        const seen = this.views.get(nodeId)?.links.find((other) => other.peerId === peerId && other.link === link);
        return seen === undefined ? undefined : linkValue(seen, name);
      };
      this.statistics.add({ ...common, prefix: `${prefix}peer${peerId}.link${link}.`, table: LINK_TABLE, read });
    }
  }
}

const nodePrefix = (nodeId: number): string => `${VIEWS_PREFIX}node${nodeId}.`;

function ownValue(view: ConnectivityView | undefined, name: string): string {
  const { configuration = '', version = '', key = '', keyFile = '' } = view ?? {};
  const own: Readonly<Record<string, string>> = { configuration, version, key, key_file: keyFile };
  return own[name] ?? '';
}

function linkValue({ up, heard, latencyUs, mtu, downs }: SeenLink, name: string): number {
  switch (name) {
    case 'up':
      return up ? 1 : 0;
    case 'heard':
      return heard ? 1 : 0;
    case 'latency_us':
      return latencyUs;
    case 'mtu':
      return mtu;
    default:
      return downs;
  }
}
