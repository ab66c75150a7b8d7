import { exactRingId, NO_RING, type RingId } from '../../lib/ring-id.ts';
import type { CpgAddress } from '../codec/base.ts';
import { CPG_TOTEM_CONFIGURATION, encodeCpgConfigurationChange } from '../codec/cpg.ts';
import { U32_ELEMENT } from '../codec/fields.ts';
import { encodeList } from '../codec/struct.ts';
import type { CpgConnection } from './cpg-connection.ts';
import { type CpgGroup, CpgGroupTable } from './cpg-groups.ts';
import type { CpgHost } from './cpg-host.ts';
import { ProcessList } from './cpg-processes.ts';

/** Reasons in configuration changes (services.md 4.1). */
export const ChangeReason = { JOIN: 1, LEAVE: 2, NODE_DOWN: 3, NODE_UP: 4, PROCESS_DOWN: 5 } as const;

/** Who is in which group, and the events about it for the local clients (services.md 4.5, 4.6). */
export class CpgMembership {
  readonly groups = new CpgGroupTable();
  readonly processes = new ProcessList(this.groups);
  readonly connections = new Set<CpgConnection>();
  /** Joined with flag 1, and have not got the initial Totem configuration yet. */
  readonly wantTotemConfiguration = new Set<CpgConnection>();
  /** Node list of the last activated sync, and the ring id given to the last sync init. */
  oldMembers: readonly number[] = [];
  syncRingId: RingId = NO_RING;

  constructor(
    private readonly nodeId: number,
    private readonly host: Pick<CpgHost, 'processesChanged'> = {},
  ) {}

  /** A join message, or one entry of a join list. `false`: the process was known. */
  add(nodeId: number, pid: number, group: CpgGroup): boolean {
    return this.processes.insert(nodeId, pid, group);
  }

  /** services.md 4.6, "notify", step by step. */
  notify(group: CpgGroup, joined: readonly CpgAddress[], left: readonly CpgAddress[]): void {
    for (const { nodeId, pid } of joined) if (nodeId === this.nodeId) this.completeJoin(group, pid);

    this.host.processesChanged?.(group.name, joined, left);
    if (group.listeners.length > 0) {
      const isLeft = (nodeId: number, pid: number): boolean => left.some((l) => l.nodeId === nodeId && l.pid === pid);
      const members = group.processes
        .filter(({ nodeId, pid }) => !isLeft(nodeId, pid))
        .map(({ nodeId, pid }) => ({ nodeId, pid, reason: 0 }));
      const event = encodeCpgConfigurationChange({ group: group.name, members, left, joined });
      for (const connection of group.listeners) {
        connection.port.dispatch(event);
        connection.transitions++;
      }
    }
    this.sendInitialTotemConfiguration();
  }

  /** To every connection, joined or not, at the end of a sync (services.md T9). */
  sendTotemConfiguration(): void {
    const event = this.totemConfiguration();
    for (const connection of this.connections) if (!connection.detached) connection.port.dispatch(event);
  }

  private sendInitialTotemConfiguration(): void {
    if (this.wantTotemConfiguration.size === 0) return;
    const event = this.totemConfiguration();
    for (const connection of this.wantTotemConfiguration) if (!connection.detached) connection.port.dispatch(event);
    this.wantTotemConfiguration.clear();
  }

  private totemConfiguration(): Uint8Array {
    return CPG_TOTEM_CONFIGURATION.ok(
      { ringId: exactRingId(this.syncRingId), memberCount: this.oldMembers.length },
      encodeList(this.oldMembers, U32_ELEMENT),
    );
  }

  private completeJoin(group: CpgGroup, pid: number): void {
    for (const connection of group.heldBy(pid)) {
      if (connection.state !== 'joinStarted') continue;
      connection.state = 'joinCompleted';
      if (connection.receives) group.listeners.push(connection);
    }
  }
}
