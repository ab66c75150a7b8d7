import type { Descriptors } from '../descriptors.ts';
import type { Moderation } from './moderation.ts';

/** What is to be known of a client here. */
export interface RingingClient {
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
}

/**
 * The clients whose request rings are looked at in every turn while the loop is awake: those whose doorbell rang, until it sleeps, and those
 * whose doorbell is moderated, which does not wake it.
 */
export class Doorbells<Client extends RingingClient> {
  readonly active: Client[] = [];
  /** When a moderated client has to be looked at; infinite when there is none. */
  nextMs = Number.POSITIVE_INFINITY;

  constructor(private readonly descriptors: Descriptors) {}

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
    this.active.push(client);
  }

  remove(client: Client): void {
    const at = this.active.indexOf(client);
    if (at >= 0) this.active.splice(at, 1);
    client.active = false;
  }

  /** Clients without requests are left to their doorbells, moderated ones to the clock. */
  beforeSleep(nowMs: number): void {
    let nextMs = Number.POSITIVE_INFINITY;
    let kept = 0;
    for (let index = 0; index < this.active.length; index++) {
      const client = this.active[index]!;
      const moderated = client.moderation.moderated && this.look(client, nowMs);
      if (moderated) nextMs = Math.min(nextMs, client.moderation.lookAtMs);
      if (moderated || client.connection.requestsAvailable() > 0) this.active[kept++] = client;
      else client.active = false;
    }
    this.active.length = kept;
    this.nextMs = nextMs;
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
