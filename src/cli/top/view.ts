import { timesDown } from '../../lib/knet-facts.ts';
import type { ClientSample, LinkSample, TopSample } from './sample.ts';

export const SORT_KEYS = { r: 'requests', e: 'events', w: 'waiting', n: 'name', p: 'pid' } as const;
export type SortKey = (typeof SORT_KEYS)[keyof typeof SORT_KEYS];

/** What is shown: rates are a second's, between two samples. */
export interface TopView {
  readonly quorate: boolean;
  readonly members: readonly number[];
  readonly configured: number;
  /** Milliseconds from token to token, mean; 0: not known. */
  readonly rotationMs: number;
  readonly tokens: number;
  readonly sent: number;
  readonly received: number;
  readonly retransmitted: number;
  readonly tokensLost: number;
  readonly links: readonly LinkRow[];
  readonly clients: readonly ClientRow[];
}

export interface LinkRow {
  readonly peerId: number;
  readonly link: number;
  readonly up: boolean;
  readonly latencyUs: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly downs: number;
}

export interface ClientRow {
  readonly pid: number;
  readonly service: string;
  readonly name: string;
  readonly requests: number;
  readonly events: number;
  readonly waiting: number;
}

const SERVICES = ['cmap', 'cfg', 'cpg', 'quorum', 'pload', 'votequorum', 'mon', 'wd'] as const;

/** The rates between two samples; without an earlier one they are 0. */
export function topView(before: TopSample | null, now: TopSample, sort: SortKey): TopView {
  const seconds = before === null ? 0 : (now.timeMs - before.timeMs) / 1000;
  const rate = (earlier: number | undefined, later: number | undefined): number =>
    seconds <= 0 || earlier === undefined || later === undefined ? 0 : Math.max(0, (later - earlier) / seconds);
  const ring = (name: string): number => rate(before?.ring.get(name), now.ring.get(name));
  const links = now.links.filter(({ values }) => values.has('connected')).map((link) => linkRow(link, before, rate));
  const clients = now.clients.map((client) => clientRow(client, before, rate));
  return {
    quorate: now.quorate,
    members: now.members,
    configured: now.configured,
    rotationMs: now.ring.get('mtt_rx_token') ?? 0,
    tokens: ring('orf_token_rx'),
    sent: ring('mcast_tx'),
    received: ring('mcast_rx'),
    retransmitted: ring('mcast_retx'),
    tokensLost: now.ring.get('operational_token_lost') ?? 0,
    links: links.sort((a, b) => a.peerId - b.peerId || a.link - b.link),
    clients: clients.sort(comparison(sort)),
  };
}

type Rate = (earlier: number | undefined, later: number | undefined) => number;

function linkRow({ peerId, link, values }: LinkSample, before: TopSample | null, rate: Rate): LinkRow {
  const old = before?.links.find((other) => other.peerId === peerId && other.link === link)?.values;
  return {
    peerId,
    link,
    up: values.get('connected') === 1,
    latencyUs: values.get('latency_ave') ?? 0,
    sentBytes: rate(old?.get('tx_total_bytes'), values.get('tx_total_bytes')),
    receivedBytes: rate(old?.get('rx_total_bytes'), values.get('rx_total_bytes')),
    downs: timesDown(values.get('down_count') ?? 0),
  };
}

function clientRow({ id, pid, service, name, values }: ClientSample, before: TopSample | null, rate: Rate): ClientRow {
  const old = before?.clients.find(
    (other) => other.id === id && other.pid === pid && other.service === service,
  )?.values;
  return {
    pid,
    service: SERVICES[service] ?? String(service),
    name,
    requests: rate(old?.get('requests'), values.get('requests')),
    events: rate(old?.get('dispatched'), values.get('dispatched')),
    waiting: values.get('queued') ?? 0,
  };
}

/** The most first; names and process ids upwards. Equal ones stay in the order of their process ids. */
function comparison(sort: SortKey): (a: ClientRow, b: ClientRow) => number {
  const byPid = (a: ClientRow, b: ClientRow): number => a.pid - b.pid || (a.service < b.service ? -1 : 1);
  if (sort === 'pid') return byPid;
  if (sort === 'name') return (a, b) => (a.name === b.name ? byPid(a, b) : a.name < b.name ? -1 : 1);
  return (a, b) => b[sort] - a[sort] || byPid(a, b);
}
