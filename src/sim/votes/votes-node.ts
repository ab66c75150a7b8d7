import type { Icmap } from '../../config/icmap/index.ts';
import { CsError } from '../../lib/errors.ts';
import type { LogFunction } from '../../lib/log.ts';
import { NO_RING, type RingId } from '../../lib/ring-id.ts';
import { messageNames } from '../../services/codec/message.ts';
import { messageError } from '../../services/codec/struct.ts';
import { VOTEQUORUM_MESSAGES, VQ_QDEVICE_POLL, VQ_QDEVICE_REGISTER } from '../../services/codec/votequorum.ts';
import type { EngineConnection, EngineTimer, MainEngineContext, RunningService } from '../../services/engine.ts';
import { VotequorumEngine } from '../../services/votequorum/engine.ts';
import type { VotequorumCall } from '../../services/votequorum/library.ts';
import { memoryTrackingFile } from '../../services/votequorum/tracking-file.ts';

/** What a node said last of its quorum. */
export interface VotesReport {
  readonly quorate: boolean;
  readonly ringId: RingId;
  readonly members: readonly number[];
}

/** What surrounds a node: the others of its part, and time. */
export interface VotesNodePorts {
  /** To every node of its part, itself among them, in order. */
  multicast(fn: number, payload: Uint8Array): void;
  reported(): void;
  /** It is at the barrier. */
  processed(): void;
  /** Real or virtual time. */
  setTimer(delayMs: number, callback: () => void): EngineTimer;
  nowMs(): number;
  log: LogFunction;
  /** Something that a user has to know. */
  problem(text: string): void;
}

/** How long after a change of the membership a node speaks, and asks a device again. */
const SYNC_STEP_MS = 10;
const DEVICE = 'VQsim_qdevice';
const MESSAGE_NAMES = messageNames(VOTEQUORUM_MESSAGES);

/** A node of which only the votes are real: votequorum itself, with a quorum device that says yes. */
export class VotesNode {
  report: VotesReport | null = null;
  quit = false;
  private syncing = false;
  /** A quorum device holds the synchronization until it has been heard. */
  private held = false;
  private processed = false;
  private syncs = 0;
  private readonly service: RunningService<VotequorumCall> | null;
  private readonly deviceTimeoutMs: number;
  private deviceRegistered = false;
  private devicePolls = false;
  private deviceTimer: EngineTimer | null = null;
  private status: number = CsError.OK;

  /** `cmap` is this node's own. Messages may be sent before it returns. */
  constructor(
    readonly nodeId: number,
    cmap: Icmap,
    private readonly ports: VotesNodePorts,
    deviceTimeoutMs: number,
  ) {
    this.deviceTimeoutMs = deviceTimeoutMs;
    this.service = this.start(cmap);
    if (this.service !== null) this.synchronize([nodeId], { rep: nodeId, seq: 1 });
  }

  private start(cmap: Icmap): RunningService<VotequorumCall> | null {
    const engine = new VotequorumEngine({
      trackingFile: memoryTrackingFile(),
      setQuorum: (members, quorate, ringId) => {
        this.report = { members: [...members], quorate, ringId };
        this.ports.reported();
      },
    });
    try {
      return engine.start(this.context(cmap));
    } catch (error) {
      this.ports.problem(`votequorum exec init failed: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  }

  private context(cmap: Icmap): MainEngineContext {
    const { ports, nodeId } = this;
    const send = (fn: number, payload: Uint8Array): void => {
      if (!this.quit) ports.multicast(fn, payload);
    };
    return {
      nodeId,
      cmap,
      log: ports.log,
      send,
      trySend: (fn, payload) => {
        send(fn, payload);
        return true;
      },
      flush: () => true,
      nowMs: () => ports.nowMs(),
      setTimer: (delayMs, callback) => this.setTimer(delayMs, callback),
      isQuorate: () => this.report?.quorate === true,
      syncInProgress: () => this.syncing,
      track: () => {}, // nothing changes the configuration
    };
  }

  private setTimer(delayMs: number, callback: () => void): EngineTimer {
    return this.ports.setTimer(delayMs, () => {
      if (!this.quit) callback();
    });
  }

  /** Whether it has nothing more to do before something happens. */
  get settled(): boolean {
    return !this.syncing || this.held;
  }

  deliver(fn: number, payload: Uint8Array, from: number): void {
    if (this.quit || this.service === null) return;
    const name = MESSAGE_NAMES[fn];
    if (name !== undefined) this.service.messages[name]?.(payload, from);
  }

  // ---- membership ----

  synchronize(members: readonly number[], ringId: RingId): void {
    if (this.quit || this.service === null) return;
    this.syncing = true;
    this.processed = false;
    this.service.sync?.init([], members, ringId);
    this.processLater(++this.syncs);
  }

  private processLater(sync: number): void {
    this.setTimer(SYNC_STEP_MS, () => {
      if (sync !== this.syncs) return; // the membership has changed meanwhile
      this.processed = this.service?.sync?.process() === true;
      this.held = !this.processed;
      if (this.held) this.processLater(sync);
      else this.ports.processed();
    });
  }

  /** Nobody waits for what it has to say: it has said it. A device holds up only its own node. */
  get atBarrier(): boolean {
    return this.processed || this.settled || this.service === null;
  }

  activate(): void {
    if (this.quit || !this.processed) return;
    this.processed = false;
    this.syncing = false;
    this.service?.sync?.activate();
  }

  // ---- quorum device ----

  setDevice(on: boolean): void {
    if (this.quit || this.service === null) return;
    if (!on) {
      this.pollDevice(false);
      this.deviceTimer?.cancel();
      this.devicePolls = false;
    } else if (this.deviceRegistered) {
      if (!this.devicePolls) this.pollDeviceIn(this.deviceTimeoutMs / 2);
    } else if (this.call('qdeviceRegister', VQ_QDEVICE_REGISTER.message({ name: DEVICE }), 'registration')) {
      this.deviceRegistered = true;
      this.pollDeviceIn(this.deviceTimeoutMs);
    }
  }

  private pollDeviceIn(delayMs: number): void {
    this.devicePolls = true;
    this.deviceTimer = this.setTimer(delayMs, () => {
      if (this.pollDevice(true)) this.pollDeviceIn(this.deviceTimeoutMs / 2);
    });
  }

  private pollDevice(castVote: boolean): boolean {
    const { rep, seq } = this.report?.ringId ?? NO_RING;
    const poll = VQ_QDEVICE_POLL.message({
      name: DEVICE,
      castVote: castVote ? 1 : 0,
      ringId: { rep, seq: BigInt(seq) },
    });
    return this.call('qdevicePoll', poll, 'poll');
  }

  private call(name: VotequorumCall, request: Uint8Array, what: string): boolean {
    this.status = CsError.OK; // not every request gets its response at once
    this.service?.calls[name](this.connection, request);
    if (this.status !== CsError.OK) this.ports.problem(`${this.nodeId}: qdevice ${what} failed: ${this.status}`);
    return this.status === CsError.OK;
  }

  /** The device's connection. */
  private readonly connection: EngineConnection = {
    id: 1,
    pid: 0,
    euid: 0,
    egid: 0,
    context: null,
    respond: (message) => {
      this.status = messageError(message);
    },
    dispatch: () => {},
    disconnect: () => {},
  };
}
