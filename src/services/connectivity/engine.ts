import { type ConnectivityView, connectivityFaults, faultText, type SeenLink } from '../../lib/connectivity.ts';
import type { ConfigurationChange } from '../../lib/ring-id.ts';
import { messageNames, multicast, receive } from '../codec/message.ts';
import type { EngineTimer, MainEngineContext, RunningService, ServiceEngine } from '../engine.ts';
import { CONNECTIVITY_MESSAGES, CONNECTIVITY_SERVICE_ID, decodeView, encodeView } from './messages.ts';

/** How often this node's links are looked at; a change is published then, and not more often. */
export const LOOK_MS = 1_000;
/** How often a view is published that has not changed but for latencies, and for each node of a large ring, which hears all others. */
export const REFRESH_MS = 30_000;
const REFRESH_NODE_MS = 10_000;
/** A fault is reported when it has been there for so long: the two ends of a link notice its death at different times. */
export const FAULT_MS = 5_000;
/** Faults that are followed and reported one by one; a cluster with more has one cause for them. */
const FAULTS_MAX = 64;
/** Changes of the views are gathered for so long before they are shown: whoever sends many costs no more than who sends one. */
const GATHER_MS = 100;
/** Nodes whose views are kept: as many as a ring can have. */
const NODES_MAX = 384;

export interface ConnectivityPorts {
  /** This node's links now. */
  links(nowMs: number): readonly SeenLink[];
  /** Nodes that this one is configured to have links to. */
  peers(): readonly number[];
  /** Digest of the shared configuration in force. */
  configuration(): string;
  readonly version: string;
  /** Digests of the key in force, and of its file. */
  key(): string;
  keyFile(): string;
  /** The views that are known have changed. */
  changed(views: ReadonlyMap<number, ConnectivityView>): void;
}

type Message = keyof typeof CONNECTIVITY_MESSAGES;

/**
 * Every node tells the others how it sees its links (an extension that stock cannot see): one small message when the membership changes, and, if
 * another node of ours is in the ring, when a link changes and every half minute, or less often in large rings. What one node alone cannot know comes out of it: a link that works
 * one way only, two nodes that reach each other only through a third, nodes with other configurations.
 */
export class ConnectivityEngine implements ServiceEngine<MainEngineContext, never, Message> {
  readonly serviceId = CONNECTIVITY_SERVICE_ID;
  readonly name = 'connectivity';
  readonly description = 'views of the links';
  readonly hidden = true;
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly calls = {};
  readonly messages = messageNames(CONNECTIVITY_MESSAGES);
  readonly takesPartInSync = false;

  constructor(private readonly ports: ConnectivityPorts) {}

  start(context: MainEngineContext): RunningService<never, Message> {
    return new ConnectivityService(context, this.ports);
  }
}

class ConnectivityService implements RunningService<never, Message> {
  readonly calls = {};
  readonly messages = receive(CONNECTIVITY_MESSAGES, {
    view: (_values, nodeId, payload) => this.viewDelivered(nodeId, payload),
  });
  private readonly views = new Map<number, ConnectivityView>();
  private members: readonly number[] = [];
  private timer: EngineTimer | null = null;
  private gathering: EngineTimer | null = null;
  /** The views without links to nodes that are none: a member can name any number. */
  private known: ReadonlyMap<number, ConnectivityView> = new Map();
  /** What was published last, without what changes all the time. */
  private published = '';
  private publishedMs = Number.NEGATIVE_INFINITY;
  /** Text of a fault → since when it is there; negative infinity: reported. */
  private faults = new Map<string, number>();
  /** Texts of the faults that the views show; `null`: the views have changed since. */
  private shown: ReadonlySet<string> | null = null;
  /** What has come since `known` was made changes none of them. */
  private sameShown = true;
  /** Another node has published since the last look. */
  private otherHeard = false;

  constructor(
    private readonly context: MainEngineContext,
    private readonly ports: ConnectivityPorts,
  ) {
    this.look();
  }

  stop(): boolean {
    this.timer?.cancel();
    this.gathering?.cancel();
    return true;
  }

  configurationChange(change: ConfigurationChange): void {
    for (const nodeId of change.left) this.views.delete(nodeId);
    if (change.kind !== 'regular') return;
    this.members = change.members;
    for (const nodeId of this.views.keys()) if (!change.members.includes(nodeId)) this.views.delete(nodeId);
    this.sameShown = false;
    this.viewsChanged();
    this.publish(this.ownView()); // those who have joined do not know it
  }

