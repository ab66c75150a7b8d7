import { FdWatcher } from '../../os/watch.ts';
import type { HostedConnection } from './hosted-connection.ts';
import { RoomWatch } from './room-watch.ts';

/** How often a connection is tried whose client takes the bytes off its socket before the events off its ring. Stock: 50 ms or sooner. */
const RETRY_MS = 2;

/** Connections of libuv's thread whose events wait for room: tried when their clients have read, and from time to time. */
export class SlowConnections {
  private readonly connections = new Set<HostedConnection>();
  private watch: { readonly room: RoomWatch; readonly watcher: FdWatcher } | null = null;
  private timer: NodeJS.Timeout | null = null;

  add(connection: HostedConnection): void {
    if (this.connections.has(connection)) return;
    this.connections.add(connection);
    this.watch ??= this.open();
    this.watch.room.begin(connection.fd);
    this.timer ??= setTimeout(this.onTime, RETRY_MS);
  }

  /** Before its socket is closed. */
  remove(connection: HostedConnection): void {
    if (this.connections.delete(connection)) this.watch?.room.end(connection.fd);
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
    if (this.connections.size > 0) this.timer = setTimeout(this.onTime, RETRY_MS);
  };

  private retry(wanted: (connection: HostedConnection) => boolean): void {
    for (const connection of this.connections)
      if (wanted(connection) && !connection.flushQueue()) this.remove(connection);
  }
}
