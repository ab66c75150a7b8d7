import type { RingId } from '../../lib/ring-id.ts';
import type { CpgAddress, JoinListEntry } from '../codec/base.ts';
import { CPG_EXEC_DOWN_LIST, decodeJoinList, encodeJoinList } from '../codec/cpg.ts';
import { GROUP_NAME_BYTES_MAX, groupNameValue } from '../codec/fields.ts';
import { PROCESSORS_MAX } from '../codec/ids.ts';
import type { SyncParticipant, SyncProgress } from '../sync/sync-core.ts';
import { type CpgGroup, compareGroupNames, type GroupProcess } from './cpg-groups.ts';
import type { CpgDropReason, CpgHost } from './cpg-host.ts';
import { CPG_LIMITS } from './cpg-limits.ts';
import { ChangeReason, type CpgMembership } from './cpg-membership.ts';
import { ProcessSet } from './cpg-processes.ts';
import { CPG_SERVICE } from './service.ts';

/** A join list this long stays below the largest message that stock reassembles; more processes go into further ones. */
const JOIN_LIST_ENTRIES_MAX = 7000;

interface StoredEntry {
  readonly nodeId: number;
  readonly pid: number;
  readonly group: Uint8Array;
}

/**
 * Bringing the process lists of all nodes into step (services.md 4.8). Every node uses the down list that it computed itself and
 * announces to the others which processes run on it.
 *
 * Two things differ from stock, both only where stock shows processes that are gone: a node's down list, which precedes its join
 * list, discards what an aborted round left of it; and a leave discards the stored entry of its process.
 */
export class CpgSync implements SyncParticipant {
  readonly serviceId = CPG_SERVICE.serviceId;
  private members: readonly number[] = [];
  private downList: readonly number[] = [];
  /** Messages of the process phase that are still to be sent. */
  private outgoing: Uint8Array[] | null = null;
  /** Join-list entries of all nodes, in order of arrival. Activation walks them newest first. */
  private stored: StoredEntry[] = [];
  /** How many of each node. */
  private readonly storedOf = new Map<number, number>();

  constructor(
    private readonly host: CpgHost,
    private readonly membership: CpgMembership,
  ) {}

  init(transitional: readonly number[], members: readonly number[], ringId: RingId): void {
    this.members = members;
    this.membership.syncRingId = ringId;
    this.downList = this.membership.oldMembers.filter((nodeId) => !transitional.includes(nodeId));
    this.outgoing = null;
  }

  process(): SyncProgress {
    this.outgoing ??= [this.encodeDownList(), ...this.encodeJoinLists()];
    while (this.outgoing.length > 0) {
      if (!this.host.mcast(this.outgoing[0]!)) return 'again';
      this.outgoing.shift();
    }
    return 'done';
  }

  activate(): void {
    this.membership.oldMembers = this.members;
    const stored = this.stored;
    this.forget();
    this.takeDown();
    this.takeUp(stored);
    this.removeZombies(stored);
    this.membership.sendTotemConfiguration();
  }

  abort(): void {
    this.forget();
    this.outgoing = null;
  }

  private forget(): void {
    this.stored = [];
    this.storedOf.clear();
  }

  downListDelivered(nodeId: number): void {
    if (!this.storedOf.delete(nodeId)) return;
    this.stored = this.stored.filter((entry) => entry.nodeId !== nodeId);
  }

  /** Returns why it was dropped, or `null`. Outside of a sync nobody sends one, and nobody would ever fetch what was kept. */
  joinListDelivered(nodeId: number, message: Uint8Array): CpgDropReason | null {
    if (!this.host.syncInProgress()) return 'unexpected';
    const entries = decodeJoinList(message);
    if (entries === null) return 'badLength';
    // All nodes count the same messages.
    const ofNode = (this.storedOf.get(nodeId) ?? 0) + entries.length;
    const tooMany = this.stored.length + entries.length > CPG_LIMITS.processesMax;
    if (tooMany || ofNode > CPG_LIMITS.nodeProcessesMax) return 'tooMany';
    this.storedOf.set(nodeId, ofNode);
    for (const { pid, group } of entries) {
      if (group.length > GROUP_NAME_BYTES_MAX) continue;
      this.stored.push({ nodeId, pid, group: group.bytes });
    }
    return null;
  }

  processLeft(nodeId: number, pid: number, group: Uint8Array): void {
    if (!this.storedOf.has(nodeId)) return;
    this.stored = this.stored.filter(
      (entry) => entry.nodeId !== nodeId || entry.pid !== pid || !sameBytes(entry.group, group),
    );
  }

  /** All removals precede the first event. */
  private takeDown(): void {
    const gone = this.membership.processes.removeNodes(new Set(this.downList));
    this.downList = [];
    for (const [group, left] of byGroup(gone, ChangeReason.NODE_DOWN)) this.membership.notify(group, [], left);
  }

  private takeUp(stored: readonly StoredEntry[]): void {
    const { groups, processes } = this.membership;
    const others = stored.toReversed().filter(({ nodeId }) => nodeId !== this.host.nodeId);
    const came = processes.insertAll(
      others.map(({ nodeId, pid, group }) => ({ nodeId, pid, group: groups.intern(group, 0, group.length) })),
    );
    for (const [group, joined] of byGroup(came, ChangeReason.NODE_UP)) this.membership.notify(group, joined, []);
  }

  /** Processes that their own node does not know any more. */
  private removeZombies(stored: readonly StoredEntry[]): void {
    const { groups, processes } = this.membership;
    const known = new ProcessSet();
    for (const { nodeId, pid, group: name } of stored) {
      const group = groups.find(name, 0, name.length);
      if (group !== null) known.add({ nodeId, pid, group });
    }
    const unheard: GroupProcess[] = [];
    for (const process of [...processes.all]) {
      const { nodeId, pid, group } = process;
      if (nodeId === this.host.nodeId || known.has(process)) continue;
      if (group.listeners.length === 0) {
        unheard.push(process);
        continue;
      }
      this.membership.notify(group, [], [{ nodeId, pid, reason: ChangeReason.PROCESS_DOWN }]);
      processes.remove(nodeId, pid, group);
    }
    processes.removeAll(unheard); // nobody here is notified of them: all at once
  }

  private encodeDownList(): Uint8Array {
    const nodeIds = this.downList.slice(0, PROCESSORS_MAX);
    return CPG_EXEC_DOWN_LIST.message({
      oldMembers: this.membership.oldMembers.length,
      leftCount: nodeIds.length,
      nodeIds,
    });
  }

  private encodeJoinLists(): readonly Uint8Array[] {
    const entries: JoinListEntry[] = this.membership.processes.all
      .filter(({ nodeId }) => nodeId === this.host.nodeId)
      .map(({ pid, group }) => ({ pid, group: groupNameValue(group.name) }));
    const messages: Uint8Array[] = [];
    for (let at = 0; at < entries.length; at += JOIN_LIST_ENTRIES_MAX) {
      messages.push(encodeJoinList(entries.slice(at, at + JOIN_LIST_ENTRIES_MAX)));
    }
    return messages;
  }
}

/** Groups in ascending name order, each with its processes in the order given. */
function byGroup(processes: readonly GroupProcess[], reason: number): readonly [CpgGroup, CpgAddress[]][] {
  const lists = new Map<CpgGroup, CpgAddress[]>();
  for (const { nodeId, pid, group } of processes) {
    const list = lists.get(group);
    if (list === undefined) lists.set(group, [{ nodeId, pid, reason }]);
    else list.push({ nodeId, pid, reason });
  }
  return [...lists].sort(([a], [b]) => compareGroupNames(a, b));
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
