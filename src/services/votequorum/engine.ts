import { READ_ONLY_KEYS_VOTEQUORUM, TRACK_CHANGES, TrackEvent } from '../../config/icmap/index.ts';
import { CsError, RondoError } from '../../lib/errors.ts';
import type { QuorumBasis } from '../../lib/quorum-rule.ts';
import type { RingId } from '../../lib/ring-id.ts';
import type { VotesSummary } from '../../lib/votes.ts';
import { ServiceId } from '../codec/ids.ts';
import { messageNames, multicast, receive } from '../codec/message.ts';
import * as wire from '../codec/votequorum.ts';
import { NodeFlag, ReconfigureParam } from '../codec/votequorum.ts';
import type {
  CallHandler,
  EngineConnection,
  EngineTimer,
  MainEngineContext,
  MessageHandler,
  RunningService,
  ServiceEngine,
  SyncHooks,
} from '../engine.ts';
import { readDynamic, readStatic, type StaticConfiguration } from './configuration.ts';
import { VotequorumCore } from './core.ts';
import { type Evaluation, evaluate } from './evaluation.ts';
import { DeviceExtraInfo } from './extra-info.ts';
import { respondStatus, type VotequorumCall, votequorumCalls } from './library.ts';
import { QuorumDevice } from './qdevice.ts';
import { TIE_BREAKER_TYPE } from './quorum-math.ts';
import { type NodeInfo, QDEVICE_NODE_ID } from './records.ts';
import { summarize } from './summary.ts';
import { VotequorumTrackers } from './trackers.ts';
import type { TrackingFile } from './tracking-file.ts';
import { VotesWords } from './words.ts';

export interface VotequorumOptions {
  readonly trackingFile: TrackingFile;
  /** The quorum service: gets every decision. */
  setQuorum(members: readonly number[], quorate: boolean, ringId: RingId, basis: QuorumBasis): void;
  /** It runs: what the votes are, and what that means in words, can be looked up from now on. */
  running?(votes: () => VotesSummary, words: (votes: VotesSummary) => readonly string[]): void;
}

/** The options of votequorum contradict each other; the daemon does not start (services.md 7.4). */
export class VotequorumConfigError extends RondoError {
  static override readonly errorName = 'VotequorumConfigError';
  constructor(message: string) {
    super('RONDO_VOTEQUORUM_CONFIG', message);
  }
}

const RELOAD_KEY = 'config.totemconfig_reload_in_progress';
const CANCEL_KEY = 'quorum.cancel_wait_for_all';

type Message = keyof typeof wire.VOTEQUORUM_MESSAGES;

const WORDS: Readonly<Record<Message, string>> = {
  nodeInfo: 'node info',
  reconfigure: 'reconfiguration',
  qdeviceRegistration: 'registration',
  qdeviceRename: 'rename',
  qdeviceExtraInfo: 'extra info',
};

/** Service 5: quorum by votes (services.md 7). */
export class VotequorumEngine implements ServiceEngine<MainEngineContext, VotequorumCall, Message> {
  readonly serviceId = ServiceId.VOTEQUORUM;
  readonly name = 'votequorum';
  readonly description = 'corosync vote quorum service v1.0';
  readonly unloadPriority = 2;
  readonly allowInquorate = true;
  /** A quorum device must be able to poll (services.md T21). */
  readonly servedDuringSync = true;
  readonly calls = wire.VOTEQUORUM_CALLS;
  readonly messages = messageNames(wire.VOTEQUORUM_MESSAGES);
  readonly takesPartInSync = true;

  constructor(private readonly options: VotequorumOptions) {}

  start(context: MainEngineContext): RunningService<VotequorumCall, Message> {
    return new VotequorumService(context, this.options);
  }
}

class VotequorumService implements RunningService<VotequorumCall, Message> {
  readonly calls: Readonly<Record<VotequorumCall, CallHandler>>;
  readonly messages: Readonly<Record<Message, MessageHandler>> = this.messageHandlers();
  readonly sync: SyncHooks = {
    init: (_transitional, members, ringId) => this.syncInit(members, ringId),
    process: () => this.syncProcess(),
    activate: () => this.core.syncActivate(),
    abort: () => {},
  };
  private readonly fixed: StaticConfiguration;
  private readonly core: VotequorumCore;
  private readonly device: QuorumDevice;
  private readonly trackers: VotequorumTrackers;
  private readonly extraInfo: DeviceExtraInfo;
  private windowTimer: EngineTimer | null = null;
  private windowMs = 0;
  private syncInfoSent = false;
  private leaving = false;

  // ---- start and configuration ----

