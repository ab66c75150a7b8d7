import { assert } from '../lib/assert.ts';
import type { FrameMemory } from '../lib/frame-memory.ts';
import { KNET, PacketType } from './constants.ts';
import type { CryptoSlots } from './crypto.ts';
import { KnetDrop, type KnetDropReason } from './drops.ts';
import type { KnetEffects } from './effects.ts';
import type { Host } from './host.ts';
import type { HostTable } from './host-table.ts';
import type { Link } from './link.ts';
import { maxData, minimumData } from './mtu.ts';
import { readPingSeq, readPingTimeMs, readTimed } from './ping-packet.ts';
import { PathChange } from './pmtud.ts';
import { readPmtudSize, writePmtud } from './pmtud-packet.ts';
import type { InternalPackets } from './receiver.ts';
import type { Sender } from './sender.ts';
import { isBehind } from './sequence.ts';
import { LinkStat } from './stats.ts';

/** A tick that comes this late means that the process itself was held up (SIGSTOP, a paused virtual machine). */
const PAUSE_MS_MIN = 400;
/** How often a link that carries large packets proves that its path still does. */
const VERIFY_PERIOD_MS = 500;
/** Longest time between two ticks: timeouts of links are stepped down by the second. */
const TICK_MS_MAX = 1_000;

/** PINGs without a PONG for this long are worth a report: some have followed each other by then. */
const SILENCE_MS_MIN = 150;

/** To so many hosts PINGs beside the regular ones leave at full pace; more share the pace of half of them. */
const HOSTS_AT_FULL_PACE = 16;

export interface HeartbeatSettings {
  /** Interface MTU; 0 discovers (knet.md 4.4). */
  readonly manualMtu: number;
  /** Seconds between two searches for the path MTU. */
  readonly pmtudIntervalSec: number;
}

/** Link state: PING and PONG, up and down, path MTU, restart of peers (knet.md 2.5, 3.1, 3.2, 4). */
export class Heartbeat implements InternalPackets {
  private manualMtu = 0;
  private pmtudIntervalMs = 0;
  /** Something happened that may move a deadline. */
  deadlinesChanged = true;
  /** When the next tick is due. */
  private plannedMs = 0;
  private lastTickMs = -1;
  private probedLink: Link | null = null;
  /** Its PINGs say when those of this node leave. */
  private leader: Host | null = null;
  /** Regular PINGs are due. */
  private roundDue = false;
  private readonly sendProbe = (ipBytes: number, plainBytes: number): number => this.probe(ipBytes, plainBytes);

  constructor(
    private readonly memory: FrameMemory,
    /** Where a probe is written: 65536 bytes. */
    private readonly probeAt: number,
    private readonly hosts: HostTable,
    private readonly slots: CryptoSlots,
    private readonly sender: Sender,
    private readonly effects: KnetEffects,
  ) {}

  configure({ manualMtu, pmtudIntervalSec }: HeartbeatSettings): void {
    this.manualMtu = manualMtu;
    this.pmtudIntervalMs = pmtudIntervalSec * 1000;
  }

  // ---- clock ----

  tick(nowMs: number): void {
    this.noticePause(nowMs);
    const pace = this.pace();
    for (const link of this.hosts.links) {
      if (link === null) continue;
      if (link.expired(nowMs)) this.linkDown(link, nowMs, link.peerDied ? 'unreachable' : 'timeout');
      if (nowMs >= link.nextPingMs(pace)) {
        if (link.pingsRegularly) this.roundDue = true;
        else this.sendPing(link, nowMs);
      }
      if (link.connected) this.stepPathMtu(link, nowMs);
    }
    if (this.roundDue) this.pingRound(nowMs);
    for (const host of this.hosts.list) this.noticeSilence(host, nowMs);
    this.plan(nowMs);
  }

  /**
   * The regular PINGs of all links leave together, and where a node follows another with those of that one: a node wakes up for all of them, and for
   * the PONGs, instead of for each. Of 31 links each with its own time that is most of what an idle node does.
   */
  private pingRound(nowMs: number): void {
    this.roundDue = false;
    for (const link of this.hosts.links) if (link?.joinsRound(nowMs)) this.sendPing(link, nowMs);
  }

  private sendPing(link: Link, nowMs: number): void {
    this.sender.ping(link, nowMs, true);
    link.pingSent(nowMs);
  }

  private someLinkWaits(): boolean {
    for (const link of this.hosts.links) if (link?.waitsForPong) return true;
    return false;
  }

