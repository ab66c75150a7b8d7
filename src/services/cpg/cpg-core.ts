import { assert } from '../../lib/assert.ts';
import { CsError } from '../../lib/errors.ts';
import { GROUP_NAME_BYTES } from '../../lib/packet-charge.ts';
import type { FrameMemory } from '../../totem/interface.ts';
import type { Call } from '../codec/call.ts';
import { CPG_CALLS, CPG_EXEC_JOIN, CPG_EXEC_LEAVE } from '../codec/cpg.ts';
import { GROUP_NAME_BYTES_MAX, groupNameValue } from '../codec/fields.ts';
import { CpgFn, CpgRequest } from '../codec/ids.ts';
import { statusResponse } from '../codec/struct.ts';
import { CpgConnection, type CpgPort } from './cpg-connection.ts';
import { CpgData } from './cpg-data.ts';
import type { CpgHost } from './cpg-host.ts';
import { ChangeReason, CpgMembership } from './cpg-membership.ts';
import { CpgRequests } from './cpg-requests.ts';
import { CpgSync } from './cpg-sync.ts';

/** `wait`: there is no room in the send queue; the request stays in its ring and is offered again later. */
export type CpgResult = 'done' | 'wait';

/** By request id; `undefined`: there is no such request. */
const CALLS: readonly (Call | undefined)[] = Object.values<Call>(CPG_CALLS).sort((a, b) => a.id - b.id);
assert(
  CALLS.every((call, id) => call?.id === id),
  'ids without a gap',
);

/**
 * Closed process groups (services.md 4), pure: requests of clients, messages and sync hooks in; multicasts, responses and events
 * out through `CpgHost` and the connections' ports.
 */
export class CpgCore {
  readonly membership: CpgMembership;
  readonly sync: CpgSync;
  private readonly data: CpgData;
  private readonly requests: CpgRequests;
  /** Leaves of closed connections that found no room: they must not get lost, or the process stays listed. */
  private readonly pendingLeaves: Uint8Array[] = [];

  constructor(private readonly host: CpgHost) {
    this.membership = new CpgMembership(host.nodeId, host);
    this.sync = new CpgSync(host, this.membership);
    this.data = new CpgData(host, this.membership.groups);
    this.requests = new CpgRequests(host, this.membership, this.data);
  }

  opened(port: CpgPort): CpgConnection {
    const connection = new CpgConnection(port);
    this.membership.connections.add(connection);
    return connection;
  }

  /** The client is gone, or the service is unloaded (services.md 4.6). */
  closed(connection: CpgConnection): void {
    const { group } = connection;
    this.membership.connections.delete(connection);
    this.membership.wantTotemConfiguration.delete(connection);
    this.requests.closed(connection);
    this.host.zeroCopy.closeAll(connection.port.id);
    if (group === null) return;
    removeFrom(group.listeners, connection);
    group.giveUp(connection);
    connection.group = null;
    if (group.name.length > 0 && connection.state !== 'leaveStarted') {
      const reason = ChangeReason.PROCESS_DOWN;
      this.pendingLeaves.push(
        CPG_EXEC_LEAVE.message({ group: groupNameValue(group.name), pid: connection.pid, reason }),
      );
      this.retry();
    }
    this.membership.groups.release(group);
  }

  /** Leaves wait for room in the send queue, or for the end of a sync: call `retry` after token visits. */
  get needsRetry(): boolean {
    return this.pendingLeaves.length > 0;
  }

  /**
   * During a sync they wait: the ring sends what is multicast then before what was queued earlier, so that a leave would
   * overtake its join and the process stay listed (stock has this ghost).
   */
  retry(): void {
    if (this.host.syncInProgress()) return;
    while (this.pendingLeaves.length > 0) {
      if (!this.host.mcast(this.pendingLeaves[0]!)) return;
      this.pendingLeaves.shift();
    }
  }

