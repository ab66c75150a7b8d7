import { CsError } from '../../lib/errors.ts';
import { UserBudget } from '../../lib/user-budget.ts';
import {
  CPG_EXEC_JOIN,
  CPG_EXEC_LEAVE,
  CPG_FINALIZE_RESPONSE,
  CPG_ITERATION_FINALIZE,
  CPG_ITERATION_FINALIZE_RESPONSE,
  CPG_ITERATION_INIT,
  CPG_ITERATION_INIT_RESPONSE,
  CPG_ITERATION_NEXT,
  CPG_ITERATION_NEXT_RESPONSE,
  CPG_JOIN,
  CPG_JOIN_RESPONSE,
  CPG_LEAVE_RESPONSE,
  CPG_LOCAL_GET_RESPONSE,
  CPG_MCAST_RESPONSE,
  CPG_MEMBERSHIP,
  CPG_MEMBERSHIP_RESPONSE,
  CPG_PARTIAL_MCAST_RESPONSE,
  CPG_ZC_ALLOC,
  CPG_ZC_EXECUTE,
  CPG_ZC_FREE,
} from '../codec/cpg.ts';
import { GROUP_NAME_BYTES_MAX, groupNameValue } from '../codec/fields.ts';
import { CpgRequest, PROCESSORS_MAX } from '../codec/ids.ts';
import { statusResponse } from '../codec/struct.ts';
import type { CpgConnection } from './cpg-connection.ts';
import type { CpgData } from './cpg-data.ts';
import type { CpgGroup } from './cpg-groups.ts';
import type { CpgHost } from './cpg-host.ts';
import { IterationType, iterationSnapshot } from './cpg-iteration.ts';
import { CPG_LIMITS } from './cpg-limits.ts';
import { type CpgMembership, CpgReason } from './cpg-membership.ts';

const JOIN_FLAG_TOTEM_CONFIGURATION = 1;

/** The requests of libcpg that are rare enough for ordinary code. Each answers `false` if the request has to wait for room. */
export class CpgRequests {
  private nextIterationHandle = 1n;
  private readonly iterationEntries = new UserBudget(CPG_LIMITS.iterationEntriesMax, CPG_LIMITS.iterationShares);

  constructor(
    private readonly host: CpgHost,
    private readonly membership: CpgMembership,
    private readonly data: CpgData,
  ) {}

  handle(connection: CpgConnection, id: number, at: number, bytes: number): boolean {
    const { port } = connection;
    const request = port.memory.bytes.subarray(at, at + bytes);
    switch (id) {
      case CpgRequest.JOIN:
        return this.join(connection, request);
      case CpgRequest.LEAVE:
        return this.leave(connection);
      case CpgRequest.MEMBERSHIP:
        port.respond(this.membershipGet(request));
        return true;
      case CpgRequest.LOCAL_GET:
        port.respond(CPG_LOCAL_GET_RESPONSE.ok({ nodeId: this.host.nodeId }));
        return true;
      case CpgRequest.ITERATION_INIT:
        port.respond(this.iterationInit(connection, request));
        return true;
      case CpgRequest.ITERATION_NEXT:
        port.respond(this.iterationNext(connection, request));
        return true;
      case CpgRequest.ITERATION_FINALIZE:
        port.respond(this.iterationFinalize(connection, request));
        return true;
      case CpgRequest.FINALIZE:
        this.finalize(connection);
        return true;
      case CpgRequest.ZC_ALLOC:
      case CpgRequest.ZC_FREE:
        this.zeroCopyAllocOrFree(connection, id, request);
        return true;
      case CpgRequest.ZC_EXECUTE:
        this.zeroCopyExecute(connection, request);
        return true;
      default:
        return this.partialMcast(connection, at, bytes);
    }
  }

