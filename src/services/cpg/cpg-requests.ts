import { assert } from '../../lib/assert.ts';
import { CsError, type CsStatus } from '../../lib/errors.ts';
import { UserQuota } from '../../lib/user-quota.ts';
import type { Call, RequestOf } from '../codec/call.ts';
import { CPG_CALLS, CPG_EXEC_JOIN, CPG_EXEC_LEAVE } from '../codec/cpg.ts';
import { GROUP_NAME_BYTES_MAX, groupNameValue } from '../codec/fields.ts';
import { PROCESSORS_MAX } from '../codec/ids.ts';
import type { Fields, Values } from '../codec/struct.ts';
import type { CpgConnection } from './cpg-connection.ts';
import type { CpgData } from './cpg-data.ts';
import type { CpgGroup } from './cpg-groups.ts';
import type { CpgHost } from './cpg-host.ts';
import { IterationType, iterationSnapshot } from './cpg-iteration.ts';
import { CPG_LIMITS } from './cpg-limits.ts';
import { ChangeReason, type CpgMembership } from './cpg-membership.ts';

const JOIN_FLAG_TOTEM_CONFIGURATION = 1;

/** A status, the values of a response that is OK, or `null`: the request has to wait for room. */
type CpgResult<A extends Fields> = CsStatus | Partial<Values<A>> | null;
type Served = Omit<typeof CPG_CALLS, 'mcast' | 'partialMcast'>;
type ResponseOf<C> = C extends Call<Fields, infer A> ? A : never;
type CpgServers = {
  readonly [Name in keyof Served]: (
    connection: CpgConnection,
    values: RequestOf<Served[Name]>,
  ) => CpgResult<ResponseOf<Served[Name]>>;
};
type CpgServer = (connection: CpgConnection, values: Values<Fields>) => CpgResult<Fields>;

/** The requests of libcpg that are rare enough for ordinary code. */
export class CpgRequests {
  private nextIterationHandle = 1n;
  private readonly iterationEntries = new UserQuota(CPG_LIMITS.iterationEntries);
  private readonly servers: CpgServers = {
    join: (connection, values) => this.join(connection, values),
    leave: (connection) => this.leave(connection),
    membership: (_connection, values) => this.membershipGet(values),
    localGet: () => ({ nodeId: this.host.nodeId }),
    iterationInit: (connection, values) => this.iterationInit(connection, values),
    iterationNext: (connection, values) => this.iterationNext(connection, values),
    iterationFinalize: (connection, { handle }) =>
      this.endIteration(connection, handle) ? CsError.OK : CsError.LIBRARY,
    finalize: (connection) => this.finalize(connection),
    zeroCopyAlloc: ({ port }, { path, mapBytes }) =>
      this.host.zeroCopy.open(port.id, path, Number(mapBytes)) ? CsError.OK : CsError.ACCESS,
    zeroCopyFree: ({ port }, { token }) => {
      this.host.zeroCopy.close(port.id, token);
      return CsError.OK;
    },
    zeroCopyExecute: (connection, values) => this.zeroCopyExecute(connection, values),
  };
  private readonly serverOf = new Map(
    (Object.keys(this.servers) as (keyof Served)[]).map((name) => [
      CPG_CALLS[name].id,
      this.servers[name] as CpgServer,
    ]),
  );

  constructor(
    private readonly host: CpgHost,
    private readonly membership: CpgMembership,
    private readonly data: CpgData,
  ) {}

  /** `false`: the request has to wait for room. */
  handle(connection: CpgConnection, call: Call, at: number, bytes: number): boolean {
    const { port } = connection;
    const values = call.request.decode(port.memory.bytes.subarray(at, at + bytes));
    const serve = this.serverOf.get(call.id);
    assert(serve !== undefined, 'a request that is served elsewhere');
    const result = values === null ? CsError.INVALID_PARAM : serve(connection, values);
    if (result === null) return false;
    port.respond(typeof result === 'number' ? call.response.message(result) : call.response.ok(result));
    return true;
  }

  partialMcast(connection: CpgConnection, at: number, bytes: number): boolean {
    const status = this.data.partial(connection, at, bytes);
    if (status === null) return false;
    connection.port.respond(CPG_CALLS.partialMcast.response.message(status));
    return true;
  }

  /** services.md 4.6: the checks in stock's order. */
  private join(connection: CpgConnection, values: RequestOf<Served['join']>): CsStatus | null {
    const { group: name, pid, flags } = values;
    const tooLong = name.length > GROUP_NAME_BYTES_MAX;
    const known = tooLong ? null : this.membership.groups.find(name.bytes, 0, name.length);
    const status = this.joinStatus(connection, known, pid, tooLong);
    if (status !== CsError.OK) return status;

    const reason = ChangeReason.JOIN;
    if (!this.host.mcast(CPG_EXEC_JOIN.message({ group: groupNameValue(name.bytes), pid, reason }))) return null;
    const group = this.membership.groups.intern(name.bytes, 0, name.length);
    connection.group = group;
    connection.pid = pid;
    group.hold(connection);
    connection.state = 'joinStarted';
    if ((flags & JOIN_FLAG_TOTEM_CONFIGURATION) !== 0) this.membership.wantTotemConfiguration.add(connection);
    this.data.prepareHeads(connection, group);
    return CsError.OK;
  }

