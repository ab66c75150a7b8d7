import { CsError, type CsStatus } from '../../lib/errors.ts';
import type { ExactRingId } from '../../lib/ring-id.ts';
import { multicast, tryMulticast } from '../codec/message.ts';
import type { ValuesOf } from '../codec/struct.ts';
import {
  NodeFlag,
  QDEVICE_NAME_BYTES,
  QdeviceOperation,
  VQ_EXEC_QDEVICE_REGISTER,
  VQ_EXEC_QDEVICE_RENAME,
  VQ_NODE_INFO,
} from '../codec/votequorum.ts';
import type { EngineConnection, EngineTimer, MainEngineContext } from '../engine.ts';
import { DEFAULT_QDEVICE_SYNC_TIMEOUT_MS, DEFAULT_QDEVICE_TIMEOUT_MS } from './configuration.ts';
import type { VotequorumCore } from './core.ts';

/** Names end with a NUL inside their field, so one byte of it is not theirs. */
const cut = (name: string): string => name.slice(0, QDEVICE_NAME_BYTES - 1);

const registration = (operation: number, name: string): Partial<ValuesOf<typeof VQ_EXEC_QDEVICE_REGISTER>> => ({
  operation,
  name: cut(name),
});

/** The quorum device of this node: one registration, kept alive by polls (services.md 7.7-7.9). */
export class QuorumDevice {
  /** Known in the whole cluster: all nodes use the same device. Empty: none. */
  name = '';
  /** `false`: the configuration contradicts itself (services.md 7.4). */
  canOperate = true;
  timeoutMs = DEFAULT_QDEVICE_TIMEOUT_MS;
  syncTimeoutMs = DEFAULT_QDEVICE_SYNC_TIMEOUT_MS;
  /** The process phase of the sync waits for a poll with the new ring id. */
  private waitsForPoll = false;
  private timer: EngineTimer | null = null;
  private pending: EngineConnection | null = null;

  constructor(
    private readonly core: VotequorumCore,
    private readonly context: MainEngineContext,
    private readonly respond: (connection: EngineConnection, status: CsStatus) => void,
  ) {}

  get isRegistered(): boolean {
    return this.core.us.has(NodeFlag.QDEVICE_REGISTERED);
  }

  get holdsSync(): boolean {
    return this.isRegistered && this.waitsForPoll;
  }

  sendOwnInfo(): void {
    this.core.ownInfoSent();
    multicast(this.context, VQ_NODE_INFO, this.core.us.info());
  }

  sendDeviceInfo(): void {
    multicast(this.context, VQ_NODE_INFO, this.core.device.info());
  }

  // ---- timer ----

  private restartTimer(delayMs: number): void {
    this.timer?.cancel();
    this.timer = this.context.setTimer(delayMs, () => this.pollMissed());
  }

  private pollMissed(): void {
    this.timer = null;
    const { us } = this.core;
    if (!us.has(NodeFlag.QDEVICE_ALIVE)) return;
    us.set(NodeFlag.QDEVICE_ALIVE | NodeFlag.QDEVICE_CAST_VOTE, false);
    this.context.log('info', 'VOTEQ', `lost contact with quorum device ${this.name}`);
    this.sendOwnInfo();
    this.waitsForPoll = false;
  }

  // ---- sync ----

  syncInit(): void {
    this.waitsForPoll = false;
    if (!this.isRegistered || !this.core.us.has(NodeFlag.QDEVICE_ALIVE)) return;
    const wait = `waiting for quorum device ${this.name} poll (but maximum for ${this.syncTimeoutMs} ms)`;
    this.context.log('info', 'VOTEQ', wait);
    this.restartTimer(this.syncTimeoutMs);
    this.waitsForPoll = true;
  }

  sendRegistration(): void {
    if (this.name === '') return;
    multicast(this.context, VQ_EXEC_QDEVICE_REGISTER, registration(QdeviceOperation.REGISTER, this.name));
  }

  // ---- requests; `null`: the response comes later ----

