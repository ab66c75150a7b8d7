import { hostname } from 'node:os';
import type { FromRing } from '../bridge/messages.ts';
import { type Icmap, TrackEvent } from '../config/icmap/index.ts';
import { Allowance } from '../lib/allowance.ts';
import { type CmapValue, cmapText } from '../lib/cmap-value.ts';
import { failureText } from '../lib/failure.ts';
import type { LogFunction } from '../lib/log.ts';
import { printable } from '../lib/printable.ts';
import { lastAddress, linkOfKey, nodeOfStatusKey } from '../notify/keys.ts';
import { type ClusterEvent, quorumEvent } from '../notify/notice.ts';
import { Notifier } from '../notify/notifier.ts';
import { targetWords } from '../notify/target.ts';
import { trustedFile } from '../os/trusted-path.ts';
import type { StatsMap } from '../services/cmap/stats-map.ts';

type ProcessesMessage = Extract<FromRing, { readonly op: 'processes' }>;

export interface NoticeParts {
  readonly nodeId: number;
  readonly cmap: Icmap;
  readonly statistics: StatsMap;
  readonly log: LogFunction;
}

/** Where a client's connection is in the statistics, and the key that names it. */
const CLIENTS_PREFIX = 'stats.ipcs.';
const CLIENT_KEY = /^stats\.ipcs\.service\d+\.(\d+)\.(0x[0-9a-f]+)\.procname$/;
/** Clients that come and go cost the cluster's own tools nothing beyond so many notices, at once and in the long run: each may start a command. */
const CLIENTS_AT_ONCE = 256;
const CLIENTS_PER_SECOND = 64;
const LINKS_PREFIX = 'stats.knet.';
const MEMBERS_PREFIX = 'runtime.members.';
const BOTH_WAYS = TrackEvent.ADD | TrackEvent.DELETE | TrackEvent.PREFIX;

/**
 * `system.notify`: turns what this thread knows of the cluster into notices. Quorum comes straight from the decision, before anybody else hears
 * of it; members and clients from the maps as they change; links when the statistics are looked at.
 */
export class Notices {
  private readonly notifier: Notifier;
  private readonly ends: (() => void)[] = [];
  /** By key of the statistics map: ends the watch of a link. */
  private readonly links = new Map<string, () => void>();
  private readonly clients = new Allowance(CLIENTS_AT_ONCE, CLIENTS_PER_SECOND);
  private quorate = false;

  private constructor(
    private readonly parts: NoticeParts,
    targets: readonly string[],
  ) {
    const { nodeId, cmap, log } = parts;
    this.notifier = new Notifier({
      host: hostname(),
      nodeId,
      nowMs: () => performance.now(),
      authorityFile: cmap.getString('system.notify_ca_file'),
      checkFile: trustedFile,
      complain: (target, text) => log('warning', 'MAIN', printable(`Notices to ${target}: ${text}`), 'notices'),
    });
    for (const target of targets) {
      try {
        this.notifier.add(target);
      } catch (error) {
        log('error', 'MAIN', printable(`system.notify: ${failureText(error)}; it gets no notices`), 'system.notify');
      }
    }
    this.watchMembers();
    this.watchLinks();
    this.watchClients();
  }

  static wanted(cmap: Icmap): boolean {
    return targetWords(cmap.getString('system.notify') ?? '').length > 0;
  }

  /** `null`: nobody is to be notified. */
  static begin(parts: NoticeParts): Notices | null {
    const targets = targetWords(parts.cmap.getString('system.notify') ?? '');
    return targets.length === 0 ? null : new Notices(parts, targets);
  }

  end(): void {
    for (const end of this.ends) end();
    for (const end of this.links.values()) end();
    this.notifier.close();
  }

  /** The provider decided, perhaps as before. */
  quorumDecided(quorate: boolean, members: readonly number[]): void {
    if (quorate === this.quorate) return;
    this.quorate = quorate;
    this.send(quorumEvent(quorate, members));
  }

  /** The ring thread reports who joined and who left a group. */
  processesChanged({ group, joined, left }: ProcessesMessage): void {
    for (const { nodeId, pid } of left) this.send({ kind: 'process', group, peerId: nodeId, pid, joined: false });
    for (const { nodeId, pid } of joined) this.send({ kind: 'process', group, peerId: nodeId, pid, joined: true });
  }

  private send(event: ClusterEvent): void {
    this.notifier.notify(event);
  }

  private watchMembers(): void {
    const { cmap } = this.parts;
    const mask = TrackEvent.ADD | TrackEvent.MODIFY | TrackEvent.PREFIX;
    const tracker = cmap.track(MEMBERS_PREFIX, mask, (_event, key, value, old) => {
      const peerId = nodeOfStatusKey(key);
      if (peerId === null || value === null || textOf(value) === textOf(old)) return;
      const addresses = cmap.getString(`${MEMBERS_PREFIX}${peerId}.ip`) ?? '';
      const joined = textOf(value) === 'joined';
      this.send({ kind: 'node', peerId, name: nameOf(cmap, peerId), address: lastAddress(addresses), joined });
    });
    if (tracker !== null) this.ends.push(() => void cmap.untrack(tracker));
  }

  private watchLinks(): void {
    const { statistics } = this.parts;
    this.track(LINKS_PREFIX, BOTH_WAYS, (event, key) => {
      if (event === TrackEvent.ADD) this.watchLink(key);
      else {
        this.links.get(key)?.();
        this.links.delete(key);
      }
    });
    for (const key of statistics.keys(LINKS_PREFIX)) this.watchLink(key);
  }

  private watchLink(key: string): void {
    const place = linkOfKey(key);
    if (place === null || place.peerId === this.parts.nodeId || this.links.has(key)) return;
    const end = this.parts.statistics.track(key, TrackEvent.MODIFY, (_event, _key, value) =>
      this.send({ kind: 'link', ...place, up: value !== null && value.bytes[0] !== 0 }),
    );
    if (typeof end === 'function') this.links.set(key, end);
  }

  private watchClients(): void {
    this.track(CLIENTS_PREFIX, BOTH_WAYS, (event, key, value) => {
      const [, pid, pointer] = CLIENT_KEY.exec(key) ?? [];
      if (pid === undefined || pointer === undefined || !this.clients.take(performance.now())) return;
      const client = `${pointer}.${pid}.${textOf(value) ?? ''}`;
      this.send({ kind: 'client', client, connected: event === TrackEvent.ADD });
    });
  }

  private track(prefix: string, mask: number, callback: Parameters<StatsMap['track']>[2]): void {
    const end = this.parts.statistics.track(prefix, mask, callback);
    if (typeof end === 'function') this.ends.push(end);
  }
}

const textOf = (value: CmapValue | null): string | null => (value === null ? null : cmapText(value));

/** Name of a node in the node list. */
function nameOf(cmap: Icmap, nodeId: number): string | null {
  for (let index = 0; ; index++) {
    const key = `nodelist.node.${index}`;
    const id = cmap.getU32(`${key}.nodeid`);
    if (id === null && !cmap.has(`${key}.ring0_addr`)) return null;
    if (id === nodeId) return cmap.getString(`${key}.name`);
  }
}
