import { type Backoff, tryAgain } from '../client/backoff.ts';
import { type Clock, clockOf } from '../client/clock.ts';
import { Cpg, type CpgProcess } from '../client/cpg.ts';
import { ConnectionError } from '../client/errors.ts';
import { Quorum, type RingIdentity } from '../client/quorum.ts';
import type { ConnectOptions, ReconnectingOptions } from '../client/session.ts';
import { Votequorum } from '../client/votequorum.ts';

/** What quorum reports of a ring; `null` where nothing is known of votes. */
export interface LinkQuorum {
  readonly ringId: RingIdentity;
  readonly quorate: boolean;
  /** Votes that a part needs, and that there are in all. */
  readonly votesNeeded: number;
  readonly votesExpected: number;
}

export interface LinkHandler {
  connected(self: CpgProcess): void;
  /** The connection is gone: what happened in the group since is not known. */
  disconnected(reason: Error): void;
  membership(members: readonly CpgProcess[]): void;
  ring(ringId: RingIdentity): void;
  quorum(quorum: LinkQuorum): void;
  message(from: CpgProcess, data: Uint8Array): void;
  /** Whether events have to wait, and until when: they stay in the daemon then. */
  room?(): Promise<void> | null;
  /** No connection is made any more: `backoff` is `null`. */
  over?(reason: Error): void;
}

export interface LinkOptions {
  readonly group: string;
  readonly connect: ConnectOptions;
  readonly withQuorum: boolean;
  /** `null`: the first end is the end. */
  readonly backoff: Backoff | null;
}

/** Why a connection ended. */
interface Life {
  readonly end: Promise<Error>;
}

/** A process in a group, for as long as it wants: connections to cpg and quorum, made again when they end. */
export class GroupLink {
  private readonly clock: Clock;
  private cpg: Cpg | null = null;
  private closers: (() => void)[] = [];
  private closing = false;
  private wasOpen = false;
  private readonly closed = new AbortController();
  private finished: Promise<void> = Promise.resolve();

  constructor(
    private readonly options: LinkOptions,
    private readonly handler: LinkHandler,
  ) {
    this.clock = clockOf(options.connect);
  }

  /** Resolves in the group. @throws what `connect` and `join` throw. */
  async open(): Promise<void> {
    const life = await this.connect();
    this.wasOpen = true;
    this.finished = this.keep(life);
  }

  /** In the order of the calls. What is sent while there is no connection is lost; the handler knows when there is one. */
  send(data: Uint8Array): void {
    this.cpg?.send(data).catch(() => {}); // the end of the connection reports it, too
  }

  /** The connection that there is. */
  get connection(): Cpg | null {
    return this.cpg;
  }

  async close(): Promise<void> {
    this.closing = true;
    this.closed.abort(new ConnectionError('RONDO_CLOSED', `the group '${this.options.group}' was closed`));
    await this.cpg?.close().catch(() => {});
    this.disconnect();
    await this.finished;
  }

  /** One connection after the other. */
  private async keep(first: Life): Promise<void> {
    let life = first;
    for (;;) {
      const reason = await life.end;
      this.disconnect();
      if (this.closing) return;
      this.handler.disconnected(reason);
      const next = await this.connectAgain();
      if (next === null) {
        if (!this.closing) this.handler.over?.(reason);
        return;
      }
      life = next;
    }
  }

  private async connectAgain(): Promise<Life | null> {
    const { backoff } = this.options;
    if (backoff === null) return null;
    const { clock } = this;
    const { signal } = this.closed;
    return tryAgain(
      async () => {
        try {
          const life = await this.connect();
          signal.throwIfAborted(); // connected while the group was closed
          return life;
        } catch (error) {
          this.disconnect();
          throw error;
        }
      },
      { backoff, clock, signal },
    );
  }

  private async connect(): Promise<Life> {
    const { group } = this.options;
    const connect = this.connectOptions();
    const ends: Promise<Error>[] = [];
    if (this.options.withQuorum) ends.push((await this.connectQuorum()).end);
    const cpg = await Cpg.connect(connect);
    this.closers.push(() => cpg.destroy());
    await cpg.join(group, { initialRing: true });
    this.cpg = cpg;
    this.handler.connected({ nodeId: cpg.nodeId, pid: process.pid });
    ends.push(this.readEvents(cpg));
    return { end: Promise.race(ends) };
  }

  private async connectQuorum(): Promise<Life> {
    const options = this.connectOptions();
    const quorum = await Quorum.connect(options);
    this.closers.push(() => quorum.destroy());
    const votes = quorum.hasProvider ? await Votequorum.connect(options) : null;
    if (votes !== null) this.closers.push(() => votes.destroy());
    const events = await quorum.watch();
    const end = this.ending(async () => {
      for await (const event of events) {
        if (event.type !== 'quorum') continue;
        const { ringId, quorate } = event;
        const info = await votes?.info();
        const votesNeeded = info?.quorum ?? 1;
        this.handler.quorum({ ringId, quorate, votesNeeded, votesExpected: info?.expectedVotes ?? votesNeeded });
      }
    });
    return { end };
  }

  private readEvents(cpg: Cpg): Promise<Error> {
    return this.ending(async () => {
      for await (const event of cpg.events()) {
        if (this.cpg !== cpg) return;
        if (event.type === 'message') this.handler.message(event, event.data);
        else if (event.type === 'membership') this.handler.membership(event.members);
        else if (event.type === 'ring') this.handler.ring(event.ringId);
        const room = this.handler.room?.() ?? null;
        if (room !== null) await room;
      }
    });
  }

  /** Closing gives up a connection that is being made, as the caller's signal does the first one. */
  private connectOptions(): ConnectOptions {
    const { signal } = this.options.connect;
    const closing = this.closed.signal;
    const again = this.wasOpen || signal === undefined;
    // One that is made again below would have its gaps to itself: this link reports them.
    const own: ReconnectingOptions = { ...this.options.connect, reconnect: false };
    return { ...own, signal: again ? closing : AbortSignal.any([signal, closing]) };
  }

  private async ending(run: () => Promise<void>): Promise<Error> {
    try {
      await run();
      return new ConnectionError('RONDO_CLOSED', 'the connection ended');
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  private disconnect(): void {
    this.cpg = null;
    for (const close of this.closers.splice(0)) close();
  }
}
