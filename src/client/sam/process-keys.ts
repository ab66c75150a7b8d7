import type { CmapPlain, CmapTypeName } from '../cmap-values.ts';
import type { SamPolicy, SamState } from './monitor-core.ts';

/** The part of `Cmap` that is needed here. */
export interface KeyStore {
  set(key: string, type: CmapTypeName, value: CmapPlain): Promise<void>;
  delete(key: string): Promise<void>;
  close(): void;
}

const NAMES = ['recovery', 'poll_period', 'last_updated', 'state'] as const;

/**
 * `resources.process.<pid>.`: what others, the watchdog service above all, can see of the monitor.
 * Writes go out in order; one that fails does not stop the supervision.
 */
export class ProcessKeys {
  private readonly prefix: string;
  private queue: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: KeyStore,
    pid: number,
    private readonly monotonicNs: () => bigint,
  ) {
    this.prefix = `resources.process.${pid}.`;
  }

  /** Sets all four keys; on failure none stays, and it rejects. The state comes last: it starts the watchdog's watch. */
  async create(policy: SamPolicy): Promise<void> {
    try {
      await this.store.set(`${this.prefix}recovery`, 'str', policy.recovery);
      await this.store.set(`${this.prefix}poll_period`, 'u64', BigInt(policy.intervalMs));
      await this.store.set(`${this.prefix}last_updated`, 'u64', this.monotonicNs());
      await this.store.set(`${this.prefix}state`, 'str', 'stopped');
    } catch (error) {
      await this.remove();
      throw error;
    }
  }

  setState(state: SamState): void {
    this.enqueue(() => this.store.set(`${this.prefix}state`, 'str', state));
  }

  touch(): void {
    const now = this.monotonicNs();
    this.enqueue(() => this.store.set(`${this.prefix}last_updated`, 'u64', now));
  }

  private enqueue(write: () => Promise<void>): void {
    this.queue = this.queue.then(write).catch(() => {});
  }

  async remove(): Promise<void> {
    await this.queue;
    for (const name of NAMES) await this.store.delete(`${this.prefix}${name}`).catch(() => {});
  }

  /** Waits for the last write and ends the connection. */
  async close(): Promise<void> {
    await this.queue;
    this.store.close();
  }
}
