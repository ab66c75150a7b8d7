import { printable } from '../lib/printable.ts';

/** What happened, as the sources report it. Names are those that others chose: they are made printable before they leave. */
export type ClusterEvent =
  /** Quorum was gained or lost. */
  | { readonly kind: 'quorum'; readonly quorate: boolean; readonly members: readonly number[] }
  /** A node joined or left the ring. `name`: that of the node list; `address`: of its last link, as stock reports it. */
  | {
      readonly kind: 'node';
      readonly peerId: number;
      readonly name: string | null;
      readonly address: string | null;
      readonly joined: boolean;
    }
  /** A link to a node went up or down (knet). */
  | { readonly kind: 'link'; readonly peerId: number; readonly link: number; readonly up: boolean }
  /** A process joined or left a process group, on whatever node. */
  | {
      readonly kind: 'process';
      readonly group: string;
      readonly peerId: number;
      readonly pid: number;
      readonly joined: boolean;
    }
  /** A client connected to this node's daemon, or its connection ended. `client`: pointer, process id and name, as stock writes them. */
  | { readonly kind: 'client'; readonly client: string; readonly connected: boolean }
  /** `rondo notify` only: the daemon was lost, or is there again. */
  | { readonly kind: 'daemon'; readonly reachable: boolean };

export const quorumEvent = (quorate: boolean, members: readonly number[]): ClusterEvent => ({
  kind: 'quorum',
  quorate,
  members,
});

export type EventKind = ClusterEvent['kind'];
export const EVENT_KINDS: readonly EventKind[] = ['quorum', 'node', 'link', 'process', 'client', 'daemon'];

export type EventName =
  | 'quorum.lost'
  | 'quorum.gained'
  | 'daemon.lost'
  | 'daemon.found'
  | 'node.left'
  | 'node.joined'
  | 'link.down'
  | 'link.up'
  | 'process.left'
  | 'process.joined'
  | 'client.disconnected'
  | 'client.connected';

/** Higher is more urgent; every POSIX system has the priorities from 0 to 31. */
export const PRIORITY: Readonly<Record<EventName, number>> = {
  'quorum.lost': 31,
  'quorum.gained': 30,
  'daemon.lost': 29,
  'daemon.found': 28,
  'node.left': 21,
  'node.joined': 20,
  'link.down': 11,
  'link.up': 10,
  'process.left': 3,
  'process.joined': 2,
  'client.disconnected': 1,
  'client.connected': 0,
};

/** An event with its number, ready to be sent. */
export interface Notice {
  /** The same for every attempt to deliver it, and for nothing else: receivers drop what they have seen. */
  readonly id: string;
  /** Counts this notifier's notices from 1: the order in which things happened. */
  readonly seq: number;
  readonly timeMs: number;
  readonly host: string;
  /** The node that reports. */
  readonly nodeId: number;
  readonly name: EventName;
  readonly priority: number;
  readonly event: ClusterEvent;
}

/** Of the two things that each kind of event can be, the better one: quorum was gained, a node joined, a link went up. */
function isGain(event: ClusterEvent): boolean {
  switch (event.kind) {
    case 'quorum':
      return event.quorate;
    case 'link':
      return event.up;
    case 'client':
      return event.connected;
    case 'daemon':
      return event.reachable;
    default:
      return event.joined;
  }
}

/** What the two are called: the notice, and the new state in signals and traps of stock's notifyd. */
const NAMES: Readonly<Record<EventKind, readonly [gain: EventName, loss: EventName]>> = {
  quorum: ['quorum.gained', 'quorum.lost'],
  node: ['node.joined', 'node.left'],
  link: ['link.up', 'link.down'],
  process: ['process.joined', 'process.left'],
  client: ['client.connected', 'client.disconnected'],
  daemon: ['daemon.found', 'daemon.lost'],
};
const STATUSES: Readonly<Record<EventKind, readonly [gain: string, loss: string]>> = {
  quorum: ['quorate', 'not quorate'],
  node: ['joined', 'left'],
  link: ['operational', 'disconnected'],
  process: ['joined', 'left'],
  client: ['connected', 'disconnected'],
  daemon: ['connected', 'disconnected'],
};

export const eventName = (event: ClusterEvent): EventName => NAMES[event.kind][isGain(event) ? 0 : 1];
export const statusWord = (event: ClusterEvent): string => STATUSES[event.kind][isGain(event) ? 0 : 1];

/** One line in stock's words, as its notifyd logs it (config-and-tools.md 3.7); processes and the daemon are ours. */
export function noticeText({ host, nodeId, event }: Pick<Notice, 'host' | 'nodeId' | 'event'>): string {
  return printable(`${subject(host, nodeId, event)} ${predicate(event)}`);
}

function subject(host: string, nodeId: number, event: ClusterEvent): string {
  if (event.kind !== 'node') return `${host}[${nodeId}]`;
  const address = event.address ?? 'unknown';
  return `${event.name ?? address}[${event.peerId}] ip:${address}`;
}

function predicate(event: ClusterEvent): string {
  const status = statusWord(event);
  switch (event.kind) {
    case 'quorum':
      return event.quorate ? 'is now quorate' : 'has lost quorum';
    case 'node':
      return status;
    case 'link':
      return `link ${event.link} to node ${event.peerId} is now ${status}`;
    case 'process':
      return `process ${event.pid} of node ${event.peerId} ${status} group ${event.group}`;
    case 'client':
      return `${event.client} is now ${status} ${event.connected ? 'to' : 'from'} corosync`;
    case 'daemon':
      return event.reachable ? 'has its daemon again' : 'has lost its daemon';
  }
}

/** The parts of an event under the names that JSON and the environment of commands have. */
export function noticeDetails(event: ClusterEvent): Readonly<Record<string, string | number | readonly number[]>> {
  switch (event.kind) {
    case 'quorum':
      return { members: event.members };
    case 'node':
      return {
        peerId: event.peerId,
        ...(event.name === null ? {} : { peerName: printable(event.name) }),
        ...(event.address === null ? {} : { peerAddress: printable(event.address) }),
      };
    case 'link':
      return { peerId: event.peerId, link: event.link };
    case 'process':
      return { peerId: event.peerId, pid: event.pid, group: printable(event.group) };
    case 'client':
      return { client: printable(event.client) };
    case 'daemon':
      return {};
  }
}

/** Layout of the JSON; raised when a field changes its meaning. */
const FORMAT_VERSION = 1;

/** One JSON object; `dropped`: how many notices this receiver did not get so far, for want of room. */
export function noticeJson(notice: Notice, dropped: number): string {
  const { id, seq, timeMs, host, nodeId, name, priority, event } = notice;
  return JSON.stringify({
    version: FORMAT_VERSION,
    event: name,
    priority,
    id,
    seq,
    time: new Date(timeMs).toISOString(),
    host: printable(host),
    nodeId,
    text: noticeText(notice),
    ...noticeDetails(event),
    dropped,
  });
}

/** As `noticeJson`, of at most so many bytes: without the lists, then without the text, if need be. `null`: not even then. */
export function boundedNoticeJson(notice: Notice, dropped: number, bytesMax: number): string | null {
  const whole = noticeJson(notice, dropped);
  if (Buffer.byteLength(whole) <= bytesMax) return whole;
  const fields = JSON.parse(whole) as Record<string, unknown>;
  for (const name of ['members', 'text', 'group', 'client', 'peerName', 'host']) {
    delete fields[name];
    const shorter = JSON.stringify({ ...fields, cut: true });
    if (Buffer.byteLength(shorter) <= bytesMax) return shorter;
  }
  return null;
}
