/** A link to a node as one end of it sees it. */
export interface SeenLink {
  readonly peerId: number;
  readonly link: number;
  /** The transport uses it: enough of its pings were answered lately. */
  readonly up: boolean;
  /** Any packet of the peer's pings and answers came lately, whatever became of our own. */
  readonly heard: boolean;
  /** Microseconds; 0: not known. */
  readonly latencyUs: number;
  /** Bytes of a datagram that go through. */
  readonly mtu: number;
  /** How often it went down since the start of the daemon, or since the counters were cleared. */
  readonly downs: number;
}

/** What a node says of itself and its links. */
export interface ConnectivityView {
  readonly nodeId: number;
  /** Digest of the part of its configuration that all nodes share. */
  readonly configuration: string;
  /** Version of its program. */
  readonly version: string;
  /** Short digests of the key in force and of its file as it is now; empty: there is none. */
  readonly key: string;
  readonly keyFile: string;
  readonly links: readonly SeenLink[];
}

/** What is wrong between two nodes (`a < b` but for the one-way link). */
export type ConnectivityFault =
  /** Packets get through from `from` to `to`, and not the other way. */
  | { readonly kind: 'one-way'; readonly link: number; readonly from: number; readonly to: number }
  /** Neither hears the other, or, where only one can be asked, that one hears nothing. */
  | { readonly kind: 'down'; readonly link: number; readonly a: number; readonly b: number }
  /** Both hear each other, and only `up` uses the link. */
  | { readonly kind: 'one-sided'; readonly link: number; readonly up: number; readonly down: number }
  /** No link at all, although `through` reaches both: the ring cannot hold the three of them. */
  | { readonly kind: 'no-path'; readonly a: number; readonly b: number; readonly through: number };

/** Node → peer → the links to it, as that node sees them. */
type Links = ReadonlyMap<number, ReadonlyMap<number, readonly SeenLink[]>>;
const NONE: readonly SeenLink[] = [];

/**
 * What the views of the nodes say together: pairs that see their link differently, links that are down, pairs that only others reach; the first
 * `most` of each kind. The work is in proportion to the links that the views name, not to all pairs of nodes.
 */
export function connectivityFaults(
  views: readonly ConnectivityView[],
  most = Number.POSITIVE_INFINITY,
): readonly ConnectivityFault[] {
  const links = new Map(views.map((view) => [view.nodeId, byPeer(view)]));
  const pairs = knownPairs(links);
  const faults: ConnectivityFault[] = [];
  for (const [a, b] of pairs) {
    const forth = links.get(a)?.get(b) ?? NONE;
    const back = links.get(b)?.get(a) ?? NONE;
    for (const link of new Set([...forth, ...back].map((view) => view.link))) {
      const of = (side: readonly SeenLink[]): SeenLink | undefined => side.find((view) => view.link === link);
      const fault = linkFault(a, b, link, of(forth), of(back));
      if (fault !== null && faults.length < most) faults.push(fault);
    }
    if (faults.length >= most) break;
  }
  return [...faults, ...pairsWithoutPath(pairs, links, most)];
}

/** Pairs of which one says something of the other, the lower first, in order. */
function knownPairs(links: Links): readonly (readonly [a: number, b: number])[] {
  const higher = new Map<number, Set<number>>();
  for (const [nodeId, peers] of links)
    for (const peer of peers.keys()) {
      if (peer === nodeId) continue;
      const [a, b] = peer < nodeId ? [peer, nodeId] : [nodeId, peer];
      const known = higher.get(a);
      if (known === undefined) higher.set(a, new Set([b]));
      else known.add(b);
    }
  const ascending = (ids: Iterable<number>): number[] => [...ids].sort((x, y) => x - y);
  return ascending(higher.keys()).flatMap((a) =>
    ascending(higher.get(a) ?? []).map((b): readonly [number, number] => [a, b]),
  );
}

function byPeer({ links }: ConnectivityView): ReadonlyMap<number, readonly SeenLink[]> {
  const peers = new Map<number, SeenLink[]>();
  for (const link of links) {
    const known = peers.get(link.peerId);
    if (known === undefined) peers.set(link.peerId, [link]);
    else known.push(link);
  }
  return peers;
}

function linkFault(
  a: number,
  b: number,
  link: number,
  forth: SeenLink | undefined,
  back: SeenLink | undefined,
): ConnectivityFault | null {
  if (forth === undefined || back === undefined) {
    const known = forth ?? back;
    return known === undefined || known.up ? null : { kind: 'down', link, a, b };
  }
  if (forth.up && back.up) return null;
  if (forth.heard && !back.heard) return { kind: 'one-way', link, from: b, to: a };
  if (back.heard && !forth.heard) return { kind: 'one-way', link, from: a, to: b };
  if (forth.up !== back.up) return { kind: 'one-sided', link, up: forth.up ? a : b, down: forth.up ? b : a };
  return { kind: 'down', link, a, b };
}

function pairsWithoutPath(
  pairs: readonly (readonly [a: number, b: number])[],
  links: Links,
  most: number,
): ConnectivityFault[] {
  const isUp = ({ up }: SeenLink): boolean => up;
  const reached = new Map<number, Set<number>>();
  const apart: (readonly [a: number, b: number])[] = [];
  for (const pair of pairs) {
    const [a, b] = pair;
    if ((links.get(a)?.get(b) ?? NONE).some(isUp) || (links.get(b)?.get(a) ?? NONE).some(isUp)) {
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const)
        reached.set(from, (reached.get(from) ?? new Set()).add(to));
    } else apart.push(pair);
  }
  const faults: ConnectivityFault[] = [];
  for (const [a, b] of apart) {
    if (faults.length >= most) break;
    const ofOther = reached.get(b);
    const common = [...(reached.get(a) ?? [])].filter((node) => ofOther?.has(node));
    if (common.length > 0) faults.push({ kind: 'no-path', a, b, through: Math.min(...common) });
  }
  return faults;
}

/** One sentence, with the nodes' numbers. */
export function faultText(fault: ConnectivityFault): string {
  switch (fault.kind) {
    case 'one-way':
      return `link ${fault.link} is one-way: packets of node ${fault.from} reach node ${fault.to}, those of node ${fault.to} do not reach node ${fault.from}`;
    case 'down':
      return `link ${fault.link} between nodes ${fault.a} and ${fault.b} is down`;
    case 'one-sided':
      return `link ${fault.link} is up for node ${fault.up} and down for node ${fault.down}`;
    case 'no-path':
      return `nodes ${fault.a} and ${fault.b} do not reach each other, and node ${fault.through} reaches both`;
  }
}