  /** services.md 4.6: the checks in stock's order. */
  private join(connection: CpgConnection, bytes: Uint8Array): boolean {
    const request = CPG_JOIN.decode(bytes);
    if (request === null) return this.answer(connection, CPG_JOIN_RESPONSE.message(CsError.INVALID_PARAM));
    const { group: name, pid, flags } = request;
    const tooLong = name.length > GROUP_NAME_BYTES_MAX;
    const known = tooLong ? null : this.membership.groups.find(name.bytes, 0, name.length);
    const status = this.joinStatus(connection, known, pid, tooLong);
    if (status === null) return false;
    if (status !== CsError.OK) return this.answer(connection, CPG_JOIN_RESPONSE.message(status));

    const reason = CpgReason.JOIN;
    if (!this.host.mcast(CPG_EXEC_JOIN.message({ group: groupNameValue(name.bytes), pid, reason }))) return false;
    const group = this.membership.groups.intern(name.bytes, 0, name.length);
    connection.group = group;
    connection.pid = pid;
    group.hold(connection);
    connection.state = 'joinStarted';
    if ((flags & JOIN_FLAG_TOTEM_CONFIGURATION) !== 0) this.membership.wantTotemConfiguration.add(connection);
    this.data.prepareHeads(connection, group);
    return this.answer(connection, CPG_JOIN_RESPONSE.ok());
  }

  /** `null`: the process's former connection has ended, but what it left in its ring comes first. */
  private joinStatus(connection: CpgConnection, known: CpgGroup | null, pid: number, tooLong: boolean): number | null {
    if (known !== null) {
      for (const other of [...known.heldBy(pid)]) {
        if (other.detached) continue;
        if (other === connection || !other.port.hasHungUp()) return CsError.EXIST;
        if (other.group !== null) return null;
      }
      if (this.membership.processes.has(this.host.nodeId, pid, known)) return CsError.TRY_AGAIN;
    }
    if (tooLong) return CsError.NAME_TOO_LONG;
    if (connection.state === 'unjoined') {
      return this.membership.processes.hasRoom(this.host.nodeId, known) ? CsError.OK : CsError.NO_RESOURCES;
    }
    return connection.state === 'leaveStarted' ? CsError.BUSY : CsError.EXIST;
  }

  private leave(connection: CpgConnection): boolean {
    const { state, group, pid } = connection;
    if (state === 'joinStarted') return this.answer(connection, CPG_LEAVE_RESPONSE.message(CsError.BUSY));
    if (state !== 'joinCompleted' || group === null) {
      return this.answer(connection, CPG_LEAVE_RESPONSE.message(CsError.NOT_EXIST));
    }
    // The connection's own group and pid, whatever the request says: nobody leaves for others.
    const leave = CPG_EXEC_LEAVE.message({ group: groupNameValue(group.name), pid, reason: CpgReason.LEAVE });
    if (!this.host.mcast(leave)) return false;
    connection.state = 'leaveStarted';
    return this.answer(connection, CPG_LEAVE_RESPONSE.ok());
  }

  private partialMcast(connection: CpgConnection, at: number, bytes: number): boolean {
    const status = this.data.partial(connection, at, bytes);
    return status !== null && this.answer(connection, CPG_PARTIAL_MCAST_RESPONSE.message(status));
  }

  private membershipGet(bytes: Uint8Array): Uint8Array {
    const request = CPG_MEMBERSHIP.decode(bytes);
    if (request === null || request.group.length > GROUP_NAME_BYTES_MAX) {
      return CPG_MEMBERSHIP_RESPONSE.message(CsError.INVALID_PARAM);
    }
    const { group: name } = request;
    const group = this.membership.groups.find(name.bytes, 0, name.length);
    const members = (group?.processes ?? [])
      .slice(0, PROCESSORS_MAX)
      .map(({ nodeId, pid }) => ({ nodeId, pid, reason: 0 }));
    return CPG_MEMBERSHIP_RESPONSE.ok({ memberCount: members.length, members });
  }

  private iterationInit(connection: CpgConnection, bytes: Uint8Array): Uint8Array {
    const request = CPG_ITERATION_INIT.decode(bytes);
    const type = request?.iterationType ?? 0;
    const known = type === IterationType.NAMES || type === IterationType.ONE_GROUP || type === IterationType.ALL;
    if (request === null || !known) return CPG_ITERATION_INIT_RESPONSE.message(CsError.INVALID_PARAM);
    if (connection.iterations.size >= CPG_LIMITS.iterationsMax) {
      return CPG_ITERATION_INIT_RESPONSE.message(CsError.NO_RESOURCES);
    }
    const { groups, processes } = this.membership;
    const { group: name } = request;
    const wanted = name.length <= GROUP_NAME_BYTES_MAX ? groups.find(name.bytes, 0, name.length) : null;
    const entries = iterationSnapshot(processes.all, type, wanted);
    if (!this.iterationEntries.take(connection.port.euid, entries.length)) {
      return CPG_ITERATION_INIT_RESPONSE.message(CsError.NO_RESOURCES);
    }
    const handle = this.nextIterationHandle++;
    connection.iterations.set(handle, { entries, names: type === IterationType.NAMES, next: 0 });
    return CPG_ITERATION_INIT_RESPONSE.ok({ handle });
  }

