import type { Icmap } from '../config/icmap/index.ts';
import { SHARED_MEMORY_DIRECTORY } from '../ipc/names.ts';
import { authorizeClient, DESCRIPTORS_FOR_ROOT, descriptorsLeft } from '../ipc/server/access.ts';
import { datagramRoot } from '../ipc/server/datagram-files.ts';
import { sharedMemoryError, shrinkProtection } from '../ipc/server/files.ts';
import { HangUps } from '../ipc/server/hang-ups.ts';
import type { ServiceHandler } from '../ipc/server/hosted-connection.ts';
import { type IpcTransport, isPrivileged } from '../ipc/server/limits.ts';
import { IpcServer } from '../ipc/server/server.ts';
import { sweepStaleDirectories, UNFINISHED_MS } from '../ipc/server/sweep.ts';
import type { ClientDescriptor } from '../lib/client-descriptor.ts';
import { Repeats } from '../lib/repeats.ts';
import type { Credentials } from '../os/credentials.ts';
import { errnoName } from '../os/errno.ts';
import { closeFd } from '../os/fd.ts';
import type { FlowState } from '../services/host/flow-control.ts';
import type { IpcFront, IpcFrontPorts } from './ipc-front.ts';
import { connectionBranch, connectionPrefix, ownConnectionBranch, ownConnectionPrefix } from './ipc-statistics.ts';
import { clientFields, RemoteStatistics, serviceSums } from './remote-statistics.ts';
import type { IpcStats, ServiceClients } from './stats.ts';

/** Requests of one connection in a turn, by priority (libqb-ipc.md 3.4). */
const BUDGETS = { fast: 50, normal: 5, slow: 1 } as const;
/** Stock refuses below the first and accepts again above the second number of free descriptors (libqb-ipc.md 4.3). */
const DESCRIPTORS = { low: 1, enough: 2 } as const;
/** Refused connections of one user are logged this often. */
const DENIALS_PERIOD_MS = 5_000;
const EACCES = 13;
const EMFILE = 24;

/** How clients' messages travel, by `system.qb_ipc_type`: what is not sockets is shared memory. */
export const ipcTransport = (config: Pick<Icmap, 'getString'>): IpcTransport =>
  config.getString('system.qb_ipc_type') === 'socket' ? 'socket' : 'shm';

/** Stock's daemon says it of each client only, and not what to do. */
const withoutSharedMemory = (reason: string): string =>
  `${SHARED_MEMORY_DIRECTORY} cannot be written (${reason}): no client can connect. Mount a tmpfs there, or set qb_ipc_type: socket in section system and start again`;

/** Clients of this daemon, over libqb's protocol: the engines here, and the hand-over of cpg's to the ring thread. */
export class IpcServerFront implements IpcFront {
  private readonly server: IpcServer;
  private readonly remotes = new Map<number, ClientDescriptor>();
  /** Those that have hung up and that the other thread has not closed yet. */
  private readonly ending = new Map<number, ClientDescriptor>();
  private readonly hangUps = new HangUps();
  private readonly remoteStatistics: RemoteStatistics;
  private readonly denials = new Repeats(DENIALS_PERIOD_MS);
  /** Of the services that are published, by id. */
  private readonly names = new Map<number, string>();
  /** Of directories that a killed daemon had not completed; too young for the one at the start. */
  private laterSweep: NodeJS.Timeout | undefined;
  private allowed = false;
  private descriptorsLow = false;

  constructor(
    private readonly ports: IpcFrontPorts,
    instance: string,
    private readonly transport: IpcTransport = 'shm',
  ) {
    this.remoteStatistics = new RemoteStatistics(ports, () => this.remotes.size);
    this.server = new IpcServer({
      instance,
      transport,
      authorize: (client, serviceId, fd) => this.authorize(client, serviceId, fd),
      lacking: (service, client, errno, missing) => this.logLacking(service, client, errno, missing),
      ended: (serviceId, reason, pid) => ports.log('debug', 'QB', `service ${serviceId}, client ${pid}: ${reason}`),
    });
  }

  open(): void {
    const { log } = this.ports;
    this.sweep();
    this.laterSweep = setTimeout(() => this.sweep(), 2 * UNFINISHED_MS).unref();
    if (this.transport === 'socket') return; // nothing that clients could cut is mapped
    const missing = sharedMemoryError();
    if (missing < 0) {
      log('error', 'QB', withoutSharedMemory(errnoName(missing)));
      return;
    }
    const unprotected = shrinkProtection();
    if (unprotected >= 0) return;
    const what = `ring files cannot be made unshrinkable here (${errnoName(unprotected)}; it takes Linux 6.6 and CAP_LINUX_IMMUTABLE)`;
    log('warning', 'QB', `${what}: a client that cuts its files ends this daemon, as it does a stock one`);
  }

  private sweep(): void {
    for (const name of sweepStaleDirectories())
      this.ports.log('info', 'QB', `removed ${datagramRoot()}/${name}, left by a daemon that is gone`, 'swept');
  }

  async publish(serviceId: number, name: string): Promise<void> {
    this.names.set(serviceId, name);
    if (this.ports.engines.isRemote(serviceId))
      this.server.publishRemote(name, serviceId, (client) => this.handOver(client));
    else this.server.publish(name, serviceId, this.handler(serviceId));
    this.ports.log('info', 'QB', `server name: ${name}`, 'server name');
  }

  withdraw(serviceId: number): void {
    this.server.withdraw(serviceId);
  }

  allow(): void {
    this.allowed = true;
  }