  /** 1, and more where so many links wait for PONGs that their PINGs, sent again, would be a load. */
  private pace(): number {
    let waiting = 0;
    for (const link of this.hosts.links) if (link?.waitsForPong) waiting++;
    const { links, list } = this.hosts;
    return paceOf((waiting * list.length) / Math.max(1, links.length));
  }

  /** When `tick` has something to do. Costs a look at every link only after an event that may have moved it. */
  deadlineMs(nowMs: number): number {
    // What is due already stays due: how late its tick comes says whether the process was held up.
    if (this.deadlinesChanged && nowMs < this.plannedMs) this.plan(nowMs);
    return this.plannedMs;
  }

  private plan(nowMs: number): void {
    this.deadlinesChanged = false;
    this.plannedMs = this.roundDue ? nowMs : this.nextDeadlineMs();
    assert(!Number.isNaN(this.plannedMs), 'a deadline is a time');
  }

  private nextDeadlineMs(): number {
    let next = this.lastTickMs + TICK_MS_MAX;
    const pace = this.pace();
    for (const link of this.hosts.links) {
      if (link === null) continue;
      next = Math.min(next, link.nextPingMs(pace), link.downDeadlineMs());
      if (link.connected && this.manualMtu === 0) {
        const path = link.pathMtu;
        next = Math.min(next, path.nextDeadlineMs(this.pmtudIntervalMs, VERIFY_PERIOD_MS, link.largeSent));
      }
    }
    return next;
  }

  private noticePause(nowMs: number): void {
    const awayMs = this.lastTickMs < 0 ? 0 : nowMs - this.lastTickMs;
    const late = Math.min(awayMs, nowMs - this.plannedMs);
    this.lastTickMs = nowMs;
    if (late < PAUSE_MS_MIN) return;
    // It may have begun at any time since then: none of it counts.
    for (const link of this.hosts.links) link?.forgive(awayMs);
    for (const host of this.hosts.list) this.endSilence(host);
    this.effects.report({ kind: 'paused', ms: Math.round(late) });
  }

  /** Who does not reply on any link is reported once, long before its links go down, and again when it is heard. */
  private noticeSilence(host: Host, nowMs: number): void {
    const sinceMs = host.silentSinceMs;
    if (host.silent || sinceMs < 0 || nowMs - sinceMs < SILENCE_MS_MIN) return;
    host.silent = true;
    this.effects.report({ kind: 'hostSilent', nodeId: host.nodeId, silentMs: nowMs - sinceMs });
  }

  /** It is heard again, or no host of this node any more: nothing is left of what was reported. */
  endSilence(host: Host): void {
    if (!host.silent) return;
    host.silent = false;
    this.effects.report({ kind: 'hostSilent', nodeId: host.nodeId, silentMs: -1 });
  }

  /** Somebody else does not hear this host: PINGs now, so that it is known soon whether this node does. Where a PONG is waited for, that is on its way. */
  probeHost(host: Host, nowMs: number): void {
    for (const link of host.links) if (link?.waitsForPong === false) this.pingIfMay(link, nowMs);
  }

  /** A PING beside the regular ones, unless one has just left. */
  private pingIfMay(link: Link, nowMs: number): void {
    if (!link.mayPing(nowMs, paceOf(this.hosts.list.length))) return;
    this.sendPing(link, nowMs);
    this.deadlinesChanged = true;
  }

  // ---- packets ----

  internal(host: Host, link: Link, type: number, at: number, length: number, nowMs: number): KnetDropReason | -1 {
    switch (type) {
      case PacketType.PING:
        return this.ping(host, link, at, length, nowMs);
      case PacketType.PONG:
        return this.pong(host, link, at, length, nowMs);
      case PacketType.PMTUD:
        link.stats.add(LinkStat.rx_pmtu_packets, 1);
        link.stats.add(LinkStat.rx_pmtu_bytes, length);
        // Whatever its size says, the first nine bytes go back (knet.md 4.3).
        this.sender.reply(link, at, KNET.pmtudBytes, PacketType.PMTUD_REPLY);
        return -1;
      default:
        this.deadlinesChanged = true;
        return this.pmtudReply(link, at, length, nowMs);
    }
  }

  private ping(host: Host, link: Link, at: number, length: number, nowMs: number): KnetDropReason | -1 {
    link.stats.add(LinkStat.rx_ping_packets, 1);
    link.stats.add(LinkStat.rx_ping_bytes, length);
    const believed = link.believes(readPingTimeMs(this.memory, at), nowMs);
    if (believed) {
      const seq = readPingSeq(this.memory, at);
      if (readTimed(this.memory, at) === 0) this.untimedPing(host, seq);
      else this.timedPing(host, link, seq);
      if (link.pingIsNews) host.window.announce(seq);
    }
    // Its sender knows best whether it is a recorded one, and without PONGs its link goes down.
    this.sender.reply(link, at, KNET.pingBytes, PacketType.PONG);
    if (believed && link.pingHeard(nowMs)) this.chooseLeader();
    if (believed && host === this.leader) this.follow(nowMs);
    if (believed && link.comesUpSoon(nowMs)) this.pingIfMay(link, nowMs); // it is there: a node that starts need not wait for the interval of this one
    return believed ? -1 : KnetDrop.replayedPing;
  }

