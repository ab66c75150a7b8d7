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

/** What the views of the nodes say together: pairs that see their link differently, links that are down, pairs that only others reach. */
export function connectivityFaults(views: readonly ConnectivityView[]): readonly ConnectivityFault[] {
  const links = new Map(views.map((view) => [view.nodeId, byPeer(view)]));
  const ids = [...new Set([...links].flatMap(([nodeId, peers]) => [nodeId, ...peers.keys()]))].sort((x, y) => x - y);
  const faults: ConnectivityFault[] = [];
  for (const [at, a] of ids.entries()) {
    for (const b of ids.slice(at + 1)) {
      const forth = links.get(a)?.get(b) ?? NONE;
      const back = links.get(b)?.get(a) ?? NONE;
      for (const link of new Set([...forth, ...back].map((view) => view.link))) {
        const of = (side: readonly SeenLink[]): SeenLink | undefined => side.find((view) => view.link === link);
        const fault = linkFault(a, b, link, of(forth), of(back));
        if (fault !== null) faults.push(fault);
      }
    }
  }
  return [...faults, ...pairsWithoutPath(ids, links)];
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

function pairsWithoutPath(ids: readonly number[], links: Links): ConnectivityFault[] {
  /** `null`: neither of the two can be asked. */
  const connected = (a: number, b: number): boolean | null => {
    const known = [...(links.get(a)?.get(b) ?? NONE), ...(links.get(b)?.get(a) ?? NONE)];
    return known.length === 0 ? null : known.some(({ up }) => up);
  };
  const faults: ConnectivityFault[] = [];
  for (const [at, a] of ids.entries()) {
    for (const b of ids.slice(at + 1)) {
      if (connected(a, b) !== false) continue;
      const through = ids.find((c) => c !== a && c !== b && connected(a, c) === true && connected(b, c) === true);
      if (through !== undefined) faults.push({ kind: 'no-path', a, b, through });
    }
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