  private viewDelivered(nodeId: number, payload: Uint8Array): void {
    const view = decodeView(payload, nodeId);
    if (view === null || !this.members.includes(nodeId)) return;
    if (!this.views.has(nodeId) && this.views.size >= NODES_MAX) return;
    const before = this.views.get(nodeId);
    this.views.set(nodeId, view);
    this.otherHeard ||= nodeId !== this.context.nodeId;
    // Half of what arrives repeats what is known, with other latencies: what the views say together stays as it is.
    this.sameShown &&= before !== undefined && steadyText(before) === steadyText(view);
    this.viewsChanged();
  }

  private viewsChanged(): void {
    this.gathering ??= this.context.setTimer(GATHER_MS, () => {
      this.gathering = null;
      this.known = this.knownLinks();
      if (!this.sameShown) this.shown = null;
      this.sameShown = true;
      this.ports.changed(this.known);
    });
  }

  /** What this node is configured to reach, and who is in the ring, exist. */
  private knownLinks(): ReadonlyMap<number, ConnectivityView> {
    const { nodeId } = this.context;
    const nodes = new Set([nodeId, ...this.members, ...this.ports.peers()]);
    const all = [...this.views].map(([id, view]): [number, ConnectivityView] => [
      id,
      { ...view, links: view.links.filter(({ peerId }) => nodes.has(peerId)) },
    ]);
    return new Map(all);
  }

  private look(): void {
    this.timer = this.context.setTimer(LOOK_MS, () => this.look());
    if (this.members.length === 0) return;
    const others = [...this.views.keys()].some((nodeId) => nodeId !== this.context.nodeId);
    const nowMs = this.context.nowMs();
    const own = this.ownView();
    const changed = steadyText(own) !== this.published;
    if (others && (changed || this.isOld(nowMs))) this.publish(own);
    else if (!others && changed) this.ownOnly(own);
    this.otherHeard = false;
    this.reportFaults(nowMs);
  }

  /** After a message the token goes round thirty times before it is held: views that are half as old as they may be come with those of others. */
  private isOld(nowMs: number): boolean {
    const refreshMs = Math.max(REFRESH_MS, this.members.length * REFRESH_NODE_MS);
    return nowMs - this.publishedMs >= (this.otherHeard ? refreshMs / 2 : refreshMs);
  }

  /** Nobody else would understand it; this node's own view is there all the same. */
  private ownOnly(own: ConnectivityView): void {
    this.published = steadyText(own);
    this.views.set(this.context.nodeId, own);
    this.sameShown = false;
    this.viewsChanged();
  }

  private ownView(): ConnectivityView {
    const { nodeId } = this.context;
    const { version } = this.ports;
    return {
      nodeId,
      configuration: this.ports.configuration(),
      version,
      key: this.ports.key(),
      keyFile: this.ports.keyFile(),
      links: this.ports.links(this.context.nowMs()),
    };
  }

  private publish(own: ConnectivityView): void {
    const { values, tail } = encodeView(own);
    this.published = steadyText(own);
    this.publishedMs = this.context.nowMs();
    multicast(this.context, CONNECTIVITY_MESSAGES.view, values, tail);
  }

  private reportFaults(nowMs: number): void {
    const faults = (): readonly string[] => connectivityFaults([...this.known.values()], FAULTS_MAX).map(faultText);
    this.shown ??= new Set(faults().slice(0, FAULTS_MAX));
    const texts = this.shown;
    const before = this.faults;
    this.faults = new Map();
    for (const text of texts) {
      const since = before.get(text) ?? nowMs;
      const isDue = since !== Number.NEGATIVE_INFINITY && nowMs - since >= FAULT_MS;
      if (isDue) this.context.log('warning', 'KNET', `Connectivity: ${text}`, 'connectivity');
      this.faults.set(text, isDue ? Number.NEGATIVE_INFINITY : since);
    }
    for (const [text, since] of before) {
      if (since === Number.NEGATIVE_INFINITY && !texts.has(text))
        this.context.log('notice', 'KNET', `Connectivity, over: ${text}`, 'connectivity');
    }
  }

  dump(): string {
    return `connectivity: views of nodes ${[...this.views.keys()].join(' ')}`;
  }
}

/** What of a view does not change all the time. */
const steadyText = ({ configuration, key, keyFile, links }: ConnectivityView): string =>
  JSON.stringify([
    configuration,
    key,
    keyFile,
    links.map(({ peerId, link, up, heard, mtu }) => [peerId, link, up, heard, mtu]),
  ]);
