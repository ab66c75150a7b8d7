import type { CpgConnection } from './cpg-connection.ts';

/** A process of a group, on any node; what the messages of all nodes agree on (services.md 4.5). */
export interface GroupProcess {
  readonly nodeId: number;
  readonly pid: number;
  readonly group: CpgGroup;
}

/** A group that has processes somewhere or connections here. */
export class CpgGroup {
  /** In process-list order: by node id, then pid, equal ones by age. */
  readonly processes: GroupProcess[] = [];
  /** Connections here that get the group's events: states JOIN_COMPLETED and LEAVE_STARTED. */
  readonly listeners: CpgConnection[] = [];
  /** Connections here that hold the name, in any state, by the pid that they joined with. */
  private readonly holders = new Map<number, CpgConnection[]>();
  /** Processes by node, as two arrays: which node, how many. */
  private readonly nodeIds: number[] = [];
  private readonly nodeCounts: number[] = [];
  /** Chain of the hash table. */
  next: CpgGroup | null = null;

  constructor(
    readonly name: Uint8Array,
    readonly hash: number,
    /** Unlike that of any other group of the table, past ones included. */
    readonly serial: number,
  ) {}

  /** Whether `nodeId` has at least one process in the group: asked for every message. */
  hasNode(nodeId: number): boolean {
    return this.nodeIds.indexOf(nodeId) >= 0;
  }

  countNode(nodeId: number, change: 1 | -1): void {
    const at = this.nodeIds.indexOf(nodeId);
    if (at < 0) {
      this.nodeIds.push(nodeId);
      this.nodeCounts.push(change);
      return;
    }
    this.nodeCounts[at] = this.nodeCounts[at]! + change;
    if (this.nodeCounts[at] === 0) {
      this.nodeIds.splice(at, 1);
      this.nodeCounts.splice(at, 1);
    }
  }

  hold(connection: CpgConnection): void {
    const holders = this.holders.get(connection.pid);
    if (holders === undefined) this.holders.set(connection.pid, [connection]);
    else holders.push(connection);
  }

  giveUp(connection: CpgConnection): void {
    const holders = this.holders.get(connection.pid);
    const at = holders?.indexOf(connection) ?? -1;
    if (holders === undefined || at < 0) return;
    holders.splice(at, 1);
    if (holders.length === 0) this.holders.delete(connection.pid);
  }

  /** How many connections of one user hold it: for joins, not for messages. */
  heldByUser(uid: number): number {
    let count = 0;
    for (const holders of this.holders.values()) for (const { port } of holders) if (port.user.uid === uid) count++;
    return count;
  }

  heldBy(pid: number): readonly CpgConnection[] {
    return this.holders.get(pid) ?? NOBODY;
  }

  get isUnused(): boolean {
    return this.processes.length === 0 && this.holders.size === 0;
  }

  equals(bytes: Uint8Array, at: number, length: number): boolean {
    if (this.name.length !== length) return false;
    for (let index = 0; index < length; index++) if (this.name[index] !== bytes[at + index]) return false;
    return true;
  }
}

const NOBODY: readonly CpgConnection[] = [];
const BUCKETS_AT_START = 1024;

/**
 * Groups by name: arbitrary octets compared by length and content (services.md 0.3). Looking one up for a message makes no
 * garbage: the name is hashed where it lies; the group of the message before is tried first.
 */
export class CpgGroupTable {
  /** A power of two of them, at least as many as groups. */
  private buckets: (CpgGroup | null)[] = emptyBuckets(BUCKETS_AT_START);
  private last: CpgGroup | null = null;
  private nextSerial = 0;
  size = 0;

  find(bytes: Uint8Array, at: number, length: number): CpgGroup | null {
    if (this.last?.equals(bytes, at, length)) return this.last;
    const found = this.lookUp(bytes, at, length, hashName(bytes, at, length));
    if (found !== null) this.last = found;
    return found;
  }

  /** Finds or makes. */
  intern(bytes: Uint8Array, at: number, length: number): CpgGroup {
    const hash = hashName(bytes, at, length);
    const found = this.lookUp(bytes, at, length, hash);
    if (found !== null) return found;
    const group = new CpgGroup(bytes.slice(at, at + length), hash, this.nextSerial++);
    this.put(group);
    this.size++;
    if (this.size > this.buckets.length) this.grow();
    return group;
  }

  private put(group: CpgGroup): void {
    const bucket = group.hash & (this.buckets.length - 1);
    group.next = this.buckets[bucket] ?? null;
    this.buckets[bucket] = group;
  }

  private grow(): void {
    const before = this.buckets;
    this.buckets = emptyBuckets(2 * before.length);
    for (const chain of before) {
      for (let group = chain; group !== null; ) {
        const { next } = group;
        this.put(group);
        group = next;
      }
    }
  }

  /** Forgets a group that nobody uses. */
  release(group: CpgGroup): void {
    if (!group.isUnused) return;
    const bucket = group.hash & (this.buckets.length - 1);
    let before: CpgGroup | null = null;
    for (let at = this.buckets[bucket] ?? null; at !== null; before = at, at = at.next) {
      if (at !== group) continue;
      if (before === null) this.buckets[bucket] = group.next;
      else before.next = group.next;
      group.next = null;
      this.size--;
      break;
    }
    if (this.last === group) this.last = null;
  }

  private lookUp(bytes: Uint8Array, at: number, length: number, hash: number): CpgGroup | null {
    let group = this.buckets[hash & (this.buckets.length - 1)] ?? null;
    for (; group !== null; group = group.next) {
      if (group.equals(bytes, at, length)) return group;
    }
    return null;
  }
}

const emptyBuckets = (count: number): (CpgGroup | null)[] => new Array<CpgGroup | null>(count).fill(null);

/** FNV-1a, folded: its low bits choose the bucket. */
function hashName(bytes: Uint8Array, at: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < length; index++) hash = Math.imul(hash ^ bytes[at + index]!, 0x01000193);
  return (hash ^ (hash >>> 15)) & 0x3fffffff; // stays a small integer
}

/** Order of groups in the events of a sync: bytes up to the first NUL, as C strings (services.md 4.8, T29). */
export function compareGroupNames(a: CpgGroup, b: CpgGroup): number {
  for (let index = 0; ; index++) {
    const difference = (a.name[index] ?? 0) - (b.name[index] ?? 0);
    if (difference !== 0) return difference;
    if ((a.name[index] ?? 0) === 0) return 0;
  }
}
