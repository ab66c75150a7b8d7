import { objectList } from '../../lib/object-list.ts';
import type { QuotaUser } from '../../lib/user-quota.ts';
import { monotonicMs } from '../../os/clock.ts';
import type { Descriptors } from '../descriptors.ts';
import type { Moderation } from './moderation.ts';

/** Requests of all users who are not privileged in one turn of the loop, before the network and the timers get theirs. */
const USERS_MS = 5;

/** What is to be known of a client here. */
export interface RingingClient {
  readonly user: QuotaUser;
  /** Its request ring is looked at in every turn. */
  active: boolean;
  readonly moderation: Moderation;
  /** Requests of this client so far. */
  readonly served: number;
  readonly connection: {
    readonly fd: number;
    readonly statistics: { wakes: number; looks: number; moderated: boolean };
    requestsAvailable(): number;
  };
  /** Handles waiting requests until `endMs`, or as many as a client may have in one turn; returns how much was done. */
  serve(nowMs: number, endMs: number): number;
}

/** The active clients of one user. */
interface ActiveUser<Client> {
  readonly uid: number;
  readonly privileged: boolean;
  readonly clients: Client[];
  /** Whose turn it is. */
  next: number;
  /** The one behind the first who had something handled in this turn of the loop; -1: nobody had. */
  behind: number;
  /** How many have not had theirs in this turn of the loop. */
  left: number;
}

/**
 * The clients whose request rings are looked at in every turn while the loop is awake: those whose doorbell rang, until it sleeps, and those
 * whose doorbell is moderated, which does not wake it. They are served user by user, so that one with a thousand clients holds up neither
 * the ring nor the others.
 */
export class Doorbells<Client extends RingingClient> {
  /** When a moderated client has to be looked at; infinite when there is none. */
  nextMs = Number.POSITIVE_INFINITY;
  /** The privileged first. A few: an array is searched faster than a map. */
  private readonly users = objectList<ActiveUser<Client>>();
  /** The user after the one at whom the time of the last turn ended, or after the first who had something handled: nobody is left out again and again. */
  private firstUser = 0;

  constructor(private readonly descriptors: Descriptors) {}

  /** How many clients are looked at. */
  get active(): number {
    return this.users.reduce((sum, { clients }) => sum + clients.length, 0);
  }

  /** The client's byte woke the loop. */
  rang(client: Client, nowMs: number): void {
    const { moderation, connection } = client;
    connection.statistics.wakes++;
    const { moderated } = moderation;
    if (moderated || !moderation.woken(nowMs, client.served)) return;
    connection.statistics.moderated = true;
    this.descriptors.mute(connection.fd, true);
    this.nextMs = Math.min(this.nextMs, moderation.lookAtMs);
    this.activate(client);
  }

  activate(client: Client): void {
    if (client.active) return;
    client.active = true;
    this.userOf(client.user).clients.push(client);
  }

  remove(client: Client): void {
    if (!client.active) return;
    client.active = false;
    const user = this.userOf(client.user);
    const at = user.clients.indexOf(client);
    user.clients.splice(at, 1);
    if (at < user.next) user.next--;
    if (at < user.behind) user.behind--;
  }

  /** All clients of the privileged, then one of each user after the other while there is time. Returns how much was done. */
  serve(nowMs: number): number {
    const { users } = this;
    let count = 0;
    let more = false;
    for (let u = 0; u < users.length; u++) {
      const user = users[u]!;
      // There may be no room for what the last one has: who was the first to get something is not the first of the next turn. One who got nothing stays
      // in front, or in turns that keep step with the token the same one would be there whenever there is room.
      if (user.left === 0 && user.behind >= 0) user.next = user.behind;
      user.behind = -1;
      user.left = user.clients.length;
      if (!user.privileged) more ||= user.left > 0;
      else while (user.left > 0) count += this.serveNext(user, nowMs, Number.POSITIVE_INFINITY);
    }
    if (!more) return count;
    const endMs = monotonicMs() + USERS_MS;
    let behind = -1;
    while (more) {
      more = false;
      for (let n = 0, first = this.firstUser; n < users.length; n++) {
        const u = (first + n) % users.length;
        const user = users[u]!;
        if (user.left === 0) continue;
        const handled = this.serveNext(user, nowMs, endMs);
        if (handled > 0 && behind < 0) behind = u + 1;
        count += handled;
        more ||= user.left > 0;
        if (count === 0 || monotonicMs() < endMs) continue;
        this.firstUser = u + 1;
        return count;
      }
    }
    if (behind >= 0) this.firstUser = behind;
    return count;
  }

  /** Whether a client's ring holds requests. */
  hasRequests(): boolean {
    for (let u = 0; u < this.users.length; u++) {
      const { clients } = this.users[u]!;
      for (let index = 0; index < clients.length; index++)
        if (clients[index]!.connection.requestsAvailable() > 0) return true;
    }
    return false;
  }

  /** Whether a moderated client has sent between the last looks. */
  sendSoon(): boolean {
    if (this.nextMs === Number.POSITIVE_INFINITY) return false;
    for (let u = 0; u < this.users.length; u++) {
      const { clients } = this.users[u]!;
      for (let index = 0; index < clients.length; index++) if (clients[index]!.moderation.expects) return true;
    }
    return false;
  }

  /** Clients without requests are left to their doorbells, moderated ones to the clock. */
  beforeSleep(nowMs: number): void {
    let nextMs = Number.POSITIVE_INFINITY;
    let users = 0;
    for (let u = 0; u < this.users.length; u++) {
      const user = this.users[u]!;
      const { clients } = user;
      let kept = 0;
      for (let index = 0; index < clients.length; index++) {
        const client = clients[index]!;
        const moderated = client.moderation.moderated && this.look(client, nowMs);
        if (moderated) nextMs = Math.min(nextMs, client.moderation.lookAtMs);
        if (moderated || client.connection.requestsAvailable() > 0) clients[kept++] = client;
        else client.active = false;
      }
      clients.length = kept;
      if (kept > 0 || user.privileged) this.users[users++] = user;
    }
    this.users.length = users;
    this.nextMs = nextMs;
  }

  /** The one whose turn it is; what was handled. Handling may end connections of the user, this one too. */
  private serveNext(user: ActiveUser<Client>, nowMs: number, endMs: number): number {
    user.left--;
    if (user.next >= user.clients.length) user.next = 0;
    const client = user.clients[user.next++];
    if (client === undefined) return 0;
    const handled = client.serve(nowMs, endMs);
    if (handled > 0 && user.behind < 0) user.behind = user.next;
    return handled;
  }

  private userOf({ uid, privileged }: QuotaUser): ActiveUser<Client> {
    for (let u = 0; u < this.users.length; u++) if (this.users[u]!.uid === uid) return this.users[u]!;
    const user: ActiveUser<Client> = { uid, privileged, clients: objectList<Client>(), next: 0, behind: -1, left: 0 };
    if (privileged) this.users.unshift(user);
    else this.users.push(user);
    return user;
  }

  private look(client: Client, nowMs: number): boolean {
    const { moderation, connection } = client;
    if (nowMs >= moderation.lookAtMs) connection.statistics.looks++;
    if (moderation.looked(nowMs, client.served)) return true;
    connection.statistics.moderated = false;
    this.descriptors.mute(connection.fd, false);
    return false;
  }
}