  private follow(nowMs: number): void {
    for (const link of this.hosts.links) if (link?.followPings(nowMs)) this.roundDue = true;
    this.deadlinesChanged = true;
  }

  /**
   * Nobody follows another if no reachable host has a lower id. Else it is the one with the lowest that sends PINGs in its rounds only: who is watched by
   * that node with the lowest id of all follows one that follows it.
   */
  private chooseLeader(): void {
    let lowest = this.sender.nodeId;
    let leader: Host | null = null;
    for (const host of this.hosts.list) {
      if (!host.reachable) continue;
      lowest = Math.min(lowest, host.nodeId);
      if (!host.hurries && (leader === null || host.nodeId < leader.nodeId)) leader = host;
    }
    this.leader = lowest < this.sender.nodeId ? leader : null;
  }

  /**
   * A number that goes back says that the process is a new one. Stock looks for a *change* to 0 only: it misses a restart within one
   * PING interval, and one whose PINGs with 0 are lost; then it drops what the new process sends as duplicates, tokens included.
   * Sealed DATA may be recorded and its number say nothing: there the PINGs' own numbers are compared, and nothing depends on it but
   * what is half assembled.
   */
  private timedPing(host: Host, link: Link, seq: number): void {
    if (!link.pingIsNews) return;
    const { window } = host;
    const before = link.lastPingSeq;
    const atZero = window.sealed ? before : window.newest;
    if (seq === 0 ? atZero !== 0 : before !== 0 && isBehind(before, seq)) {
      host.wipe();
      for (const each of host.links) each?.peerRestarted();
      this.deadlinesChanged = true;
      this.effects.report({ kind: 'peerRestarted', nodeId: host.nodeId });
    }
    window.anchor(seq, !host.dataSinceTimed);
    // Not the newest one of the window: what other links brought may have been sent after the next PING of this one, which waits in its socket.
    link.lastPingSeq = seq;
    host.dataSinceTimed = false;
  }

  private untimedPing(host: Host, seq: number): void {
    if (host.lastUntimedSeq !== seq) {
      host.lastUntimedSeq = seq;
      const idle = !host.dataSinceUntimed;
      host.dataSinceUntimed = false;
      host.window.anchor(seq, idle);
    }
  }

  private pong(host: Host, link: Link, at: number, length: number, nowMs: number): KnetDropReason | -1 {
    link.stats.add(LinkStat.rx_pong_packets, 1);
    link.stats.add(LinkStat.rx_pong_bytes, length);
    const sentMs = readPingTimeMs(this.memory, at);
    if (sentMs < 0) return KnetDrop.latePong;
    const wasConnected = link.connected;
    if (!link.pong(sentMs, nowMs)) {
      if (host.silentSinceMs < 0) this.endSilence(host);
      return KnetDrop.latePong;
    }
    this.endSilence(host);
    if (!wasConnected && link.connected) this.linkUp(link);
    // The PONGs of a round come one after the other: the last one puts the next tick off.
    this.deadlinesChanged ||= !wasConnected || !this.someLinkWaits();
    return -1;
  }

  private pmtudReply(link: Link, at: number, length: number, nowMs: number): KnetDropReason | -1 {
    link.stats.add(LinkStat.rx_pmtu_packets, 1);
    link.stats.add(LinkStat.rx_pmtu_bytes, length);
    if (!link.connected || this.manualMtu !== 0) return -1;
    this.probedLink = link;
    const path = link.pathMtu;
    const size = readPmtudSize(this.memory, at);
    const change = path.reply(size, nowMs, this.slots.sizes, link.overheadBytes, link.averageLatencyUs, this.sendProbe);
    this.probedLink = null;
    if (change !== PathChange.NONE) this.updateLinkMtu(link);
    return -1;
  }

  // ---- link transitions ----

  raiseLink(link: Link, _nowMs: number): void {
    if (!link.connected) this.linkUp(link);
  }

  private linkUp(link: Link): void {
    this.deadlinesChanged = true;
    link.becameUp();
    link.pathMtu.force();
    this.effects.report({ kind: 'linkUp', nodeId: link.host.nodeId, linkId: link.linkId });
    this.updateLinkMtu(link);
    this.linksChanged(link.host);
  }

