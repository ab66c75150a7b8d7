import type { Channel, ChannelHandler, OpenChannel } from '../client/channel.ts';
import { ConnectionError } from '../client/errors.ts';
import type { IpcFront, IpcFrontPorts } from '../daemon/ipc-front.ts';
import { connectionBranch, connectionPrefix } from '../daemon/ipc-statistics.ts';
import { clientFields, RemoteStatistics, serviceSums } from '../daemon/remote-statistics.ts';
import type { IpcStats } from '../daemon/stats.ts';
import { IpcClient } from '../ipc/client/ipc-client.ts';
import { LocalChannels, LocalWire } from '../ipc/client/local.ts';
import { LocalMemory } from '../ipc/local-memory.ts';
import { IPC_LIMITS } from '../ipc/protocol.ts';
import type { AttachedClient } from '../lib/client-descriptor.ts';
import type { FlowState } from '../services/host/flow-control.ts';
import { LocalEngineClient } from './local-engine-client.ts';

interface LocalService {
  readonly serviceId: number;
  /** Of an engine of this thread. */
  readonly clients: Set<LocalEngineClient>;
}

/**
 * The clients of a node in its own program: no socket and no file. Clients of the ring thread's engine share memory with it, and
 * each thread wakes the other by the doorbells that they have anyway; clients of the other engines are on the engines' own thread.
 */
export class LocalFront implements IpcFront {
  private readonly services = new Map<string, LocalService>();
  /** The clients that the ring thread serves. */
  private readonly remotes = new Map<number, { readonly client: AttachedClient; readonly wire: LocalWire }>();
  private readonly remoteStatistics: RemoteStatistics;
  /** Those of clients over sockets, which count from 1, are never so high. */
  private lastId = 2 ** 30;
  private closedCount = 0;
  private allowed = false;
  private gone = false;

  constructor(private readonly ports: IpcFrontPorts) {
    this.remoteStatistics = new RemoteStatistics(ports, () => this.remotes.size);
  }

  open(): void {}

  async publish(serviceId: number, name: string): Promise<void> {
    this.services.set(name, { serviceId, clients: new Set() });
  }

  withdraw(serviceId: number): void {
    for (const [name, service] of this.services) {
      if (service.serviceId !== serviceId) continue;
      this.services.delete(name);
      for (const client of service.clients) client.cut();
    }
  }

  allow(): void {
    this.allowed = true;
  }

  flowControl(serviceId: number, { word }: FlowState): void {
    for (const service of this.services.values())
      if (service.serviceId === serviceId) for (const client of service.clients) client.setFlowControl(word);
  }

  newsForClients(): void {
    for (const { wire } of this.remotes.values()) wire.look();
  }

  /** Whether or not the ring thread could still say so. */
  remoteClosed(connectionId: number): void {
    const remote = this.remotes.get(connectionId);
    if (remote === undefined) return;
    this.remotes.delete(connectionId);
    this.remoteStatistics.remove(connectionId);
    this.left(remote.client);
    remote.wire.look();
    remote.wire.cut();
  }

  async close(): Promise<void> {
    this.gone = true;
    for (const { serviceId } of [...this.services.values()]) this.withdraw(serviceId);
    for (const id of [...this.remotes.keys()]) this.remoteClosed(id);
  }

  /** What `connect()` of this package opens to be a client here. */
  readonly openChannel: OpenChannel = async (name, _options, handler) => {
    const service = this.services.get(name);
    if (this.gone || service === undefined) {
      const what = this.gone ? 'the node of this program has ended' : `the node of this program has no service ${name}`;
      throw new ConnectionError('RONDO_NOT_RUNNING', `${name}: ${what}`);
    }
    if (!this.allowed)
      throw new ConnectionError('RONDO_NOT_READY', `${name}: the node has not formed its first ring yet`);
    return this.ports.engines.isRemote(service.serviceId)
      ? this.openRemote(this.identity(service.serviceId), handler)
      : this.openHere(this.identity(service.serviceId), service, handler);
  };

  private openRemote(client: AttachedClient, handler: ChannelHandler): Channel {
    const memory = LocalMemory.create(client.maxMessageBytes);
    const { knock } = this.ports;
    const wire = new LocalWire(memory, knock, () => this.gone);
    this.remotes.set(client.id, { client, wire });
    this.joined(client, () => this.remoteStatistics.of(client.id));
    this.ports.attachLocal(client, memory.shared);
    return new IpcClient(wire, new LocalChannels(memory, knock), handler);
  }

  private openHere(identity: AttachedClient, { serviceId, clients }: LocalService, handler: ChannelHandler): Channel {
    const { engines } = this.ports;
    const engine = {
      request: (connection: LocalEngineClient, request: Uint8Array) => engines.request(serviceId, connection, request),
      ended: (ended: LocalEngineClient) => {
        clients.delete(ended);
        this.left(identity);
        engines.close(serviceId, ended);
      },
    };
    const client = new LocalEngineClient(identity, engine, handler);
    clients.add(client);
    this.joined(identity, () => client.statistics);
    engines.open(serviceId, client);
    return client;
  }

  private joined(client: AttachedClient, counters: Parameters<typeof connectionBranch>[1]): void {
    this.ports.flight.write('clientJoined', clientFields(client));
    this.ports.statistics.add(connectionBranch(client, counters));
  }

  private left(client: AttachedClient): void {
    this.closedCount++;
    this.ports.flight.write('clientEnded', clientFields(client));
    this.ports.statistics.remove(connectionPrefix(client));
  }

  private identity(serviceId: number): AttachedClient {
    return {
      id: ++this.lastId,
      pid: process.pid,
      euid: process.geteuid?.() ?? 0,
      egid: process.getegid?.() ?? 0,
      serviceId,
      processName: process.title,
      maxMessageBytes: IPC_LIMITS.messageBytesDefault,
    };
  }

  // ---- statistics ----

  get stats(): IpcStats {
    const here = [...this.services.values()].flatMap(({ clients }) => [...clients]);
    return {
      active: here.length + this.remotes.size,
      closed: this.closedCount,
      clear: () => {
        this.closedCount = 0;
        for (const { statistics } of here) statistics.clear();
      },
      byService: () => {
        this.remoteStatistics.refresh();
        const names = new Map([...this.services].map(([name, { serviceId }]) => [serviceId, name]));
        const remote = [...this.remotes.values()].map(({ client }) => client);
        return serviceSums(names, [
          ...here,
          ...remote.map(({ id, serviceId }) => ({ serviceId, statistics: this.remoteStatistics.of(id) })),
        ]);
      },
      refresh: () => this.remoteStatistics.refresh(),
      notice: () => {},
    };
  }
}
