import type { KnetLinkConfig } from './config.ts';
import type { Host } from './host.ts';
import { ipOverheadBytes } from './mtu.ts';
import { PathMtu } from './pmtud.ts';
import { LinkStat, type StatBlock, UNSET_MINIMUM } from './stats.ts';

const BACKOFF_START = 10;
const BACKOFF_PERIOD_MS = 1_000;
/** Shortest time that a link under suspicion (ICMP error) gets to answer a PING. */
const SUSPICION_MS_MIN = 200;
/** … and so many PINGs, the last one included, of which none was answered: a lost packet is no proof of anything. */
const SUSPICION_PINGS = 2;
/** … and so many round trips, so that each of them can be answered: PINGs follow each other after four. */
const SUSPICION_ROUND_TRIPS = 8;
/** After an ICMP error that a PONG disproved, others are not believed for this many PONG timeouts: somebody forges them, or the peer came back. */
const DISPROVED_TIMEOUTS = 10;
/** PINGs of one link may overtake each other by this much without counting as recorded ones. */
const PING_REORDER_MS = 2_000;
/** PINGs that a PONG may still come for: a long timeout over a short interval. */
const PINGS_REMEMBERED = 128;
const CLOCK_SLACK_MS = 0.000_5;
/** A PING that was not answered is sent again after this share of the interval, and not before this time. */
const PING_AGAIN_SHARE = 1 / 32;
const PING_AGAIN_MS_MIN = 25;
/** … and not after this one, unless the round trip is long: that a large ring has a long interval says nothing about the link. */
const PING_AGAIN_MS_MAX = 50;
/** PINGs of a link that comes up follow each other after this time: the PONGs that it takes are there soon. */
const PING_UP_MS = 25;
/** … but not of one that was lost so recently: it may flap, and comes up at stock's pace, a PONG in an interval. */
const FLAP_MS = 10_000;
/** How far a slower reply raises the estimate of the quickest ones. */
const QUICKEST_RISE = 1 / 64;
/** Weight of one PING in the share of those that are not answered. */
const LOSS_WEIGHT = 1 / 16;
/** From this share on the link is lossy. */
const LOSSY_SHARE = 0.02;
/** From this share of the interval on a PING leaves with those of other links: a node that wakes up once for all of them costs less. */
const JOIN_SHARE = 1 / 4;
/** A PING that comes after less of the interval is none of the regular ones; so many of them, less those that were regular, are no accident. */
const HURRY_SHARE = 0.7;
const HURRIED = 6;
const HURRIED_MAX = 12;
/** How much of the interval the PINGs of the node that is followed may be late. */
const FOLLOW_SLACK = 1 / 16;
/** What is left of the timeout then has room for PINGs that follow a lost one. */
const FOLLOW_MARGIN = 1.25;
const PING_DISBELIEF_MS_MAX = 10_000;

/** The settings of a link, timers derived and defaults applied (knet.md 3.3). */
export interface LinkSettings {
  /** 1..255; passive prefers the highest. */
  readonly priority: number;
  readonly pingIntervalMs: number;
  /** Silence after which the link is down. */
  readonly pingTimeoutMs: number;
  /** Samples after which the latency mean becomes an exponential one. */
  readonly pingPrecision: number;
  /** A link comes up with the PONG after this many (knet.md trap 4). */
  readonly pongCount: number;
}

/** One link to one host: heartbeat state (knet.md 3.1). Effects are the caller's; methods return what changed. */
export class Link {
  connected = false;
  /** Address id of the peer's end; changes only when the link is made anew. */
  readonly addressId: number;
  readonly linkId: number;
  readonly family: 4 | 6;
  readonly overheadBytes: number;
  readonly pathMtu: PathMtu;
  /** Payload bytes of a fragment on this link. */
  dataMtu = 0;
  /** Packets of more than half of the MTU went out since the last check of the path. */
  largeSent = false;
  config: KnetLinkConfig;
  /** Number of the host's newest message, as the newest PING of this link said it. */
  lastPingSeq = 0;
  /** The last PING was later than all before: no copy, and overtaken by none. */
  pingIsNews = false;