  linkDown(link: Link, nowMs: number, cause: 'timeout' | 'unreachable' | 'removed'): void {
    if (!link.connected) return;
    link.becameDown(nowMs);
    this.effects.report({ kind: 'linkDown', nodeId: link.host.nodeId, linkId: link.linkId, cause });
    this.linksChanged(link.host);
    if (cause === 'unreachable' && !link.host.reachable)
      this.effects.report({ kind: 'hostDied', nodeId: link.host.nodeId });
    this.updateDataMtu();
  }

  /** Also after a change of priorities. */
  linksChanged(host: Host): void {
    const before = host.usable[0] ?? null;
    const wasReachable = host.reachable;
    host.sortUsable();
    if (wasReachable !== host.reachable) {
      this.chooseLeader();
      if (!host.reachable) host.wipe();
      this.effects.report({ kind: 'hostReachable', nodeId: host.nodeId, reachable: host.reachable });
    }
    const after = host.usable[0] ?? null;
    if (after !== null && after !== before) {
      this.effects.report({ kind: 'activeLink', nodeId: host.nodeId, linkId: after.linkId });
    }
  }

  /**
   * An ICMP error named the peer's address: the link has to prove itself. `refused`: nobody listens there, says the peer's kernel. The
   * other links get a PING, too: if the process has ended, each of them gets its own error now and not at its next PING.
   */
  suspect(link: Link, refused: boolean, nowMs: number): void {
    if (!link.suspect(refused, nowMs)) return;
    this.deadlinesChanged = true;
    for (const other of link.host.links) {
      if (other === null || !(other === link || (refused && other.connected))) continue;
      this.sendPing(other, nowMs);
    }
  }

  // ---- path MTU ----

  private stepPathMtu(link: Link, nowMs: number): void {
    if (this.manualMtu !== 0) return;
    this.probedLink = link;
    link.pathMtu.lossy = link.lossy;
    const carriesLarge = link.largeSent;
    const change = link.pathMtu.step(
      nowMs,
      this.slots.sizes,
      link.overheadBytes,
      link.averageLatencyUs,
      this.pmtudIntervalMs,
      VERIFY_PERIOD_MS,
      carriesLarge,
      this.sendProbe,
    );
    if (carriesLarge && link.pathMtu.verifying) link.largeSent = false;
    this.probedLink = null;
    if (change !== PathChange.NONE) this.updateLinkMtu(link);
  }

  private probe(ipBytes: number, plainBytes: number): number {
    const link = this.probedLink!;
    const sizes = this.slots.sizes;
    const plainAt = this.probeAt + sizes.saltBytes;
    writePmtud(this.memory, plainAt, this.sender.nodeId, link.linkId, ipBytes, plainBytes);
    const wire = this.sender.sealOne(this.probeAt, plainBytes);
    const result = this.effects.probe(link, this.probeAt, wire);
    if (result !== 0) return result;
    link.stats.add(LinkStat.tx_pmtu_packets, 1);
    link.stats.add(LinkStat.tx_pmtu_bytes, wire);
    return 0;
  }

  /** The link's data MTU from what its path was seen to carry, or the minimum while nothing is known. */
  updateLinkMtu(link: Link): void {
    const sizes = this.slots.sizes;
    const minimum = minimumData(sizes);
    const ipBytes = this.manualMtu !== 0 ? this.manualMtu : link.pathMtu.confirmedIpBytes;
    const mtu = ipBytes === 0 ? minimum : Math.max(minimum, maxData(sizes, ipBytes - link.overheadBytes));
    if (mtu !== link.dataMtu) {
      link.dataMtu = mtu;
      link.stats.set(LinkStat.mtu, mtu);
      this.effects.report({ kind: 'linkMtu', nodeId: link.host.nodeId, linkId: link.linkId, mtu });
    }
    this.updateDataMtu();
  }

  /** One value for all hosts: a message is cut and sealed once (knet.md 4.4). */
  updateDataMtu(): void {
    let mtu = 0;
    for (const link of this.hosts.links) {
      if (link?.connected && (mtu === 0 || link.dataMtu < mtu)) mtu = link.dataMtu;
    }
    if (mtu === 0) mtu = minimumData(this.slots.sizes);
    const from = this.sender.dataMtu;
    if (mtu === from) return;
    this.sender.dataMtu = mtu;
    this.effects.report({ kind: 'dataMtu', from, to: mtu });
  }
}

/** How many times slower. */
const paceOf = (hosts: number): number => (hosts <= HOSTS_AT_FULL_PACE ? 1 : (2 * hosts) / HOSTS_AT_FULL_PACE);
