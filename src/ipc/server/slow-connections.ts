import { FdWatcher } from '../../os/watch.ts';
import type { HostedConnection } from './hosted-connection.ts';
import { RoomWatch } from './room-watch.ts';

/**
 * How often a connection is tried whose client takes the bytes off its socket before the events off its ring: less often when there are many.
 * Stock: 50 ms or sooner.
 */
const RETRY_MS = { min: 2, max: 50, connections: 16 } as const;
/** Time for that in one go. */
const RETRYING_MS = 2;

/** Connections of libuv's thread whose events wait for room: tried when their clients have read, and from time to time. */
export class SlowConnections {
  private readonly connections = new Set<HostedConnection>();
  private watch: { readonly room: RoomWatch; readonly watcher: FdWatcher } | null = null;
  private timer: NodeJS.Timeout | null = null;

  add(connection: HostedConnection): void {
    if (this.connections.has(connection)) return;
    this.connections.add(connection);
    this.watch ??= this.open();
    this.watch.room.begin(connection.roomFd);
    this.timer ??= setTimeout(this.onTime, RETRY_MS.min);
  }

  /** Before its socket is closed. */
  remove(connection: HostedConnection): void {
    if (this.connections.delete(connection)) this.watch?.room.end(connection.roomFd);
    if (this.connections.size === 0) this.close();
  }

  private open() {
    const room = new RoomWatch();
    return { room, watcher: new FdWatcher(room.fd, this.onReport) };
  }

  private close(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.watch?.watcher.stop();
    this.watch?.room.close();
    this.watch = null;
  }

  private readonly onReport = (): void => {
    this.watch?.room.take();
    this.retry((connection) => connection.roomForQueue);
  };

  private readonly onTime = (): void => {
    this.timer = null;
    this.retry(() => true);
    const { size } = this.connections;
    if (size === 0) return;
    const pauseMs = Math.min(RETRY_MS.max, Math.max(RETRY_MS.min, size / RETRY_MS.connections));
    this.timer = setTimeout(this.onTime, pauseMs);
  };

  /** Each once, or as many as there is time for; the others come first the next time. */
  private retry(wanted: (connection: HostedConnection) => boolean): void {
    const end = performance.now() + RETRYING_MS;
    let left = this.connections.size;
    for (const connection of this.connections) {
      if (left-- === 0) break;
      if (!wanted(connection)) continue;
      if (!connection.flushQueue()) this.remove(connection);
      else if (this.connections.delete(connection)) this.connections.add(connection); // to the end
      if (performance.now() >= end) break;
    }
  }
}
