import { NodeFlag } from '../codec/votequorum.ts';

/** States of a node record; the numbers are those of the library. */
export const RecordState = { NONE: 0, MEMBER: 1, DEAD: 2, LEAVING: 3 } as const;

/** What a node says of itself, or of its device (services.md 1.6). */
export interface NodeInfo {
  readonly nodeId: number;
  readonly votes: number;
  readonly expectedVotes: number;
  readonly flags: number;
}

/** What is known of a node. Made by its first node info, never removed (services.md 7.3). */
export class NodeRecord {
  state: number = RecordState.NONE;
  votes = 0;
  expectedVotes = 0;
  flags = 0;
  /** What its quorum device says of it beyond the vote. */
  extraInfo: Uint8Array = new Uint8Array(0);

  constructor(readonly nodeId: number) {}

  get isMember(): boolean {
    return this.state === RecordState.MEMBER;
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  set(flag: number, on: boolean): void {
    this.flags = on ? this.flags | flag : this.flags & ~flag;
  }

  setExtraInfo(info: Uint8Array): void {
    this.extraInfo = info;
    this.set(NodeFlag.QDEVICE_EXTRA_INFO, info.length > 0);
  }

  info(): NodeInfo {
    const { nodeId, votes, expectedVotes, flags } = this;
    return { nodeId, votes, expectedVotes, flags };
  }
}

/** Id of the record that stands for the quorum device. */
export const QDEVICE_NODE_ID = 0;

/**
 * The records in stock's order, which clients see: a new one goes before the first with a larger id, ids compared as
 * signed numbers; if there is none it goes before the last (services.md 7.3).
 */
export class NodeRecords {
  private readonly list: NodeRecord[] = [];
  /** Only its votes matter. */
  readonly device = new NodeRecord(QDEVICE_NODE_ID);

  constructor(us: NodeRecord) {
    this.list.push(us);
  }

  /** Id 0 is the device. */
  find(nodeId: number): NodeRecord | undefined {
    return nodeId === QDEVICE_NODE_ID ? this.device : this.list.find((record) => record.nodeId === nodeId);
  }

  add(nodeId: number): NodeRecord {
    const record = new NodeRecord(nodeId);
    const larger = this.list.findIndex((other) => (other.nodeId | 0) > (nodeId | 0));
    this.list.splice(larger >= 0 ? larger : this.list.length - 1, 0, record);
    return record;
  }

  all(): readonly NodeRecord[] {
    return this.list;
  }

  members(): NodeRecord[] {
    return this.list.filter((record) => record.isMember);
  }
}
