import { RoomWatch } from '../../ipc/server/room-watch.ts';
import { objectList } from '../../lib/object-list.ts';
import type { Descriptors } from '../descriptors.ts';

/** What is to be known of a client here. */
export interface SlowClient {
  /** In the list of clients whose events wait. */
  slow: boolean;
  /** Its socket is watched. */
  watched: boolean;
  /** When to look again by time. */
  readonly retryAtMs: number;
  readonly connection: { readonly roomFd: number; readonly roomForQueue: boolean; readonly fault: string | null };
  beginWaiting(nowMs: number): void;
  /** Some client has taken bytes off its socket. */
  noteReads(nowMs: number): void;
  /** Moves what there is room for; `true`: nothing waits any more. */
  retry(nowMs: number): boolean;
}

/**
 * Clients whose events, or notification bytes, wait for room. While the loop is awake their rings are looked at in every turn, which costs a
 * load each. Before it sleeps their sockets are watched, so that it is woken when one of them has read. A client that takes its bytes off
 * the socket before the events off its ring is looked at again a little later, by time, and one that does not read less and less often.
 */
export class SlowClients<Client extends SlowClient> {
  /** When one has to be looked at by time; infinite when there are none. */
  nextMs = Number.POSITIVE_INFINITY;
  private readonly clients = objectList<Client>();
  /** Those whose sockets are watched, slow or not any more. */
  private readonly watched = objectList<Client>();
  private readonly watch = new RoomWatch();
  private reports = 0;

  constructor(
    private readonly descriptors: Descriptors,
    /** A connection broke while its events were moved. */
    private readonly broken: (client: Client) => void,
  ) {
    descriptors.add(this.watch.fd, () => {
      this.reports += this.watch.take();
    });
  }

  dispose(): void {
    this.descriptors.remove(this.watch.fd);
    this.watch.close();
  }

  add(client: Client, nowMs: number): void {
    if (client.slow) return;
    client.slow = true;
    this.clients.push(client);
    client.beginWaiting(nowMs);
    this.nextMs = Math.min(this.nextMs, client.retryAtMs);
  }

  /** Before its socket is closed. */
  remove(client: Client): void {
    if (client.slow) drop(this.clients, client);
    client.slow = false;
    if (this.clients.length === 0) this.nextMs = Number.POSITIVE_INFINITY;
    this.unwatch(client);
  }

  /** Once a turn: moves what there is room for now. */
  turn(nowMs: number): void {
    if (this.clients.length === 0) return;
    const reported = this.reports > 0;
    this.reports = 0;
    let nextMs = Number.POSITIVE_INFINITY;
    for (let index = this.clients.length - 1; index >= 0; index--) {
      const client = this.clients[index]!;
      if (reported) client.noteReads(nowMs);
      const done = (client.connection.roomForQueue || nowMs >= client.retryAtMs) && client.retry(nowMs);
      if (client.connection.fault !== null) this.broken(client);
      else if (done) {
        client.slow = false;
        drop(this.clients, client);
      } else nextMs = Math.min(nextMs, client.retryAtMs);
    }
    this.nextMs = nextMs;
  }

  /** The next thing that the loop sees of them is a report, or the time. */
  beforeSleep(): void {
    for (let index = this.watched.length - 1; index >= 0; index--) {
      const client = this.watched[index]!;
      if (!client.slow) this.unwatch(client);
    }
    for (let index = 0; index < this.clients.length; index++) {
      const client = this.clients[index]!;
      if (client.watched) continue;
      client.watched = true;
      this.watched.push(client);
      this.watch.begin(client.connection.roomFd);
    }
  }

  private unwatch(client: Client): void {
    if (!client.watched) return;
    client.watched = false;
    drop(this.watched, client);
    this.watch.end(client.connection.roomFd);
  }
}

/** Removes one, without regard to the order. */
function drop<Client>(list: Client[], client: Client): void {
  const at = list.indexOf(client);
  const last = list.pop()!;
  if (at < list.length) list[at] = last;
}
