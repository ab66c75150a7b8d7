import { CsError, type CsStatus } from '../../lib/errors.ts';
import { CFG_TEST_SHUTDOWN, CFG_TRY_SHUTDOWN_RESPONSE, ShutdownFlag } from '../codec/cfg.ts';
import type { EngineConnection, EngineTimer, MainEngineContext } from '../engine.ts';

const DEFAULT_TIMEOUT_MS = 5000;

interface Session {
  /** `null` once it was decided without a vote: the session then stays until the daemon ends, as in stock. */
  readonly requester: EngineConnection;
  readonly flags: number;
  yes: number;
  no: number;
  expected: number;
  timer: EngineTimer | null;
}

/** `null`: it was not asked in this session, so what it says to an earlier one does not count. */
type Vote = 'unknown' | 'yes' | 'no' | null;

/** What is known of one client. */
interface Client {
  tracking: boolean;
  vote: Vote;
  askedForShutdown: boolean;
}

function takeBack(session: Session, vote: Vote): void {
  if (vote === 'yes') session.yes--;
  if (vote === 'no') session.no--;
}

/** Who may object to a shutdown is asked first (services.md 8.4). */
export class ShutdownNegotiation {
  private readonly clients = new Map<EngineConnection, Client>();
  private session: Session | null = null;

  constructor(
    private readonly context: MainEngineContext,
    /** Multicasts the shutdown of this node. */
    private readonly multicast: () => void,
  ) {}

  opened(connection: EngineConnection): void {
    this.clients.set(connection, { tracking: false, vote: null, askedForShutdown: false });
  }

  closed(connection: EngineConnection): void {
    this.forget(connection);
    this.clients.delete(connection);
  }

  private clientOf(connection: EngineConnection): Client {
    let client = this.clients.get(connection);
    if (client === undefined) {
      client = { tracking: false, vote: null, askedForShutdown: false };
      this.clients.set(connection, client);
    }
    return client;
  }

  /** Status of the request, or `null` when the response comes later. */
  tryShutdown(connection: EngineConnection, flags: number): CsStatus | null {
    const requester = this.clientOf(connection);
    requester.askedForShutdown = true;
    if (flags === ShutdownFlag.IMMEDIATE) {
      this.multicast();
      return CsError.OK;
    }
    if (this.session !== null) return CsError.EXIST;
    const voters = [...this.clients].filter(([other, client]) => other !== connection && client.tracking);
    for (const client of this.clients.values()) client.vote = null;
    for (const [, client] of voters) client.vote = 'unknown';
    const session: Session = { requester: connection, flags, yes: 0, no: 0, expected: voters.length, timer: null };
    this.session = session;
    if (voters.length === 0) {
      this.multicast();
      return CsError.OK;
    }
    const timeoutMs = this.context.cmap.getU32('cfg.shutdown_timeout') ?? DEFAULT_TIMEOUT_MS;
    session.timer = this.context.setTimer(timeoutMs, () => this.timedOut(session));
    for (const [voter] of voters) this.ask(voter, CsError.OK, flags);
    return null;
  }

  private ask(connection: EngineConnection, status: CsStatus, flags: number): void {
    connection.dispatch(CFG_TEST_SHUTDOWN.message(status, { flags }));
  }

  private timedOut(session: Session): void {
    if (this.session !== session) return;
    session.timer = null;
    session.no = session.expected;
    this.evaluate();
    // Stock means to notify all trackers, but its filter lets only those through that asked for a shutdown (services.md T19).
    for (const [connection, client] of this.clients)
      if (client.tracking && client.askedForShutdown) this.ask(connection, CsError.TIMEOUT, session.flags);
  }

  reply(connection: EngineConnection, yes: boolean): CsStatus {
    const { session } = this;
    if (session === null) return CsError.ACCESS;
    const client = this.clientOf(connection);
    if (client.vote === null) return CsError.OK; // stock counts whatever comes, the requester's reply to an earlier request, too: somebody is not waited for then
    takeBack(session, client.vote);
    client.vote = yes ? 'yes' : 'no';
    if (yes) session.yes++;
    else session.no++;
    this.evaluate();
    return CsError.OK;
  }

  private evaluate(): void {
    const { session } = this;
    if (session === null || session.yes + session.no < session.expected) return;
    session.timer?.cancel();
    this.session = null;
    const agreed = session.yes >= session.expected || session.flags === ShutdownFlag.REGARDLESS;
    session.requester.respond(CFG_TRY_SHUTDOWN_RESPONSE.message(agreed ? CsError.OK : CsError.BUSY));
    if (agreed) this.multicast();
  }

  trackStart(connection: EngineConnection): void {
    const client = this.clientOf(connection);
    if (client.tracking) return;
    client.tracking = true;
    if (this.session === null) return;
    client.vote = 'unknown';
    this.session.expected++;
    this.ask(connection, CsError.OK, this.session.flags);
  }

  trackStop(connection: EngineConnection): void {
    this.forget(connection);
  }

  /** A client that disconnects agrees; a requester that disconnects takes its request along. */
  private forget(connection: EngineConnection): void {
    if (this.session?.requester === connection) {
      this.session.timer?.cancel();
      this.session = null;
    }
    const client = this.clients.get(connection);
    if (client === undefined || !client.tracking) return;
    client.tracking = false;
    const { session } = this;
    if (session === null) return;
    takeBack(session, client.vote);
    client.vote = 'yes';
    session.yes++;
    this.evaluate();
  }
}
