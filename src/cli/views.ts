import type { Cmap } from '../client/cmap.ts';
import type { ConnectivityView, SeenLink } from '../lib/connectivity.ts';

const PREFIX = 'rondo.view.';
const KEY = /^rondo\.view\.node(\d+)\.(?:self\.(\w+)|peer(\d+)\.link(\d+)\.(\w+))$/;

interface Growing {
  configuration: string;
  version: string;
  key: string;
  keyFile: string;
  readonly links: Map<string, { -readonly [K in keyof SeenLink]: SeenLink[K] }>;
}

/** The views of all nodes that publish them, as this node's daemon has them; none with stock's daemon. `stats`: the statistics map. */
export async function nodeViews(stats: Cmap): Promise<readonly ConnectivityView[]> {
  const nodes = new Map<number, Growing>();
  for await (const { key, value } of stats.entries(PREFIX)) {
    const [, id, own, peerId, link, field] = KEY.exec(key) ?? [];
    if (id === undefined) continue;
    const node = nodes.get(Number(id)) ?? { configuration: '', version: '', key: '', keyFile: '', links: new Map() };
    nodes.set(Number(id), node);
    if (own === 'configuration' || own === 'version' || own === 'key') node[own] = String(value);
    if (own === 'key_file') node.keyFile = String(value);
    if (peerId !== undefined) note(node, Number(peerId), Number(link), field ?? '', Number(value));
  }
  return [...nodes]
    .sort(([a], [b]) => a - b)
    .map(([nodeId, { links, ...rest }]) => ({ nodeId, ...rest, links: [...links.values()] }));
}

function note(node: Growing, peerId: number, link: number, field: string, value: number): void {
  const place = `${peerId} ${link}`;
  const view = node.links.get(place) ?? { peerId, link, up: false, heard: false, latencyUs: 0, mtu: 0, downs: 0 };
  node.links.set(place, view);
  switch (field) {
    case 'up':
    case 'heard':
      view[field] = value === 1;
      break;
    case 'latency_us':
      view.latencyUs = value;
      break;
    case 'mtu':
    case 'downs':
      view[field] = value;
      break;
    default: // of a later version
  }
}