  /**
   * One request of a client, `bytes` long at `at` of its port's memory; at least a header of 16. Its fields are not trusted.
   */
  request(connection: CpgConnection, at: number, bytes: number): CpgResult {
    const id = connection.port.memory.view.getInt32(at, true);
    const call = CALLS[id];
    if (call === undefined || !this.host.canEverSend(bytes + GROUP_NAME_BYTES)) {
      return this.reject(connection, id, CsError.INVALID_PARAM);
    }
    if (call.flowControl) {
      // An old connection is not served at all during sync; this is one that was made meanwhile (services.md 2.3).
      if (this.host.syncInProgress()) {
        return id === CpgRequest.MCAST ? 'wait' : this.reject(connection, id, CsError.TRY_AGAIN);
      }
      if (this.pendingLeaves.length > 0 || !this.host.hasRoom(bytes + GROUP_NAME_BYTES)) return 'wait';
    }
    if (id === CpgRequest.MCAST) return this.data.mcast(connection, at, bytes) ? 'done' : 'wait';
    if (id === CpgRequest.PARTIAL_MCAST) return this.requests.partialMcast(connection, at, bytes) ? 'done' : 'wait';
    return this.requests.handle(connection, call, at, bytes) ? 'done' : 'wait';
  }

  /** A message of service 2 in total order (services.md 1.2). Nothing in it is trusted. */
  deliver(fn: number, nodeId: number, memory: FrameMemory, offset: number, length: number): void {
    switch (fn) {
      case CpgFn.MCAST:
        this.data.deliverMcast(nodeId, memory, offset, length);
        return;
      case CpgFn.PARTIAL_MCAST:
        this.data.deliverPartial(nodeId, memory, offset, length);
        return;
      case CpgFn.JOIN:
      case CpgFn.LEAVE:
        this.deliverJoinLeave(fn, nodeId, memory.bytes.subarray(offset, offset + length));
        return;
      case CpgFn.DOWN_LIST:
        this.sync.downListDelivered(nodeId);
        return;
      case CpgFn.JOIN_LIST: {
        const dropped = this.sync.joinListDelivered(nodeId, memory.bytes.subarray(offset, offset + length));
        if (dropped !== null) this.host.dropped(dropped, nodeId);
        return;
      }
      case CpgFn.DOWN_LIST_OLD:
        return; // accepted and ignored (services.md 1.4)
      default:
        this.host.dropped('unknownFunction', nodeId);
    }
  }

  /** For state dumps and queries: every process of every group. */
  describe(): readonly { readonly group: string; readonly nodeId: number; readonly pid: number }[] {
    const decoder = new TextDecoder('latin1');
    return this.membership.processes.all.map(({ group, nodeId, pid }) => ({
      group: decoder.decode(group.name),
      nodeId,
      pid,
    }));
  }

  private deliverJoinLeave(fn: number, nodeId: number, message: Uint8Array): void {
    const decoded = (fn === CpgFn.JOIN ? CPG_EXEC_JOIN : CPG_EXEC_LEAVE).decode(message);
    if (decoded === null) {
      this.host.dropped('short', nodeId);
      return;
    }
    const { group: name, pid, reason } = decoded;
    if (name.length > GROUP_NAME_BYTES_MAX) {
      this.host.dropped('badName', nodeId);
      return;
    }
    const { membership } = this;
    const group = membership.groups.intern(name.bytes, 0, name.length);
    if (fn === CpgFn.JOIN) {
      if (membership.add(nodeId, pid, group))
        membership.notify(group, [{ nodeId, pid, reason: ChangeReason.JOIN }], []);
    } else {
      // Also for a process that is not listed: stock notifies its clients all the same.
      membership.notify(group, [], [{ nodeId, pid, reason }]);
      membership.processes.remove(nodeId, pid, group);
      this.sync.processLeft(nodeId, pid, group.name);
    }
    membership.groups.release(group);
  }

  /** A bare header (services.md 2.2). The asynchronous send has no response. */
  private reject(connection: CpgConnection, id: number, status: number): CpgResult {
    if (id !== CpgRequest.MCAST) connection.port.respond(statusResponse(0, status));
    return 'done';
  }
}

function removeFrom<T>(list: T[], item: T): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}