  constructor(
    private readonly context: MainEngineContext,
    private readonly options: VotequorumOptions,
  ) {
    const { cmap } = context;
    this.fixed = readStatic(cmap);
    this.core = this.makeCore();
    this.device = new QuorumDevice(this.core, context, respondStatus);
    this.trackers = new VotequorumTrackers(this.core, cmap.getString('system.compatibility') === 'next');
    this.extraInfo = new DeviceExtraInfo(this.core, this.device, this.trackers, context);
    const { core, device, trackers, extraInfo, fixed } = this;
    this.calls = votequorumCalls({ core, device, context, trackers, extraInfo });
    for (const text of fixed.warnings) context.log('warning', 'VOTEQ', text);
    this.loadTrackingBarrier();
    this.applyStatic();
    const result = this.evaluate(false);
    if (result.error !== null) throw new VotequorumConfigError(result.error);
    if (core.waitForAll) core.setWaitForAllArmed(true);
    if (fixed.tieBreakerWanted) this.writeTieBreaker();
    core.recalculate(false, false);
    for (const key of READ_ONLY_KEYS_VOTEQUORUM) cmap.setReadOnly(key, { prefix: false, readOnly: true });
    this.trackConfiguration();
    device.sendOwnInfo();
    const words = new VotesWords();
    this.options.running?.(
      () => summarize(core, device.name),
      (votes) => words.of(votes),
    );
  }

  private makeCore(): VotequorumCore {
    const { context } = this;
    return new VotequorumCore(context.nodeId, context.cmap, {
      decided: (members, quorate, ringId, basis) => {
        this.options.setQuorum(members, quorate, ringId, basis);
        this.trackers.sendQuorum();
      },
      expectedVotesChanged: () => this.trackers.sendExpectedVotes(),
      storeTrackingBarrier: (expectedVotes) => {
        if (!this.options.trackingFile.store(expectedVotes)) {
          context.log('warning', 'VOTEQ', 'Unable to update ev_tracking_barrier on disk data!!!');
        }
      },
      log: (level, text) => context.log(level, 'VOTEQ', text),
      startWindowTimer: () => this.startWindowTimer(),
      stopWindowTimer: () => this.stopWindowTimer(),
    });
  }

  private startWindowTimer(): void {
    this.stopWindowTimer();
    this.windowTimer = this.context.setTimer(this.windowMs, () => {
      this.windowTimer = null;
      this.core.windowExpired();
    });
  }

  private stopWindowTimer(): void {
    this.windowTimer?.cancel();
    this.windowTimer = null;
  }

