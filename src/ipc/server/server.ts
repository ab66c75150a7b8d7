import type { ClientDescriptor } from '../../lib/client-descriptor.ts';
import type { Credentials } from '../../os/credentials.ts';
import { Admission } from './admission.ts';
import { Handshakes } from './handshakes.ts';
import { type ConnectionOwner, HostedConnection, type ServiceHandler } from './hosted-connection.ts';
import { connectionsMaxHere, type IpcTransport } from './limits.ts';
import { IpcListener } from './listener.ts';
import { RingPool } from './pool.ts';
import { SlowConnections } from './slow-connections.ts';
import { ServerStatistics } from './statistics.ts';
import { UserTurns } from './user-turns.ts';

export interface IpcServerOptions {
  /** Named IPC instance, empty for stock's socket names. */
  readonly instance: string;
  /** How messages travel; rings in shared memory when it is left out. */
  readonly transport?: IpcTransport;
  /** 0, or the errno that the client gets: see `authorizeClient`. */
  authorize(client: Credentials, serviceId: number, fd: number): number;
  /** A handshake was refused or a connection ended, for the log. */
  ended?(serviceId: number, reason: string, pid: number): void;
  /** A client that may connect could not, because something was used up. */
  lacking?(service: string, client: Credentials | null, errno: string, missing: string): void;
}

/** Requests of one connection in one turn when nothing is set: stock's highest priority (libqb-ipc.md 3.4). */
const BUDGET_DEFAULT = 50;
/** Requests and ends of connections of users in one turn of the loop, before root's clients, timers and the ring have theirs. */
const TURN_MS = 4;

interface Service {
  readonly listener: IpcListener;
  readonly connections: Set<HostedConnection>;
  budget: number;
}

/**
 * The libqb server on the main thread: a listening socket per service, the handshake, and the connections of the services that live on
 * this thread. Clients of a service that lives elsewhere (cpg) are handed over after the handshake.
 */
export class IpcServer {
  readonly statistics = new ServerStatistics();
  private readonly pool = new RingPool();
  private readonly admission: Admission;
  private readonly transport: IpcTransport;
  private readonly handshakes = new Handshakes();
  private readonly turns = new UserTurns(TURN_MS);
  private readonly services = new Map<number, Service>();
  private readonly dirtyConnections = new Set<HostedConnection>();
  private readonly slow = new SlowConnections();
  private lastConnectionId = 0;

  constructor(private readonly options: IpcServerOptions) {
    this.transport = options.transport ?? 'shm';
    this.admission = new Admission(connectionsMaxHere(this.transport));
  }

  /** Opens the socket of a service of this thread. Throws OsError. */
  publish(service: string, serviceId: number, handler: ServiceHandler): void {
    const connections = new Set<HostedConnection>();
    const attached = new Map<number, HostedConnection>();
    const owner: ConnectionOwner = {
      handler,
      turns: this.turns,
      budget: () => this.services.get(serviceId)?.budget ?? BUDGET_DEFAULT,
      dirty: (connection) => this.markDirty(connection),
      publishEvents: () => this.publishEvents(),
      slow: (connection) => this.markSlow(connection),
      notSlow: (connection) => this.slow.remove(connection),
      ended: (connection, reason) => this.onEnded(connection, connections, handler, reason),
    };
    const listener = this.listen(service, serviceId, {
      prepare: (client) => {
        const connection = HostedConnection.attach(this.pool, client, owner);
        if (typeof connection === 'number') return connection;
        attached.set(client.id, connection);
        return 0;
      },
      established: (client) => {
        const connection = attached.get(client.id);
        attached.delete(client.id);
        if (connection === undefined) return;
        connections.add(connection);
        this.statistics.active++;
        handler.opened(connection);
      },
    });
    this.services.set(serviceId, { listener, connections, budget: BUDGET_DEFAULT });
  }