  private receivedPongs = 0;
  /** PONGs since the last time the link went down, valid ones. */
  private lastPongMs = -1;
  private lastPingMs = Number.NEGATIVE_INFINITY;
  private unansweredShare = 0;
  private pongTimeoutAdjMs: number;
  private backoff = BACKOFF_START;
  private backoffAtMs: number;
  private suspectedAtMs = -1;
  /** PINGs since the suspicion began, and whether the peer's kernel said that nobody listens there. */
  private suspicionPings = 0;
  private refused = false;
  /** When the first PING left of those since the last PONG; -1: none is out. */
  private unansweredSinceMs = -1;
  /** Time field of the newest PING received here, and when the last one was believed; −1 before the first. */
  private newestPingTimeMs = -1;
  private pingBelievedMs = -1;
  private newestPongSentMs = -1;
  private suspectedUntilMs = 0;
  /** How long the link has to answer, from the suspicion on. */
  private suspicionMs = 0;
  private trustedUntilMs = Number.NEGATIVE_INFINITY;
  /** PINGs follow each other soon until then although the link is down. */
  private eagerUntilMs = 0;
  /** Until then a PONG does not bring the next PING forward. */
  private flapsUntilMs = Number.NEGATIVE_INFINITY;
  private readonly pingTimesMs = new Float64Array(PINGS_REMEMBERED).fill(-1);
  private pingTimesAt = 0;
  /** When the peer's last PING came, and how many of the last ones came too soon to be its regular ones. */
  private pingHeardMs = Number.NEGATIVE_INFINITY;
  private hurried = 0;
  /** A regular PING waits until then for that of the node that is followed. */
  private pingNotBeforeMs = Number.NEGATIVE_INFINITY;
  private latencyAverageUs = 0;
  private latencySamples = 0;
  /** About what the quickest replies take: the average holds for seconds what a pause of the peer did to it. */
  private quickestUs = 0;

  constructor(
    readonly host: Host,
    config: KnetLinkConfig,
    addressId: number,
    /** Position in the core's table of links; what transmit runs name. */
    readonly index: number,
    readonly stats: StatBlock,
    nowMs: number,
  ) {
    this.config = config;
    this.linkId = config.linkId;
    this.family = config.remote.family;
    this.overheadBytes = ipOverheadBytes(this.family);
    this.addressId = addressId;
    this.pathMtu = new PathMtu();
    this.pongTimeoutAdjMs = config.pingTimeoutMs * BACKOFF_START;
    this.backoffAtMs = nowMs;
    stats.clear();
    stats.set(LinkStat.enabled, 1);
    stats.set(LinkStat.latency_min, UNSET_MINIMUM);
    stats.set(LinkStat.down_count, 1); // enabling counts as one (knet.md 7.7)
  }

  get averageLatencyUs(): number {
    return this.latencyAverageUs;
  }
  get timeoutMs(): number {
    return this.pongTimeoutAdjMs;
  }
  /** May carry data. */
  get usable(): boolean {
    return this.connected;
  }

  /** Its PING is late: sent, and without a PONG. */
  get waitsForPong(): boolean {
    return this.connected && !this.lastPingReturned;
  }

  /** It has its turn once in an interval: it neither waits for a PONG that is late nor comes up. */
  get pingsRegularly(): boolean {
    if (this.lastPingReturned) return !this.comesUpSoon(this.lastPingMs);
    return !this.connected && this.lastPingMs >= this.eagerUntilMs;
  }

  /** Whether so much of the interval is over that its PING may leave with those of other links. */
  joinsRound(nowMs: number): boolean {
    return this.pingsRegularly && nowMs - this.lastPingMs >= this.config.pingIntervalMs * JOIN_SHARE;
  }

  /** A PING of the peer has come. Whether that changes `peerHurries`. */
  pingHeard(nowMs: number): boolean {
    const before = this.peerHurries;
    const soon = nowMs - this.pingHeardMs < this.config.pingIntervalMs * HURRY_SHARE;
    this.pingHeardMs = nowMs;
    this.hurried = soon ? Math.min(HURRIED_MAX, this.hurried + 2) : Math.max(0, this.hurried - 1);
    return this.peerHurries !== before;
  }