  register(connection: EngineConnection, name: string): CsStatus | null {
    if (!this.canOperate) {
      const why = 'Registration of quorum device is disabled by incorrect corosync.conf. See logs for more information';
      this.context.log('info', 'VOTEQ', why);
      return CsError.ACCESS;
    }
    if (name === '') return CsError.INVALID_PARAM;
    if (this.isRegistered) return name === this.name ? CsError.OK : CsError.EXIST;
    if (this.pending !== null) return CsError.TRY_AGAIN;
    const values = registration(QdeviceOperation.REGISTER, name);
    if (!tryMulticast(this.context, VQ_EXEC_QDEVICE_REGISTER, values)) return CsError.TRY_AGAIN;
    this.pending = connection;
    return null;
  }

  /** `beforeInfo`: what else goes with the device is told before this node's info. */
  unregister(name: string, beforeInfo: () => void): CsStatus {
    if (!this.isRegistered) return CsError.NOT_EXIST;
    if (name !== this.name) return CsError.INVALID_PARAM;
    this.timer?.cancel();
    this.timer = null;
    this.waitsForPoll = false;
    const { QDEVICE_REGISTERED, QDEVICE_ALIVE, QDEVICE_CAST_VOTE, QDEVICE_MASTER_WINS } = NodeFlag;
    this.core.us.set(QDEVICE_REGISTERED | QDEVICE_ALIVE | QDEVICE_CAST_VOTE | QDEVICE_MASTER_WINS, false);
    beforeInfo();
    this.sendOwnInfo();
    multicast(this.context, VQ_EXEC_QDEVICE_REGISTER, registration(QdeviceOperation.UNREGISTER, name));
    return CsError.OK;
  }

  rename(oldName: string, newName: string): CsStatus {
    if (!this.isRegistered) return CsError.NOT_EXIST;
    if (oldName !== this.name || newName === '') return CsError.INVALID_PARAM;
    multicast(this.context, VQ_EXEC_QDEVICE_RENAME, { oldName: cut(oldName), newName: cut(newName) });
    return CsError.OK;
  }

  poll(name: string, castVote: boolean, ringId: ExactRingId): CsStatus {
    if (!this.canOperate) return CsError.ACCESS;
    if (!this.isRegistered) return CsError.NOT_EXIST;
    if (!this.core.isCurrentRing(ringId)) return CsError.MESSAGE_ERROR;
    if (name !== this.name) return CsError.INVALID_PARAM;
    const { us } = this.core;
    const { flags } = us;
    us.set(NodeFlag.QDEVICE_ALIVE, true);
    us.set(NodeFlag.QDEVICE_CAST_VOTE, castVote);
    if (us.flags !== flags) this.sendOwnInfo();
    this.restartTimer(this.timeoutMs);
    this.waitsForPoll = false;
    return CsError.OK;
  }

  setMasterWins(name: string, allow: boolean): CsStatus {
    if (!this.canOperate) return CsError.ACCESS;
    if (!this.isRegistered) return CsError.NOT_EXIST;
    if (name !== this.name) return CsError.INVALID_PARAM;
    const { us } = this.core;
    const { flags } = us;
    us.set(NodeFlag.QDEVICE_MASTER_WINS, allow);
    if (us.flags !== flags) this.sendOwnInfo();
    this.core.setMasterWins(allow);
    return CsError.OK;
  }

  connectionClosed(connection: EngineConnection): void {
    if (this.pending === connection) this.pending = null;
  }

  // ---- messages ----

  registrationDelivered(operation: number, name: string, nodeId: number): void {
    if (operation === QdeviceOperation.UNREGISTER) {
      const used = this.core.records.members().some((record) => record.has(NodeFlag.QDEVICE_REGISTERED));
      if (!used) this.name = '';
      return;
    }
    if (operation !== QdeviceOperation.REGISTER) return;
    if (nodeId !== this.context.nodeId) {
      if (this.name === '') this.name = name;
      return;
    }
    this.ownRegistrationDelivered(name);
  }

  private ownRegistrationDelivered(name: string): void {
    const connection = this.pending;
    if (this.isRegistered || connection === null) return;
    this.pending = null;
    if (this.name === '') this.name = name;
    if (name !== this.name) {
      this.respond(connection, CsError.EXIST);
      return;
    }
    this.core.us.set(NodeFlag.QDEVICE_REGISTERED, true);
    // A stock node that has just joined and does not know this one yet ends by an assertion when its device comes first (as stock sends them).
    this.sendOwnInfo();
    this.sendDeviceInfo();
    this.respond(connection, CsError.OK);
  }

  renameDelivered(oldName: string, newName: string): void {
    if (oldName === this.name) this.name = newName;
  }
}
