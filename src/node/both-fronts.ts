import type { IpcFront } from '../daemon/ipc-front.ts';
import type { IpcStats, ServiceClients } from '../daemon/stats.ts';
import type { FlowState } from '../services/host/flow-control.ts';

/** A node's own program and other processes at the same time. Whoever gets the end of a client that is not its own does nothing. */
export class BothFronts implements IpcFront {
  constructor(
    private readonly own: IpcFront,
    private readonly others: IpcFront,
  ) {}

  open(): void {
    this.own.open();
    this.others.open();
  }

  async publish(serviceId: number, name: string): Promise<void> {
    await this.own.publish(serviceId, name);
    await this.others.publish(serviceId, name);
  }

  withdraw(serviceId: number): void {
    this.own.withdraw(serviceId);
    this.others.withdraw(serviceId);
  }

  allow(): void {
    this.own.allow();
    this.others.allow();
  }

  flowControl(serviceId: number, state: FlowState): void {
    this.own.flowControl(serviceId, state);
    this.others.flowControl(serviceId, state);
  }

  remoteClosed(connectionId: number): void {
    this.own.remoteClosed(connectionId);
    this.others.remoteClosed(connectionId);
  }

  newsForClients(): void {
    this.own.newsForClients();
    this.others.newsForClients();
  }

  async close(): Promise<void> {
    await Promise.all([this.own.close(), this.others.close()]);
  }

  get stats(): IpcStats {
    const { stats: own } = this.own;
    const { stats: others } = this.others;
    return {
      active: own.active + others.active,
      closed: own.closed + others.closed,
      clear: () => {
        own.clear();
        others.clear();
      },
      byService: () => sums(own.byService(), others.byService()),
      refresh: () => {
        own.refresh();
        others.refresh();
      },
      notice: () => {
        own.notice();
        others.notice();
      },
    };
  }
}

/** Both have the same services. */
function sums(own: readonly ServiceClients[], others: readonly ServiceClients[]): readonly ServiceClients[] {
  const more = new Map(others.map((sum) => [sum.service, sum]));
  return own.map((sum) => {
    const other = more.get(sum.service);
    if (other === undefined) return sum;
    return {
      service: sum.service,
      connections: sum.connections + other.connections,
      eventsWaiting: sum.eventsWaiting + other.eventsWaiting,
      slowClients: sum.slowClients + other.slowClients,
    };
  });
}