  /** The peer sends PINGs beside its regular ones, for example because it watches whether this node lives: they say nothing about its rounds. */
  get peerHurries(): boolean {
    return this.hurried >= HURRIED;
  }

  /**
   * The node that this one follows has sent its PINGs: the next ones of this link leave when the next ones of that node come, or a little
   * after they should have. Where so few fit into the timeout that this is a risk, the link keeps its own time. Returns whether this PING
   * is one to follow at once.
   */
  followPings(nowMs: number): boolean {
    const { pingIntervalMs, pingTimeoutMs } = this.config;
    if (pingIntervalMs * (1 + JOIN_SHARE + FOLLOW_SLACK) * FOLLOW_MARGIN > pingTimeoutMs) return false;
    this.pingNotBeforeMs = nowMs + pingIntervalMs * (1 + FOLLOW_SLACK);
    return this.joinsRound(nowMs);
  }

  /** A PING with this time leaves. */
  pingWritten(timeMs: number): void {
    this.pingTimesMs[this.pingTimesAt] = timeMs;
    this.pingTimesAt = (this.pingTimesAt + 1) % PINGS_REMEMBERED;
  }

  private wasPinged(timeMs: number): boolean {
    for (let i = 0; i < PINGS_REMEMBERED; i++) if (this.pingTimesMs[i] === timeMs) return true;
    return false;
  }

  pingSent(nowMs: number): void {
    if (this.connected) this.unansweredShare += ((this.lastPingReturned ? 0 : 1) - this.unansweredShare) * LOSS_WEIGHT;
    this.lastPingMs = nowMs;
    if (this.suspectedAtMs >= 0) this.suspicionPinged(nowMs);
    if (this.unansweredSinceMs < 0) this.unansweredSinceMs = nowMs;
  }

  /** The last PING that the suspicion takes can be answered, too, also where this process was held up and it leaves late. */
  private suspicionPinged(nowMs: number): void {
    this.suspicionPings++;
    if (this.suspicionPings === SUSPICION_PINGS)
      this.suspectedUntilMs = Math.max(this.suspectedUntilMs, nowMs + this.suspicionMs / SUSPICION_PINGS);
  }

  /**
   * One lost PING or PONG says little, and two in a row, all that fit into stock's timeout, are nothing strange where one datagram in five
   * is lost. So a PING that stays unanswered is followed by others soon: that the link is down is then known from many. So it goes on for a
   * while after that: a peer that was paused is heard again at once.
   *
   * @param pace how much longer to wait for that where many links wait at once: then it is this node that is slow, and more packets are no help.
   */
  nextPingMs(pace: number): number {
    const { pingIntervalMs } = this.config;
    if (this.pingsRegularly) return Math.max(this.lastPingMs + pingIntervalMs, this.pingNotBeforeMs);
    if (this.lastPingReturned) return this.lastPingMs + Math.min(pingIntervalMs, PING_UP_MS);
    const again = Math.max(
      PING_AGAIN_MS_MIN,
      Math.min(PING_AGAIN_MS_MAX, pingIntervalMs * PING_AGAIN_SHARE),
      (4 * this.quickestUs) / 1000,
    );
    return this.lastPingMs + Math.min(pingIntervalMs, pace * again);
  }

  /**
   * The link is down, and nothing speaks against it: it was never up, its peer had ended, or it was lost long ago. Stock takes a PONG of each
   * interval, 1.8 s with three nodes and defaults, for which a node that starts hears nobody.
   */
  comesUpSoon(nowMs: number): boolean {
    return !this.connected && nowMs >= this.flapsUntilMs;
  }

  private get lastPingReturned(): boolean {
    return this.newestPongSentMs >= this.lastPingMs - CLOCK_SLACK_MS;
  }