  /** `null`: the process's former connection has ended, but what it left in its ring comes first. */
  private joinStatus(
    connection: CpgConnection,
    known: CpgGroup | null,
    pid: number,
    tooLong: boolean,
  ): CsStatus | null {
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
      const room = this.membership.processes.hasRoom(this.host.nodeId, known) && hasRoomFor(connection, known);
      return room ? CsError.OK : CsError.NO_RESOURCES;
    }
    return connection.state === 'leaveStarted' ? CsError.BUSY : CsError.EXIST;
  }

  private leave(connection: CpgConnection): CsStatus | null {
    const { state, group, pid } = connection;
    if (state === 'joinStarted') return CsError.BUSY;
    if (state !== 'joinCompleted' || group === null) return CsError.NOT_EXIST;
    // The connection's own group and pid, whatever the request says: nobody leaves for others.
    const leave = CPG_EXEC_LEAVE.message({ group: groupNameValue(group.name), pid, reason: ChangeReason.LEAVE });
    if (!this.host.mcast(leave)) return null;
    connection.state = 'leaveStarted';
    return CsError.OK;
  }

  private membershipGet({ group: name }: RequestOf<Served['membership']>): CpgResult<ResponseOf<Served['membership']>> {
    if (name.length > GROUP_NAME_BYTES_MAX) return CsError.INVALID_PARAM;
    const group = this.membership.groups.find(name.bytes, 0, name.length);
    const members = (group?.processes ?? [])
      .slice(0, PROCESSORS_MAX)
      .map(({ nodeId, pid }) => ({ nodeId, pid, reason: 0 }));
    return { memberCount: members.length, members };
  }

  private iterationInit(
    connection: CpgConnection,
    { group: name, iterationType: type }: RequestOf<Served['iterationInit']>,
  ): CsStatus | { readonly handle: bigint } {
    const known = type === IterationType.NAMES || type === IterationType.ONE_GROUP || type === IterationType.ALL;
    if (!known) return CsError.INVALID_PARAM;
    if (connection.iterations.size >= CPG_LIMITS.iterationsMax) return CsError.NO_RESOURCES;
    const { groups, processes } = this.membership;
    const wanted = name.length <= GROUP_NAME_BYTES_MAX ? groups.find(name.bytes, 0, name.length) : null;
    const entries = iterationSnapshot(processes.all, type, wanted);
    if (!this.iterationEntries.tryTake(connection.port.user, entries.length)) return CsError.NO_RESOURCES;
    const handle = this.nextIterationHandle++;
    connection.iterations.set(handle, { entries, names: type === IterationType.NAMES, next: 0 });
    return { handle };
  }

  /** After the last entry NO_SECTIONS once, then the first again (services.md T27). */
  private iterationNext(
    connection: CpgConnection,
    { handle }: RequestOf<Served['iterationNext']>,
  ): CpgResult<ResponseOf<Served['iterationNext']>> {
    const iteration = connection.iterations.get(handle);
    if (iteration === undefined) return CsError.LIBRARY;
    const entry = iteration.entries[iteration.next];
    if (entry === undefined) {
      iteration.next = 0;
      return CsError.NO_SECTIONS;
    }
    iteration.next++;
    const { group, nodeId, pid } = entry;
    const address = iteration.names ? { nodeId: 0, pid: 0 } : { nodeId, pid };
    return { group: groupNameValue(group.name), ...address };
  }

  private endIteration(connection: CpgConnection, handle: bigint): boolean {
    const iteration = connection.iterations.get(handle);
    if (iteration === undefined) return false;
    connection.iterations.delete(handle);
    this.iterationEntries.give(connection.port.user, iteration.entries.length);
    return true;
  }

  /** The connection ends: what it holds is given back. */
  closed(connection: CpgConnection): void {
    for (const handle of connection.iterations.keys()) this.endIteration(connection, handle);
  }

  /** Only ends the events; the leave follows when the connection closes (services.md T6). */
  private finalize(connection: CpgConnection): CsStatus {
    connection.detached = true;
    const listeners = connection.group?.listeners ?? [];
    const at = listeners.indexOf(connection);
    if (at >= 0) listeners.splice(at, 1);
    return CsError.OK;
  }

  private zeroCopyExecute(connection: CpgConnection, { token }: RequestOf<Served['zeroCopyExecute']>): CsStatus {
    const region = this.host.zeroCopy.read(connection.port.id, token);
    if (region === null) return CsError.INVALID_PARAM;
    if (!connection.maySend) return CsError.NOT_EXIST;
    if (!this.host.canEverSend(region.length)) return CsError.TOO_BIG;
    return this.data.send(connection, region, 0, region.length) ? CsError.OK : CsError.TRY_AGAIN;
  }
}

function hasRoomFor({ port }: CpgConnection, group: CpgGroup | null): boolean {
  return group === null || port.user.privileged || group.heldByUser(port.user.uid) < CPG_LIMITS.groupUserMax;
}
