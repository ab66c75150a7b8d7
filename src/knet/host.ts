import type { LinkPolicy } from '../lib/knet-facts.ts';
import { KNET, KNET_LIMITS } from './constants.ts';
import { ExpandBudget } from './expand-budget.ts';
import type { Link } from './link.ts';
import { type AssemblyPool, Reassembler } from './reassembly.ts';
import { DuplicateWindow } from './window.ts';

/** A remote node: its links, what was received from it, and which links carry what is sent to it. */
export class Host {
  /** Index = link id; null where the link is not configured. */
  readonly links: (Link | null)[] = new Array<Link | null>(KNET.linksMax).fill(null);
  readonly window = new DuplicateWindow();
  readonly reassembler: Reassembler;
  /** Time for its compressed messages, in this node's model and in others. */
  readonly expandOwn = new ExpandBudget(KNET_LIMITS.expandOwnModelMs.host);
  readonly expandOther = new ExpandBudget(KNET_LIMITS.expandOtherModelsMs.host);
  /** Usable links in the order in which the policy tries them; the first carries everything with `passive`. */
  readonly usable: Link[] = [];
  /** With `rr`: position in `usable` of the link for the next message. */
  private rotation = 0;

  /** Number of the newest untimed PING, −1 before the first: it arrives once on every link (knet.md 2.5). */
  lastUntimedSeq = -1;
  /** DATA came since the last untimed, since the last timed PING. */
  dataSinceUntimed = false;
  dataSinceTimed = false;

  /** Crypto configuration of its newest packet while one replaces another, −1 before the first (knet.md 5.4). */
  cryptoSlot = -1;

  /** That it is silent was reported. */
  silent = false;

  constructor(
    readonly nodeId: number,
    pool: AssemblyPool,
  ) {
    this.reassembler = new Reassembler(pool);
  }

  /** Since when no link of it brought a PONG for the PINGs that it was sent; -1 while one has none to wait for. */
  get silentSinceMs(): number {
    let since = -1;
    for (const link of this.links) {
      if (link === null) continue;
      if (link.silentSinceMs < 0) return -1;
      since = Math.max(since, link.silentSinceMs);
    }
    return since;
  }

  /** It sends more PINGs than its rounds. */
  get hurries(): boolean {
    for (const link of this.links) if (link?.peerHurries) return true;
    return false;
  }

  get reachable(): boolean {
    return this.usable.length > 0;
  }

  /** Forgets everything received: the peer restarted, or its last link went down (knet.md 2.5). */
  wipe(): void {
    this.window.reset();
    for (const link of this.links) if (link !== null) link.lastPingSeq = 0;
    this.reassembler.reset();
    this.dataSinceUntimed = false;
    this.dataSinceTimed = false;
  }

  /** After any change of a link. Highest priority first, ties to the lowest link id (knet.md 3.5). */
  sortUsable(): void {
    this.usable.length = 0;
    for (const link of this.links) if (link?.usable) this.usable.push(link);
    this.usable.sort((a, b) => b.config.priority - a.config.priority || a.linkId - b.linkId);
    if (this.rotation >= this.usable.length) this.rotation = 0;
  }

  /** The first of the links that carry the next message; with `active` all of `usable` do. */
  linkForMessage(policy: LinkPolicy): Link {
    if (policy !== 'rr') return this.usable[0]!;
    const link = this.usable[this.rotation]!;
    this.rotation = this.rotation + 1 >= this.usable.length ? 0 : this.rotation + 1;
    return link;
  }

  /** The link whose peer address a DATA packet came from: the first one, as in stock (knet.md 1.6 step 6). */
  linkByAddress(addressId: number): Link | null {
    for (const link of this.links) if (link !== null && link.addressId === addressId) return link;
    return null;
  }
}