  /** Of the last PINGs more than a few were not answered: a probe that is not answered may be lost, too. */
  get lossy(): boolean {
    return this.unansweredShare > LOSSY_SHARE;
  }

  /** When this link would be declared down if nothing arrived. */
  downDeadlineMs(): number {
    if (!this.connected) return Number.POSITIVE_INFINITY;
    const timeout = this.lastPongMs + this.pongTimeoutAdjMs;
    const pinged = this.suspectedAtMs >= 0 && this.suspicionPings >= SUSPICION_PINGS;
    return pinged ? Math.min(timeout, this.suspectedUntilMs) : timeout;
  }

  /**
   * The PONG to a PING of `sentMs`. `false`: too late to count (knet.md 3.1), not newer than the last one: a copy, or to no PING of
   * ours: without encryption anybody can send one, but not guess a time to the nanosecond. Whether the link came up is seen in `connected`; the
   * caller compares.
   */
  pong(sentMs: number, nowMs: number): boolean {
    // The PING's time is cut to nanoseconds and may look a little later than it was.
    const latencyUs = Math.floor((nowMs - sentMs + CLOCK_SLACK_MS) * 1000);
    if (latencyUs < 0 || sentMs <= this.newestPongSentMs || !this.wasPinged(sentMs)) return false;
    if (latencyUs > this.config.pingTimeoutMs * 1000) {
      // No reason to trust the link; but the peer lived after that PING, and may have been waiting in this node's socket.
      this.unansweredSinceMs = -1;
      return false;
    }
    this.newestPongSentMs = sentMs;
    this.unansweredSinceMs = -1;
    this.lastPongMs = nowMs;
    if (this.suspectedAtMs >= 0 && sentMs + CLOCK_SLACK_MS >= this.suspectedAtMs) {
      this.suspectedAtMs = -1;
      this.trustedUntilMs = nowMs + DISPROVED_TIMEOUTS * this.config.pingTimeoutMs;
    }
    this.sampleLatency(latencyUs);
    if (!this.connected && this.latencyAverageUs < this.pongTimeoutAdjMs * 1000) {
      if (this.receivedPongs >= this.config.pongCount) this.connected = true;
      else this.receivedPongs++;
    }
    return true;
  }

  /**
   * A PING with this time on its sender's clock. While both sides hear each other that clock only goes forward: an older
   * time is a recorded packet. A machine that rebooted has a new clock, but was silent for longer than it takes to declare
   * the link down; and when nothing but old times comes for a while, they are the truth.
   */
  believes(pingTimeMs: number, nowMs: number): boolean {
    this.pingIsNews = true;
    if (pingTimeMs < 0) return true; // another architecture's time: nothing to conclude
    const old = this.connected && pingTimeMs < this.newestPingTimeMs - PING_REORDER_MS;
    if (old && nowMs - this.pingBelievedMs < PING_DISBELIEF_MS_MAX) return false;
    this.pingIsNews = old || !this.connected || pingTimeMs > this.newestPingTimeMs;
    if (this.pingIsNews) this.newestPingTimeMs = pingTimeMs;
    this.pingBelievedMs = nowMs;
    return true;
  }

  /** ≥ 1 valid PONG since the link was last down: the peer talks to us (knet.md 2.2 step 1, as of 1.27). */
  get hasPong(): boolean {
    return this.receivedPongs > 0;
  }

  /** Steps the back-off; returns whether the link has to go down now. */
  expired(nowMs: number): boolean {
    if (nowMs - this.backoffAtMs >= BACKOFF_PERIOD_MS) {
      this.backoffAtMs = nowMs;
      if (this.backoff > 1) this.backoff--;
      this.pongTimeoutAdjMs = this.config.pingTimeoutMs * this.backoff + (2 * this.latencyAverageUs) / 1000;
    }
    return nowMs >= this.downDeadlineMs();
  }

