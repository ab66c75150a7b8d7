import { counted } from '../../lib/counted.ts';
import type { PageLink, PageNode, PageState } from '../page-state.ts';
import { renew, setText, svg } from './elements.ts';

const CENTRE = { x: 200, y: 180 };
const RADIUS = 112;
/** Nodes that are not in the ring stand outside of it. */
const OUTSIDE = 30;
const TRAIL = [1, 0.5, 0.28, 0.15, 0.07];
const TRAIL_STEP = 0.055;
const FRAME_MS = 33;
/** A token that was not here for this share of its timeout is missed. */
const MISSED_SHARE = 0.5;

/** How a node is reached from here: over all links, some, none; or it is not in the ring. */
export type Reach = 'all' | 'some' | 'none' | 'gone';

export function reachOf(node: PageNode, links: readonly PageLink[]): Reach {
  const own = links.filter((link) => link.node === node.id);
  const connected = own.filter((link) => link.connected).length;
  if (!node.local && own.length > 0 && connected === 0) return 'none';
  if (!node.member) return 'gone';
  return connected === own.length ? 'all' : 'some';
}

interface Place {
  readonly node: PageNode;
  readonly reach: Reach;
  readonly angle: number;
}

const at = (angle: number, radius: number): readonly [number, number] => [
  CENTRE.x + radius * Math.sin(angle),
  CENTRE.y - radius * Math.cos(angle),
];

/**
 * The members in the order in which the token visits them. The token on the page goes round far more slowly than the real one: its pace
 * follows the logarithm of the real one, and it stands still when that is missing.
 */
export class RingPicture {
  private readonly back = svg('g');
  private readonly nodes = svg('g');
  private readonly trail = TRAIL.map((opacity, i) =>
    svg('circle', { class: 'token', r: i === 0 ? 8 : 7 - i, opacity }),
  );
  private readonly count = svg('text', { class: 'centre', x: CENTRE.x, y: CENTRE.y + 4 });
  private readonly centre = svg('text', { class: 'small', x: CENTRE.x, y: CENTRE.y + 24 });
  private turn = 0;
  private turnsPerSecond = 0;
  private lastMs = 0;

  constructor(
    private readonly picture: Element,
    private readonly words: Element,
  ) {
    picture.append(this.back, this.nodes, ...this.trail.toReversed(), this.count, this.centre);
    const still = matchMedia('(prefers-reduced-motion: reduce)');
    const frame = (nowMs: number): void => {
      requestAnimationFrame(frame);
      if (nowMs - this.lastMs < FRAME_MS) return;
      const seconds = Math.min(0.2, (nowMs - this.lastMs) / 1000);
      this.lastMs = nowMs;
      if (!still.matches) this.turn = (this.turn + this.turnsPerSecond * seconds) % 1;
      this.placeToken();
    };
    requestAnimationFrame(frame);
  }

  show(state: PageState): void {
    const places = placesOf(state);
    const key = JSON.stringify(places.map(({ node, reach }) => [node, reach]));
    renew(this.back, key, () => [
      svg('circle', { class: 'orbit', cx: CENTRE.x, cy: CENTRE.y, r: RADIUS }),
      ...sights(places),
    ]);
    renew(this.nodes, key, () => places.map(nodePicture));
    this.picture.setAttribute('viewBox', frameOf(places));
    this.pace(state);
    const gone = places.filter(({ reach }) => reach === 'gone' || reach === 'none');
    setText(this.count, `${state.ring.members.length}`);
    setText(this.centre, state.ring.members.length === 1 ? 'member' : 'members');
    const missing =
      gone.length === 0 ? '' : `; not reached or not in it: ${gone.map(({ node }) => node.name).join(', ')}`;
    setText(
      this.words,
      `Ring ${state.ring.id}: ${counted(state.ring.members.length, 'member')} of ${counted(state.nodes.length, 'node')}${missing}.`,
    );
  }

  /** No state comes any more: nobody knows where the token is. */
  lost(): void {
    this.turnsPerSecond = 0;
    for (const dot of this.trail) dot.setAttribute('visibility', 'hidden');
  }

  private pace({ ring, sample }: PageState): void {
    const missed = ring.silentMs === null || ring.silentMs > ring.tokenMs * MISSED_SHARE;
    const perSecond = sample?.tokens ?? 0;
    this.turnsPerSecond = missed ? 0 : 0.12 + 0.12 * Math.log10(1 + perSecond);
    for (const [i, dot] of this.trail.entries()) {
      dot.setAttribute('data-state', missed ? 'lost' : 'going');
      dot.setAttribute('visibility', missed && i > 0 ? 'hidden' : 'visible');
    }
  }

  private placeToken(): void {
    for (const [i, dot] of this.trail.entries()) {
      const [x, y] = at(this.turn * 2 * Math.PI - i * TRAIL_STEP, RADIUS);
      dot.setAttribute('cx', x.toFixed(1));
      dot.setAttribute('cy', y.toFixed(1));
    }
  }
}

/** All nodes in the order of their ids, which is that of the ring. */
function placesOf({ nodes, links }: PageState): readonly Place[] {
  const sorted = [...nodes].sort((a, b) => a.id - b.id);
  return sorted.map((node, i) => ({
    node,
    reach: reachOf(node, links),
    angle: (i * 2 * Math.PI) / sorted.length,
  }));
}

const isInRing = ({ node }: Place): boolean => node.member;
const spot = (place: Place): readonly [number, number] => at(place.angle, isInRing(place) ? RADIUS : RADIUS + OUTSIDE);

/** What has to be seen: the ring, the nodes and their names. */
function frameOf(places: readonly Place[]): string {
  const spots = places.map(spot);
  const top = Math.min(CENTRE.y - RADIUS - 10, ...spots.map(([, y]) => y - 56));
  const bottom = Math.max(CENTRE.y + RADIUS + 10, ...spots.map(([, y]) => y + 56));
  const half = Math.max(RADIUS + 40, ...spots.map(([x]) => Math.abs(x - CENTRE.x) + 55));
  return [CENTRE.x - half, top, 2 * half, bottom - top].map(Math.round).join(' ');
}

/** What this node sees of the others. */
function sights(places: readonly Place[]): readonly SVGElement[] {
  const own = places.find(({ node }) => node.local);
  if (own === undefined) return [];
  const [x1, y1] = spot(own);
  return places
    .filter((place) => place !== own && place.reach !== 'gone')
    .map((place) => {
      const [x2, y2] = spot(place);
      return svg('line', { class: 'sight', 'data-state': place.reach, x1, y1, x2, y2 });
    });
}

const REACH_WORDS: Readonly<Record<Reach, string>> = {
  all: '',
  some: 'a link is down',
  none: 'not reached',
  gone: 'not in the ring',
};

function nodePicture(place: Place): SVGElement {
  const { node, reach, angle } = place;
  const [x, y] = spot(place);
  const down = Math.cos(angle) < -0.3;
  const labelY = down ? y + 38 : y - 30;
  const words = node.local && reach === 'all' ? 'this node' : REACH_WORDS[reach];
  const labels = [svg('text', { x, y: words !== '' && !down ? labelY - 13 : labelY }, node.name)];
  if (words !== '') labels.push(svg('text', { class: 'small', x, y: down ? labelY + 13 : labelY }, words));
  const attributes = { class: 'node', 'data-state': reach, ...(node.local ? { 'data-local': '' } : {}) };
  return svg(
    'g',
    attributes,
    svg('circle', { cx: x, cy: y, r: 21 }),
    svg('text', { class: 'number', x, y: y + 5 }, String(node.id)),
    ...labels,
  );
}
