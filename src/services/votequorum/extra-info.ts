import { CsError, type CsStatus } from '../../lib/errors.ts';
import { multicast } from '../codec/message.ts';
import type { RequestStruct, Values } from '../codec/struct.ts';
import * as wire from '../codec/votequorum.ts';
import { NodeFlag, QDEVICE_EXTRA_INFO_BYTES } from '../codec/votequorum.ts';
import type { EngineConnection, MainEngineContext } from '../engine.ts';
import type { VotequorumCore } from './core.ts';
import type { QuorumDevice } from './qdevice.ts';
import type { VotequorumTrackers } from './trackers.ts';

const NONE = new Uint8Array(0);

type ExtraInfoValues = typeof wire.VQ_EXEC_EXTRA_INFO extends RequestStruct<infer F> ? Values<F> : never;

/**
 * What the quorum device of each node says of it beyond its vote: up to 4096 bytes that votequorum carries and does not read (services.md 7.15;
 * upstream has it since April 2026). A node of before discards the message.
 */
export class DeviceExtraInfo {
  constructor(
    private readonly core: VotequorumCore,
    private readonly device: QuorumDevice,
    private readonly trackers: VotequorumTrackers,
    private readonly context: MainEngineContext,
  ) {}

  /** A request: for this node, as long as its device is registered. No byte: it has none. */
  set(info: Uint8Array | null, connection: EngineConnection): CsStatus {
    this.trackers.knowsExtraInfo(connection);
    if (!this.device.canOperate) return CsError.ACCESS;
    if (info === null || info.length > QDEVICE_EXTRA_INFO_BYTES) return CsError.INVALID_PARAM;
    if (!this.device.isRegistered) return CsError.NOT_EXIST;
    this.core.us.setExtraInfo(new Uint8Array(info));
    this.send();
    return CsError.OK;
  }

  /** A request: the response. */
  get(nodeId: number, connection: EngineConnection): Uint8Array {
    this.trackers.knowsExtraInfo(connection);
    const response = wire.VQ_GET_EXTRA_INFO_RESPONSE;
    if (!this.device.canOperate) return response.message(CsError.ACCESS);
    const record = this.core.records.find(nodeId);
    if (record === undefined) return response.message(CsError.NOT_EXIST);
    return response.ok({ length: record.extraInfo.length }, record.extraInfo);
  }

  /** With the first node info of a sync: nodes that joined have not heard it. */
  sendIfSet(): void {
    if (this.core.us.has(NodeFlag.QDEVICE_EXTRA_INFO)) this.send();
  }

  /** The device of this node was unregistered. */
  clear(): void {
    if (!this.core.us.has(NodeFlag.QDEVICE_EXTRA_INFO)) return;
    this.core.us.setExtraInfo(NONE);
    this.send();
  }

  delivered({ nodeId, length }: ExtraInfoValues, sender: number, message: Uint8Array): void {
    const log = (text: string): void => this.context.log('error', 'VOTEQ', text, 'extra-info');
    const info = wire.VQ_EXEC_EXTRA_INFO.tailBytes(message, length);
    const record = this.core.records.find(nodeId);
    if (length > QDEVICE_EXTRA_INFO_BYTES) log(`Oversized extra info for node ${nodeId}! Ignoring`);
    else if (info === null) log(`Malformed extra info for node ${nodeId} from node ${sender}`);
    else if (record === undefined) log(`Failed to find node ${nodeId} for set extra info`);
    else {
      record.setExtraInfo(new Uint8Array(info));
      this.trackers.sendExtraInfo(record);
    }
  }

  private send(): void {
    const { nodeId, extraInfo } = this.core.us;
    multicast(this.context, wire.VQ_EXEC_EXTRA_INFO, { nodeId, length: extraInfo.length }, extraInfo);
  }
}