  /**
   * The kernel reported an ICMP error for the peer. Stock believes it at once; but ICMP is nobody's signature, so here
   * it only asks for proof of life: a PING now, and little time for its PONG. Returns whether to send that PING. Once disproved it
   * is not asked for again at once: a flood of forged errors would leave the link with that little time all the while.
   * `refused`: the error was "port unreachable".
   */
  suspect(refused: boolean, nowMs: number): boolean {
    if (!this.connected || nowMs < this.trustedUntilMs) return false;
    if (this.suspectedAtMs >= 0) {
      this.refused ||= refused;
      return false;
    }
    this.suspectedAtMs = nowMs;
    this.suspicionPings = 0;
    this.refused = refused;
    const patienceMs = Math.max(SUSPICION_MS_MIN, (SUSPICION_ROUND_TRIPS * this.quickestUs) / 1000);
    this.suspicionMs = Math.min(patienceMs, this.config.pingTimeoutMs);
    this.suspectedUntilMs = nowMs + this.suspicionMs;
    return true;
  }

  /** When the oldest PING left that nothing was heard after; -1: none is out. Also of links that are down. */
  get silentSinceMs(): number {
    return this.unansweredSinceMs;
  }

  /** A PING beside the regular ones would not come too soon after the last; `pace`: as with `nextPingMs`. */
  mayPing(nowMs: number, pace: number): boolean {
    return nowMs - this.lastPingMs >= pace * PING_AGAIN_MS_MIN;
  }

  /** The peer is another process now: what was suspected of the one before was true, and no reason to doubt what is said of this one. */
  peerRestarted(): void {
    this.suspectedAtMs = -1;
    this.trustedUntilMs = 0;
  }

  /** When it has to go down: the peer's host lives and says that nobody listens, and nobody answered since. */
  get peerDied(): boolean {
    return this.suspectedAtMs >= 0 && this.refused && this.suspicionPings >= SUSPICION_PINGS;
  }

  /** The own process was paused: silence of that long says nothing about the peer. */
  forgive(pausedMs: number): void {
    if (this.lastPongMs >= 0) this.lastPongMs += pausedMs;
    if (this.unansweredSinceMs >= 0) this.unansweredSinceMs += pausedMs;
    this.eagerUntilMs += pausedMs;
    if (this.suspectedAtMs >= 0) this.suspectedUntilMs += pausedMs;
  }

  /** State after "up" and after "down". Average and sample count of the latency are kept (knet.md 3.1). */
  becameUp(): void {
    this.connected = true;
    this.stats.set(LinkStat.connected, 1);
    this.stats.add(LinkStat.up_count, 1);
  }

  becameDown(nowMs: number): void {
    this.flapsUntilMs = this.peerDied ? 0 : nowMs + FLAP_MS;
    this.connected = false;
    this.receivedPongs = 0;
    this.lastPongMs = -1;
    this.suspectedAtMs = -1;
    this.trustedUntilMs = 0;
    this.newestPingTimeMs = -1;
    this.eagerUntilMs = nowMs + this.config.pingTimeoutMs;
    this.pingNotBeforeMs = Number.NEGATIVE_INFINITY;
    this.backoff = BACKOFF_START;
    this.backoffAtMs = nowMs;
    this.pongTimeoutAdjMs = this.config.pingTimeoutMs * BACKOFF_START;
    this.pathMtu.stop();
    this.stats.set(LinkStat.connected, 0);
    this.stats.add(LinkStat.down_count, 1);
  }

  private sampleLatency(latencyUs: number): void {
    const slower = this.latencySamples === 0 ? 1 : QUICKEST_RISE;
    this.quickestUs += (latencyUs - this.quickestUs) * (latencyUs < this.quickestUs ? 1 : slower);
    const samples = Math.min(this.latencySamples + 1, Math.max(1, this.config.pingPrecision));
    this.latencySamples = samples;
    this.latencyAverageUs = Math.floor((this.latencyAverageUs * (samples - 1) + latencyUs) / samples);
    this.stats.set(LinkStat.latency_samples, samples);
    this.stats.set(LinkStat.latency_ave, this.latencyAverageUs);
    this.stats.lower(LinkStat.latency_min, this.latencyAverageUs);
    this.stats.raise(LinkStat.latency_max, this.latencyAverageUs);
  }
}
