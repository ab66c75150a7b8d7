import { counted } from '../lib/counted.ts';
import type { SeenFact } from './fact.ts';

/** PINGs without a PONG after which a path counts as silent: as many as knet itself bears is not known from a capture. */
const UNANSWERED_PINGS = 3;
const UNANSWERED_MS = 400;
const PATHS_MAX = 4_096;

interface Path {
  node: number;
  link: number;
  readonly from: string;
  readonly to: string;
  pings: number;
  pongs: number;
  /** PINGs since the last PONG. */
  unanswered: number;
  firstUnansweredMs: number;
  silent: boolean;
  /** Largest size that the other end confirmed. */
  mtu: number;
}

/** PING and PONG of each path, and the sizes that passed. */
export class LinkStory {
  private readonly paths = new Map<string, Path>();

  constructor(private readonly report: (fact: SeenFact, text: string) => void) {}

  take(fact: SeenFact): void {
    const { packet, kind } = fact;
    const request = kind === 'ping' || kind === 'pmtud';
    const [from, to] = request ? [packet.from, packet.to] : [packet.to, packet.from];
    const path = this.path(from, to, Number(fact.data['link']));
    if (path === null) return;
    if (kind === 'ping') this.ping(path, fact);
    else if (kind === 'pong') this.pong(path, fact);
    else if (kind === 'pmtud-reply') path.mtu = Math.max(path.mtu, Number(fact.data['size']));
  }

  private ping(path: Path, fact: SeenFact): void {
    path.node = fact.node;
    path.pings++;
    if (path.unanswered === 0) path.firstUnansweredMs = fact.packet.timeMs;
    path.unanswered++;
    const ms = Math.round(fact.packet.timeMs - path.firstUnansweredMs);
    if (path.silent || path.unanswered <= UNANSWERED_PINGS || ms < UNANSWERED_MS) return;
    path.silent = true;
    const since = path.pongs === 0 ? 'has not replied yet' : 'does not reply any more';
    this.report(
      fact,
      `${path.to} ${since} to node ${path.node} on link ${path.link} (${path.unanswered - 1} PINGs in ${ms} ms)`,
    );
  }

  private pong(path: Path, fact: SeenFact): void {
    path.pongs++;
    path.unanswered = 0;
    if (!path.silent) return;
    path.silent = false;
    this.report(fact, `${path.to} replies to ${path.from} on link ${path.link}`);
  }

  private path(from: string, to: string, link: number): Path | null {
    const key = `${from}>${to} ${link}`;
    const known = this.paths.get(key);
    if (known !== undefined) return known;
    if (this.paths.size >= PATHS_MAX) return null;
    const path: Path = {
      node: 0,
      link,
      from,
      to,
      pings: 0,
      pongs: 0,
      unanswered: 0,
      firstUnansweredMs: 0,
      silent: false,
      mtu: 0,
    };
    this.paths.set(key, path);
    return path;
  }

  summary(): readonly string[] {
    return [...this.paths.values()].map((path) => {
      const size = path.mtu === 0 ? '' : `, packets of ${counted(path.mtu, 'byte')} passed`;
      return `link ${path.link} ${path.from} → ${path.to}: ${path.pings} PINGs, ${path.pongs} PONGs${size}`;
    });
  }
}
