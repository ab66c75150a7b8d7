import { CmapType, cmapNumber } from '../lib/cmap-value.ts';
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
        up: this.number(`${branch}connected`) === 1,
        heard: this.heard(branch, nowMs, silenceMs),
        latencyUs: this.number(`${branch}latency_ave`),
        mtu: this.number(`${branch}mtu`),
        downs: this.number(`${branch}down_count`),
      });
    }
    return views.sort((a, b) => a.peerId - b.peerId || a.link - b.link);
  }

  private heard(branch: string, nowMs: number, silenceMs: number): boolean {
    const count = SIGNS_OF_LIFE.reduce((sum, name) => sum + this.number(branch + name), 0);
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

  private number(key: string): number {
    const value = this.statistics.get(key);
    return typeof value === 'number' ? 0 : (cmapNumber(value) ?? 0);
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

/** Shows the views of all nodes in the statistics map: `rondo.view.node<N>.self.…`, `rondo.view.node<N>.peer<M>.link<L>.…`. */
export function showViews(statistics: StatsMap, views: ReadonlyMap<number, ConnectivityView>): void {
  const wanted = new Map<string, { readonly table: StatsTable; readonly read: (name: string) => string | number }>();
  for (const { nodeId, configuration, version, key, keyFile, links } of views.values()) {
    const prefix = `${VIEWS_PREFIX}node${nodeId}.`;
    const own: Readonly<Record<string, string>> = { configuration, version, key, key_file: keyFile };
    wanted.set(`${prefix}self.`, { table: SELF_TABLE, read: (name) => own[name] ?? '' });
    for (const link of links)
      wanted.set(`${prefix}peer${link.peerId}.link${link.link}.`, {
        table: LINK_TABLE,
        read: (name) => linkValue(link, name),
      });
  }
  for (const prefix of [...statistics.branchesBelow(VIEWS_PREFIX)]) if (!wanted.has(prefix)) statistics.remove(prefix);
  for (const [prefix, { table, read }] of wanted) statistics.add({ prefix, table, read, discreet: true, silent: true });
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