  private loadTrackingBarrier(): void {
    const { core, fixed } = this;
    if (!fixed.expectedVotesTracking) return;
    try {
      core.setTrackingBarrier(this.options.trackingFile.load());
    } catch (error) {
      throw new VotequorumConfigError(`configuration error: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private applyStatic(): void {
    const { core, fixed } = this;
    core.allowDownscale = fixed.allowDownscale;
    core.lastManStanding = fixed.lastManStanding;
    this.windowMs = fixed.lastManStandingWindowMs;
  }

  /** Reads the keys that may change and applies what follows from them. */
  private evaluate(runtime: boolean): Evaluation {
    const { context, core, fixed, device } = this;
    const dynamic = readDynamic(context.cmap);
    const result = evaluate(dynamic, fixed, {
      runtime,
      qdeviceRegistered: device.isRegistered,
      trackingBarrier: core.trackingBarrier,
      lastManStanding: core.lastManStanding,
    });
    for (const { level, text } of result.logs) context.log(level, 'VOTEQ', text);
    core.twoNode = result.twoNode;
    context.cmap.setU8('runtime.votequorum.two_node', result.twoNode ? 1 : 0);
    core.tieBreaker = result.tieBreaker;
    if (result.qdeviceCanOperate !== null) {
      device.canOperate = result.qdeviceCanOperate;
      context.cmap.setU8('runtime.votequorum.qdevice_can_operate', result.qdeviceCanOperate ? 1 : 0);
    }
    if (result.error !== null) return result;
    core.waitForAll = result.waitForAll;
    core.us.votes = result.votes;
    if (result.expectedVotes !== 0) core.us.expectedVotes = result.expectedVotes;
    if (result.deviceVotes !== null) core.device.votes = result.deviceVotes;
    if (dynamic.device !== null) {
      device.timeoutMs = dynamic.device.timeoutMs;
      device.syncTimeoutMs = dynamic.device.syncTimeoutMs;
    }
    core.setExpectedVotesBarrier(core.us.expectedVotes);
    if (!core.waitForAll && fixed.waitForAll === null && core.waitForAllArmed) core.setWaitForAllArmed(false);
    return result;
  }

  private writeTieBreaker(): void {
    const { context, core } = this;
    context.cmap.setU32('runtime.votequorum.atb_type', TIE_BREAKER_TYPE[core.tieBreaker.mode]);
  }

  private trackConfiguration(): void {
    const { context } = this;
    const changed = (_event: number, key: string): void => this.configurationChanged(key);
    context.track('nodelist.', TRACK_CHANGES | TrackEvent.PREFIX, changed);
    context.track('quorum.', TRACK_CHANGES | TrackEvent.PREFIX, changed);
    context.track(RELOAD_KEY, TrackEvent.ADD | TrackEvent.MODIFY, changed);
  }

  /** Run-time changes (services.md 7.4); during a reload they are looked at once, at its end. */
  private configurationChanged(key: string): void {
    const { context, core } = this;
    const { cmap } = context;
    if ((cmap.getU8(RELOAD_KEY) ?? 0) !== 0) return;
    if (key === RELOAD_KEY && (cmap.getI32('config.reload_status') ?? CsError.OK) !== CsError.OK) return;
    if (key === CANCEL_KEY && (cmap.getU8(CANCEL_KEY) ?? 0) >= 1) {
      cmap.setU8(CANCEL_KEY, 0); // comes back here first (services.md T35)
      const param = ReconfigureParam.CANCEL_WAIT_FOR_ALL;
      multicast(context, wire.VQ_RECONFIGURE, { param, nodeId: core.us.nodeId, value: 0 });
      return;
    }
    this.reevaluate();
  }

  private reevaluate(): void {
    const { core, device, context } = this;
    const { us } = core;
    const { votes, expectedVotes } = us;
    this.evaluate(true);
    this.writeTieBreaker();
    device.sendOwnInfo();
    device.sendDeviceInfo();
    const reconfigure = (param: number, value: number): void =>
      multicast(context, wire.VQ_RECONFIGURE, { param, nodeId: us.nodeId, value });
    if (us.votes !== votes) reconfigure(ReconfigureParam.NODE_VOTES, us.votes);
    if (us.expectedVotes !== expectedVotes) reconfigure(ReconfigureParam.EXPECTED_VOTES, us.expectedVotes);
  }

  // ---- messages ----

  private messageHandlers(): Readonly<Record<Message, MessageHandler>> {
    return receive(
      wire.VOTEQUORUM_MESSAGES,
      {
        nodeInfo: (info, nodeId) => this.nodeInfo(info, nodeId),
        reconfigure: ({ param, nodeId, value }) => this.reconfigure(param, nodeId, value),
        qdeviceRegistration: ({ operation, name }, nodeId) =>
          this.device.registrationDelivered(operation, name, nodeId),
        qdeviceRename: ({ oldName, newName }) => this.device.renameDelivered(oldName, newName),
        qdeviceExtraInfo: (values, nodeId, message) => this.extraInfo.delivered(values, nodeId, message),
      },
      (name, nodeId) =>
        this.context.log('warning', 'VOTEQ', `Malformed ${WORDS[name]} from node ${nodeId}`, 'malformed'),
    );
  }

  /** A node speaks for itself and its device only: what one made up of others would be a record each, which are never removed. */
  private nodeInfo(info: NodeInfo, sender: number): void {
    if (info.nodeId === sender || info.nodeId === QDEVICE_NODE_ID) this.core.nodeInfo(info, sender);
    else
      this.context.log(
        'warning',
        'VOTEQ',
        `Node info about node ${info.nodeId} from node ${sender} dropped`,
        'foreign',
      );
  }

  private reconfigure(param: number, nodeId: number, value: number): void {
    const { core } = this;
    if (param === ReconfigureParam.EXPECTED_VOTES) core.reconfigureExpectedVotes(value);
    else if (param === ReconfigureParam.NODE_VOTES) core.reconfigureVotes(nodeId, value);
    else if (param === ReconfigureParam.CANCEL_WAIT_FOR_ALL) core.cancelWaitForAll(nodeId);
  }

  // ---- sync ----

  private syncInit(members: readonly number[], ringId: RingId): void {
    const { core, device } = this;
    core.syncInit(members, ringId);
    this.syncInfoSent = false;
    device.syncInit();
  }

  private syncProcess(): boolean {
    const { device, context, trackers, extraInfo } = this;
    if (!this.syncInfoSent) {
      this.syncInfoSent = true;
      device.sendOwnInfo();
      extraInfo.sendIfSet();
      device.sendDeviceInfo();
      device.sendRegistration();
      trackers.sendNodeList();
    }
    return context.flush() && !device.holdsSync;
  }

  // ---- clients ----

  connectionClosed(connection: EngineConnection): void {
    const { trackers, device } = this;
    trackers.stop(connection);
    device.connectionClosed(connection);
  }

  // ---- end ----

  /** With allow_downscale the others are notified, so that they expect fewer votes (services.md 7.13). */
  stop(): boolean {
    const { core, device, context } = this;
    if (!core.allowDownscale) return true;
    if (!this.leaving) {
      this.leaving = true;
      core.us.set(NodeFlag.LEAVING, true);
      device.sendOwnInfo();
    }
    return context.flush();
  }

  dump(): string {
    const { core } = this;
    const nodes = core.records.all().map((r) => `${r.nodeId}: state ${r.state}, votes ${r.votes}, flags ${r.flags}`);
    return `votequorum: quorum ${core.quorum}, expected ${core.us.expectedVotes}\n  ${nodes.join('\n  ')}`;
  }
}
