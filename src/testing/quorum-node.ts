import { CmapEngine } from '../services/cmap/engine.ts';
import { StatsMap } from '../services/cmap/stats-map.ts';
import { ServiceId } from '../services/codec/ids.ts';
import * as wire from '../services/codec/votequorum.ts';
import type { MainEngineContext, ServiceEngine } from '../services/engine.ts';
import { QuorumDecisions } from '../services/quorum/decisions.ts';
import { QuorumEngine } from '../services/quorum/engine.ts';
import { VotequorumEngine } from '../services/votequorum/engine.ts';
import { memoryTrackingFile, type TrackingFile } from '../services/votequorum/tracking-file.ts';
import { configured, FakeNode } from './fake-node.ts';
import type { FakeRing } from './fake-ring.ts';

export type NodeSettings = Readonly<Record<string, string | number | boolean | bigint>>;

/** A node with cmap, quorum and votequorum, as the daemon puts them together. */
export class QuorumNode extends FakeNode {
  shutdowns: string[] = [];
  readonly statistics = new StatsMap(this.clock);
  readonly quorum: QuorumEngine;

  constructor(
    ring: FakeRing,
    nodeId: number,
    settings: NodeSettings,
    trackingFile: TrackingFile = memoryTrackingFile(),
    withProvider = true,
  ) {
    super({ nodeId, clock: ring.clock, cmap: configured(settings), full: ring.full });
    const decisions = new QuorumDecisions();
    const votequorum = new VotequorumEngine({
      trackingFile,
      setQuorum: (members, quorate, ringId) => decisions.decide(members, quorate, ringId),
    });
    this.quorum = new QuorumEngine({
      provider: withProvider
        ? { name: 'corosync_votequorum', serviceId: votequorum.serviceId, load: () => this.host.load(votequorum) }
        : null,
      decisions,
      quorateChanged: (quorate) => this.host.setQuorate(quorate),
    });
  }

  async start(...more: ServiceEngine<MainEngineContext>[]): Promise<void> {
    const cmap = new CmapEngine({
      cmap: this.cmap,
      statistics: this.statistics,
      addressesOf: (nodeId) => [`10.0.0.${nodeId}`, null],
      daemonUid: 0,
      shutdown: (reason) => this.shutdowns.push(reason),
    });
    await this.load(cmap, this.quorum, ...more);
  }

  get quorate(): boolean {
    return this.host.isQuorate;
  }

  /** What `corosync-quorumtool` would show of a node. */
  info(nodeId = 0) {
    const connection = this.connect(ServiceId.VOTEQUORUM);
    const response = connection.call(wire.VQ_GET_INFO.message({ nodeId }))!;
    connection.close();
    return wire.VQ_GET_INFO_RESPONSE.decodeChecked(response);
  }

  /** quorate, total votes, quorum, expected votes of the own node. */
  summary(): string {
    const { flags, totalVotes, quorum, expectedVotes } = this.info();
    const quorate = (flags & wire.InfoFlag.QUORATE) !== 0;
    return `${quorate ? 'Q' : '-'} total ${totalVotes} quorum ${quorum} expected ${expectedVotes}`;
  }
}

/** Keys of a node list with these ids, each with one vote unless given. */
export function nodeList(
  ids: readonly number[],
  local: number,
  votes: Readonly<Record<number, number>> = {},
): NodeSettings {
  const settings: Record<string, string | number> = { 'nodelist.local_node_pos': ids.indexOf(local) };
  ids.forEach((nodeId, at) => {
    settings[`nodelist.node.${at}.nodeid`] = nodeId;
    settings[`nodelist.node.${at}.ring0_addr`] = `10.0.0.${nodeId}`;
    if (votes[nodeId] !== undefined) settings[`nodelist.node.${at}.quorum_votes`] = votes[nodeId];
  });
  return settings;
}
