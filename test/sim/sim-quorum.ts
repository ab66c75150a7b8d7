import type { RingId } from '../../src/lib/ring-id.ts';
import { ServiceId } from '../../src/services/codec/ids.ts';
import type { EngineTimer, RunningService } from '../../src/services/engine.ts';
import { Outbox } from '../../src/services/host/outbox.ts';
import { VotequorumEngine } from '../../src/services/votequorum/engine.ts';
import type { TrackingFile } from '../../src/services/votequorum/tracking-file.ts';
import type { Random } from '../../src/sim/random.ts';
import { configured } from '../../src/testing/fake-node.ts';
import { type NodeSettings, nodeList } from '../../src/testing/quorum-node.ts';
import { Group, type ProcessGroups } from '../../src/totem/index.ts';
import { simTimer } from './sim-timer.ts';

/** What the votequorum of one node works with; the simulator's node implements it. */
export interface SimQuorumHost {
  readonly nodeId: number;
  readonly nodeIds: readonly number[];
  readonly settings: NodeSettings;
  readonly trackingFile: TrackingFile;
  readonly groups: ProcessGroups;
  alive(): boolean;
  now(): number;
  /** In an event of the node, if it lives by then. */
  after(delayMs: number, run: () => void): void;
  syncInProgress(): boolean;
  decided(members: readonly number[], quorate: boolean, ringId: RingId): void;
}

const CHOICES: readonly NodeSettings[] = [
  {},
  { 'quorum.wait_for_all': true },
  { 'quorum.auto_tie_breaker': true },
  { 'quorum.auto_tie_breaker': true, 'quorum.auto_tie_breaker_node': 'highest' },
];

/** The options of a seed's cluster. Those that change what is expected, so that a minority may go on, are left out. */
export const quorumSettings = (random: Random): NodeSettings => random.pick(CHOICES);

/** Of a campaign: its messages change the story, so those seeds that have a name keep theirs. */
export const hasVotes = (seed: number): boolean => seed % 7 === 2;

/** Votequorum of one node: the engine of the daemon, one vote a node. */
export class SimQuorum {
  quorate = false;
  readonly sync;
  private readonly engine: VotequorumEngine;
  private readonly service: RunningService<string, string>;
  private readonly outbox: Outbox;

  constructor(private readonly host: SimQuorumHost) {
    const { nodeId, nodeIds, settings } = host;
    const setTimer = (delayMs: number, callback: () => void): EngineTimer =>
      simTimer((ms, due) => this.host.after(ms, due), delayMs, callback);
    this.outbox = new Outbox({ mcast: (fn, message) => this.mcast(fn, message), setTimer });
    this.engine = new VotequorumEngine({
      trackingFile: host.trackingFile,
      setQuorum: (members, quorate, ringId) => {
        this.quorate = quorate;
        host.decided(members, quorate, ringId);
      },
    });
    this.service = this.engine.start({
      nodeId,
      cmap: configured({ 'quorum.provider': 'corosync_votequorum', ...nodeList(nodeIds, nodeId), ...settings }),
      log: () => {},
      nowMs: () => host.now(),
      isQuorate: () => this.quorate,
      syncInProgress: () => host.syncInProgress(),
      send: (fn, payload) => this.outbox.send(fn, payload),
      trySend: (fn, payload) => this.outbox.trySend(fn, payload),
      flush: () => this.outbox.flush(),
      setTimer,
      track: () => {},
    });
    const { sync } = this.service;
    this.sync = {
      serviceId: this.engine.serviceId,
      init: (transitional: readonly number[], members: readonly number[], ringId: RingId) =>
        sync?.init(transitional, members, ringId),
      process: () => (sync?.process() === false ? ('again' as const) : ('done' as const)),
      activate: () => sync?.activate(),
      abort: () => sync?.abort(),
    };
  }

  private mcast(fn: number, payload: Uint8Array): boolean {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    view.setInt32(0, (ServiceId.VOTEQUORUM << 16) | fn, true);
    view.setInt32(8, payload.length, true);
    return this.host.groups.mcast(Group.SERVICES, payload);
  }

  deliver(fn: number, from: number, bytes: Uint8Array): void {
    const name = this.engine.messages[fn];
    if (name !== undefined) this.service.messages[name]?.(bytes, from);
  }
}

/**
 * Who was quorate in the whole life of a cluster. More than half of the nodes may be; with a tie-breaker, which looks at the members of the last view,
 * half of them, and never both halves that come from one ring.
 */
export class QuorumChecker {
  private readonly halves = new Map<string, string>();
  decisions = 0;

  constructor(
    private readonly size: number,
    private readonly settings: NodeSettings,
    private readonly violation: (text: string) => void,
  ) {}

  /** A node takes itself for quorate with these members; `from`: its ring before. */
  decided(members: readonly number[], quorate: boolean, from: string): void {
    if (!quorate) return;
    this.decisions++;
    if (2 * members.length > this.size) return;
    const key = members.join();
    const tie = 2 * members.length === this.size && this.settings['quorum.auto_tie_breaker'] === true;
    const other = this.halves.get(from) ?? key;
    this.halves.set(from, other);
    if (!tie || other !== key) this.violation(`quorate are {${key}}${other === key ? '' : ` and {${other}}`}`);
  }
}