  flowControl(serviceId: number, state: FlowState): void {
    this.server.setFlowControl(serviceId, state.word, BUDGETS[state.rate]);
  }

  remoteClosed(connectionId: number): void {
    this.remoteHungUp(connectionId);
    const client = this.ending.get(connectionId);
    if (client === undefined) return;
    this.ending.delete(connectionId);
    closeFd(client.fd);
    this.server.remoteClosed(client);
  }

  newsForClients(): void {} // its clients are elsewhere

  /** Its thread serves what it has left behind first; for whoever looks at the statistics it is gone. */
  private remoteHungUp(connectionId: number): void {
    const client = this.remotes.get(connectionId);
    if (client === undefined) return;
    this.ports.flight.write('clientEnded', clientFields(client));
    this.ports.statistics.remove(connectionPrefix(client));
    this.ports.statistics.remove(ownConnectionPrefix(client));
    this.remotes.delete(connectionId);
    this.remoteStatistics.remove(connectionId);
    this.ending.set(connectionId, client);
    this.server.remoteHungUp();
  }

  async close(): Promise<void> {
    this.ports.log('info', 'QB', 'withdrawing server sockets');
    clearTimeout(this.laterSweep);
    this.server.close();
    this.hangUps.close();
  }

  // ---- who may connect (services.md 2.1) ----

  private authorize(client: Credentials, serviceId: number, fd: number): number {
    const left = descriptorsLeft(fd);
    if (left <= DESCRIPTORS.low) this.descriptorsLow = true;
    else if (left > DESCRIPTORS.enough) this.descriptorsLow = false;
    const low = this.descriptorsLow || (!isPrivileged(client.uid) && left <= DESCRIPTORS_FOR_ROOT);
    const errno = authorizeClient(client, {
      firstSyncDone: this.allowed,
      serviceLoaded: this.isLoaded(serviceId),
      descriptorsLow: low,
      isKeyOne: (key) => this.ports.isKeyOne(key),
    });
    // A daemon without root serves the user that runs it: nobody else could open its files.
    if (errno === EACCES && client.uid === process.geteuid?.()) return 0;
    if (errno === EACCES) this.logDenied(client);
    else if (errno === EMFILE) this.logLacking(`service ${serviceId}`, client, 'EMFILE', 'free descriptors');
    return errno;
  }

  /** Whatever is used up: stock logs path and errno. */
  private logLacking(service: string, client: Credentials | null, errno: string, missing: string): void {
    const kind = `lacking ${client?.uid} ${errno}`;
    const keptBack = this.denials.admit(kind, performance.now());
    if (keptBack === null) return;
    const who = client === null ? 'A client' : `Client ${client.pid} of user ${client.uid}`;
    const more = keptBack > 0 ? `; ${keptBack} more before` : '';
    this.ports.log('error', 'QB', `${who} cannot connect to ${service}: ${errno}, there is no ${missing}${more}`, kind);
  }

  /** As stock logs it, but a user without rights that tries for ever does not fill the disk. */
  private logDenied({ uid, gid, pid }: Credentials): void {
    const keptBack = this.denials.admit(`${uid}:${gid}`, performance.now());
    if (keptBack === null) return;
    const more = keptBack > 0 ? ` (and ${keptBack} more before)` : '';
    this.ports.log('error', 'MAIN', `Denied connection attempt from ${uid}:${gid}${more}`);
    this.ports.log('error', 'QB', `Invalid IPC credentials (${process.pid}-${pid}): ${errnoName(EACCES)}`);
  }

  private isLoaded(serviceId: number): boolean {
    const { engines } = this.ports;
    return engines.isRemote(serviceId) || engines.serviceIds().includes(serviceId);
  }

  // ---- services ----

  private handler(serviceId: number): ServiceHandler {
    const { engines } = this.ports;
    return {
      opened: (connection) => {
        this.ports.flight.write('clientJoined', clientFields(connection));
        engines.open(serviceId, connection);
        this.ports.statistics.add(connectionBranch(connection, () => connection.statistics));
      },
      request: (connection, request) => engines.request(serviceId, connection, request),
      closed: (connection) => {
        this.ports.flight.write('clientEnded', clientFields(connection));
        this.ports.statistics.remove(connectionPrefix(connection));
        engines.close(serviceId, connection);
      },
    };
  }

  private handOver(client: ClientDescriptor): void {
    this.remotes.set(client.id, client);
    this.ports.flight.write('clientJoined', clientFields(client));
    this.ports.statistics.add(connectionBranch(client, () => this.remoteStatistics.of(client.id)));
    this.ports.statistics.add(ownConnectionBranch(client, () => this.remoteStatistics.of(client.id)));
    this.hangUps.watch(client.fd, client.id);
    this.server.publishEvents(); // before the other thread can respond to the client's first request
    this.ports.attach(client);
  }

  // ---- statistics (libqb-ipc.md 4.8) ----

  get stats(): IpcStats {
    const { server } = this;
    return {
      active: server.statistics.active,
      closed: server.statistics.closed,
      clear: () => {
        server.statistics.clear();
        for (const connection of server.connections()) connection.statistics.clear();
      },
      byService: () => this.byService(),
      refresh: () => this.remoteStatistics.refresh(),
      notice: () => {
        for (const id of this.hangUps.take()) this.remoteHungUp(id);
      },
    };
  }

  private byService(): readonly ServiceClients[] {
    this.remoteStatistics.refresh();
    const remote = [...this.remotes].map(([id, { serviceId }]) => ({
      serviceId,
      statistics: this.remoteStatistics.of(id),
    }));
    return serviceSums(this.names, [...this.server.connections(), ...remote]);
  }
}