  /** Opens the socket of a service that another thread serves: `handOver` gets each client when its handshake is complete. */
  publishRemote(service: string, serviceId: number, handOver: (client: ClientDescriptor) => void): void {
    const listener = this.listen(service, serviceId, {
      prepare: () => 0,
      established: (client) => {
        this.statistics.active++;
        handOver(client);
      },
    });
    this.services.set(serviceId, { listener, connections: new Set(), budget: BUDGET_DEFAULT });
  }

  /** A client that the other thread got has hung up. */
  remoteHungUp(): void {
    this.statistics.active--;
    this.statistics.closed++;
  }

  /** The other thread reports that it has closed the connection of such a client. */
  remoteClosed(client: ClientDescriptor): void {
    this.admission.give(client.euid, client.maxMessageBytes);
  }

  /** Closes the socket of a service and its connections. */
  withdraw(serviceId: number): void {
    const service = this.services.get(serviceId);
    if (service === undefined) return;
    service.listener.close();
    for (const connection of service.connections) connection.disconnect('service withdrawn');
    this.services.delete(serviceId);
  }

  /** Flow-control word of the connections that exist now (a new one starts with 0, as in stock), and requests per turn for all. */
  setFlowControl(serviceId: number, word: 0 | 1 | 2, budget: number): void {
    const service = this.services.get(serviceId);
    if (service === undefined) return;
    service.budget = Math.max(1, budget);
    for (const connection of service.connections) connection.setFlowControl(word);
  }

  /** All connections of this thread. */
  *connections(): IterableIterator<HostedConnection> {
    for (const { connections } of this.services.values()) yield* connections;
  }

  close(): void {
    for (const serviceId of [...this.services.keys()]) this.withdraw(serviceId);
    this.handshakes.close();
  }

  private listen(
    service: string,
    serviceId: number,
    hooks: { prepare(client: ClientDescriptor): number; established(client: ClientDescriptor): void },
  ): IpcListener {
    return IpcListener.listen({
      service,
      serviceId,
      instance: this.options.instance,
      transport: this.transport,
      nextConnectionId: () => ++this.lastConnectionId,
      handshakes: this.handshakes,
      authorize: (client, fd) => this.options.authorize(client, serviceId, fd),
      reserve: ({ uid }, maxMessageBytes) => this.admission.take(uid, maxMessageBytes),
      release: ({ uid }, maxMessageBytes) => this.admission.give(uid, maxMessageBytes),
      ignored: () => this.statistics.count('ignored'),
      refused: (reason, client, missing) => {
        this.statistics.count(reason);
        this.options.ended?.(serviceId, reason, client?.pid ?? 0);
        if (missing === undefined) return;
        const counts = client === null ? '' : ` (${this.admission.describe(client.uid)})`;
        this.options.lacking?.(service, client, reason, `${missing}${counts}`);
      },
      ...hooks,
    });
  }

  private onEnded(
    connection: HostedConnection,
    connections: Set<HostedConnection>,
    handler: ServiceHandler,
    reason: string,
  ): void {
    this.dirtyConnections.delete(connection);
    this.admission.give(connection.euid, connection.maxMessageBytes);
    if (!connections.delete(connection)) return; // never established
    this.statistics.active--;
    this.statistics.closed++;
    this.statistics.count(reason);
    handler.closed(connection);
    this.options.ended?.(connection.serviceId, reason, connection.pid);
  }

  /** Events of one turn are published together: one semaphore operation, one wake-up, one send for all of them. */
  private markDirty(connection: HostedConnection): void {
    if (this.dirtyConnections.size === 0) queueMicrotask(this.publishEvents);
    this.dirtyConnections.add(connection);
  }

  /** What was dispatched so far becomes visible, with its bytes on the sockets. */
  readonly publishEvents = (): void => {
    if (this.dirtyConnections.size === 0) return;
    const connections = [...this.dirtyConnections];
    this.dirtyConnections.clear();
    for (const connection of connections) connection.flush();
  };

  private markSlow(connection: HostedConnection): void {
    this.slow.add(connection);
    this.markDirty(connection); // what is in the ring already has to be announced
  }
}