  /** After the last entry NO_SECTIONS once, then the first again (services.md T27). */
  private iterationNext(connection: CpgConnection, bytes: Uint8Array): Uint8Array {
    const request = CPG_ITERATION_NEXT.decode(bytes);
    const iteration = request === null ? undefined : connection.iterations.get(request.handle);
    if (iteration === undefined) return CPG_ITERATION_NEXT_RESPONSE.message(CsError.LIBRARY);
    const entry = iteration.entries[iteration.next];
    if (entry === undefined) {
      iteration.next = 0;
      return CPG_ITERATION_NEXT_RESPONSE.message(CsError.NO_SECTIONS);
    }
    iteration.next++;
    const { group, nodeId, pid } = entry;
    const address = iteration.names ? { nodeId: 0, pid: 0 } : { nodeId, pid };
    return CPG_ITERATION_NEXT_RESPONSE.ok({ group: groupNameValue(group.name), ...address });
  }

  private iterationFinalize(connection: CpgConnection, bytes: Uint8Array): Uint8Array {
    const request = CPG_ITERATION_FINALIZE.decode(bytes);
    const found = request !== null && this.endIteration(connection, request.handle);
    return CPG_ITERATION_FINALIZE_RESPONSE.message(found ? CsError.OK : CsError.LIBRARY);
  }

  private endIteration(connection: CpgConnection, handle: bigint): boolean {
    const iteration = connection.iterations.get(handle);
    if (iteration === undefined) return false;
    connection.iterations.delete(handle);
    this.iterationEntries.give(connection.port.euid, iteration.entries.length);
    return true;
  }

  /** The connection ends: what it holds is given back. */
  closed(connection: CpgConnection): void {
    for (const handle of connection.iterations.keys()) this.endIteration(connection, handle);
  }

  /** Only ends the events; the leave follows when the connection closes (services.md T6). */
  private finalize(connection: CpgConnection): void {
    connection.detached = true;
    const listeners = connection.group?.listeners ?? [];
    const at = listeners.indexOf(connection);
    if (at >= 0) listeners.splice(at, 1);
    this.answer(connection, CPG_FINALIZE_RESPONSE.ok());
  }

  private zeroCopyAllocOrFree(connection: CpgConnection, id: number, bytes: Uint8Array): void {
    const connectionId = connection.port.id;
    let status: number = CsError.INVALID_PARAM;
    if (id === CpgRequest.ZC_FREE) {
      const request = CPG_ZC_FREE.decode(bytes);
      if (request !== null) {
        this.host.zeroCopy.close(connectionId, request.token);
        status = CsError.OK;
      }
    } else {
      const request = CPG_ZC_ALLOC.decode(bytes);
      if (request !== null) {
        const opened = this.host.zeroCopy.open(connectionId, request.path, Number(request.mapBytes));
        status = opened ? CsError.OK : CsError.ACCESS;
      }
    }
    this.answer(connection, statusResponse(0, status));
  }

  private zeroCopyExecute(connection: CpgConnection, bytes: Uint8Array): void {
    const request = CPG_ZC_EXECUTE.decode(bytes);
    const region = request === null ? null : this.host.zeroCopy.read(connection.port.id, request.token);
    let status: number = CsError.INVALID_PARAM;
    if (region !== null) {
      if (!connection.maySend) status = CsError.NOT_EXIST;
      else if (!this.host.canEverSend(region.length)) status = CsError.TOO_BIG;
      else status = this.data.send(connection, region, 0, region.length) ? CsError.OK : CsError.TRY_AGAIN;
    }
    this.answer(connection, CPG_MCAST_RESPONSE.message(status));
  }

  private answer(connection: CpgConnection, response: Uint8Array): true {
    connection.port.respond(response);
    return true;
  }
}
