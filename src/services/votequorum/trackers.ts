import { exactRingId } from '../../lib/ring-id.ts';
import * as wire from '../codec/votequorum.ts';
import type { EngineConnection } from '../engine.ts';
import type { VotequorumCore } from './core.ts';
import { type NodeRecord, QDEVICE_NODE_ID } from './records.ts';

/** Clients that hear of changes, each with the context that it gave (services.md 7.2). */
export class VotequorumTrackers {
  private readonly tracking = new Map<EngineConnection, bigint>();

  /** Those that know extra info: a library of before calls an event that it does not know an error of its own, and programs end. */
  private readonly knowing = new WeakSet<EngineConnection>();

  /** @param allKnow every library here is of the release after 3.1.10 */
  constructor(
    private readonly core: VotequorumCore,
    private readonly allKnow: boolean,
  ) {}

  /** It asked for extra info, or set some. */
  knowsExtraInfo(connection: EngineConnection): void {
    this.knowing.add(connection);
  }

  has(connection: EngineConnection): boolean {
    return this.tracking.has(connection);
  }

  start(connection: EngineConnection, context: bigint): void {
    this.tracking.set(connection, context);
  }

  /** Whether it was tracking. */
  stop(connection: EngineConnection): boolean {
    return this.tracking.delete(connection);
  }

  sendCurrent(connection: EngineConnection, context: bigint): void {
    connection.dispatch(this.nodeList(context));
    connection.dispatch(this.quorum(context));
    if (!this.allKnow && !this.knowing.has(connection)) return;
    for (const record of this.core.records.all())
      if (record.has(wire.NodeFlag.QDEVICE_EXTRA_INFO)) connection.dispatch(extraInfo(record, context));
  }

  sendQuorum(): void {
    this.sendAll((context) => this.quorum(context));
  }

  sendNodeList(): void {
    this.sendAll((context) => this.nodeList(context));
  }

  sendExpectedVotes(): void {
    const { expectedVotes } = this.core.us;
    this.sendAll((context) => wire.VQ_EXPECTED_VOTES_EVENT.ok({ context, expectedVotes }));
  }

  sendExtraInfo(record: NodeRecord): void {
    for (const [connection, context] of this.tracking)
      if (this.allKnow || this.knowing.has(connection)) connection.dispatch(extraInfo(record, context));
  }

  /** There may be thousands, most of them with the same context: the event is made once for those that follow each other. */
  private sendAll(encode: (context: bigint) => Uint8Array): void {
    let latest = 0n;
    let event = encode(latest);
    for (const [connection, context] of this.tracking) {
      if (context !== latest) event = encode(context);
      latest = context;
      connection.dispatch(event);
    }
  }

  private quorum(context: bigint): Uint8Array {
    const nodes = this.core.records.all().map(({ nodeId, state }) => ({ nodeId, state }));
    if (this.core.us.has(wire.NodeFlag.QDEVICE_REGISTERED)) nodes.push({ nodeId: QDEVICE_NODE_ID, state: 0 });
    return wire.encodeVotequorumQuorum({ quorate: this.core.quorate, context, nodes });
  }

  private nodeList(context: bigint): Uint8Array {
    return wire.encodeVotequorumNodeList({ context, ringId: exactRingId(this.core.ringId), nodes: this.core.members });
  }
}

const extraInfo = ({ nodeId, extraInfo: info }: NodeRecord, context: bigint): Uint8Array =>
  wire.VQ_EXTRA_INFO_EVENT.ok({ context, nodeId, length: info.length }, info);
