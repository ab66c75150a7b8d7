import { CsError } from '../../src/lib/errors.ts';
import type { ConfigurationChange } from '../../src/lib/ring-id.ts';
import { AGREEMENT_SERVICE_ID, type AgreementService, ReloadAgreement } from '../../src/services/cfg/agreement.ts';
import type { PreparedReload } from '../../src/services/cfg/ports.ts';
import { ShutdownNegotiation } from '../../src/services/cfg/shutdown.ts';
import {
  CFG_EXEC_RELOAD,
  CFG_EXEC_SHUTDOWN,
  CFG_TEST_SHUTDOWN,
  CFG_TRY_SHUTDOWN_RESPONSE,
  ShutdownFlag,
} from '../../src/services/codec/cfg.ts';
import { ServiceId } from '../../src/services/codec/ids.ts';
import { multicast, tryMulticast } from '../../src/services/codec/message.ts';
import { messageError, messageId } from '../../src/services/codec/struct.ts';
import type { EngineConnection, EngineTimer, MainEngineContext } from '../../src/services/engine.ts';
import { Outbox } from '../../src/services/host/outbox.ts';
import { configured } from '../../src/testing/fake-node.ts';
import { Group, type ProcessGroups } from '../../src/totem/index.ts';
import type { Agreements } from './agreements.ts';
import { simTimer } from './sim-timer.ts';

const CLIENTS_MAX = 4;
/** Of `cfg.shutdown_timeout`; the agreement's own is 15 s. */
const TIMEOUT_MS = 300;
/** How long a client thinks about it. */
const THINK_MS_MAX = 60;

/** What cfg of one node works with; the simulator's node implements it. */
export interface SimCfgHost {
  readonly nodeId: number;
  readonly groups: ProcessGroups;
  readonly agreements: Agreements;
  now(): number;
  /** In an event of the node, if it lives by then. */
  after(delayMs: number, run: () => void): void;
  syncInProgress(): boolean;
  /** The ring that it is in, and its members. */
  readonly ring: string;
  violation(text: string): void;
  /** The node leaves and ends. */
  shutdown(): void;
}

interface Session {
  readonly requester: SimCfgClient;
  readonly flags: number;
  readonly sinceMs: number;
  /** Nobody had to be asked: the response was the request's own, and the node goes. */
  decided: boolean;
}

/** A client program of cfg: it may be asked whether the node may go. */
class SimCfgClient implements EngineConnection {
  readonly pid = 1;
  readonly euid = 0;
  readonly egid = 0;
  context: unknown = null;
  /** Asked and has not said anything: `null`; not asked: `undefined`. */
  reply: boolean | null | undefined = undefined;
  tracking = false;
  open = true;
  responses: number[] = [];

  constructor(
    readonly id: number,
    private readonly asked: (client: SimCfgClient) => void,
  ) {}

  respond(message: Uint8Array): void {
    if (messageId(message) === CFG_TRY_SHUTDOWN_RESPONSE.id) this.responses.push(messageError(message));
  }

  dispatch(message: Uint8Array): void {
    if (messageId(message) === CFG_TEST_SHUTDOWN.id && messageError(message) === CsError.OK) this.asked(this);
  }

  disconnect(): void {}
}

/** Shutdown and reload of one node: the negotiation with its clients, and the agreement of all nodes. */
export class SimCfg {
  readonly agreement: AgreementService;
  readonly shutdowns: ShutdownNegotiation;
  /** Ballots of this node that have not come to an end. */
  open = 0;
  private readonly outbox: Outbox;
  private clients: SimCfgClient[] = [];
  private nextId = 1;
  /** The client that has asked for the end of the node and has not had a response, and how. */
  private session: Session | null = null;
  private ended = false;

  constructor(private readonly host: SimCfgHost) {
    const setTimer = (delayMs: number, callback: () => void): EngineTimer =>
      simTimer((ms, due) => this.host.after(ms, due), delayMs, callback);
    this.outbox = new Outbox({ mcast: (_fn: number, message) => host.groups.mcast(Group.SERVICES, message), setTimer });
    const context = this.contextOf(setTimer);
    this.agreement = new ReloadAgreement({ prepare: () => this.prepare() }).start(context(AGREEMENT_SERVICE_ID));
    const cfg = context(ServiceId.CFG);
    this.cfg = cfg;
    this.shutdowns = new ShutdownNegotiation(cfg, () => {
      this.checkShutdown();
      multicast(cfg, CFG_EXEC_SHUTDOWN);
    });
  }

  private readonly cfg: MainEngineContext;

  private contextOf(setTimer: MainEngineContext['setTimer']): (serviceId: number) => MainEngineContext {
    const { host, outbox } = this;
    const cmap = configured({ 'cfg.shutdown_timeout': TIMEOUT_MS });
    const withId = (serviceId: number, fn: number, payload: Uint8Array): Uint8Array => {
      const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
      view.setInt32(0, (serviceId << 16) | fn, true);
      view.setInt32(8, payload.length, true);
      return payload;
    };
    return (serviceId) => ({
      nodeId: host.nodeId,
      cmap,
      log: () => {},
      nowMs: () => host.now(),
      isQuorate: () => true,
      syncInProgress: () => host.syncInProgress(),
      send: (fn, payload) => outbox.send(fn, withId(serviceId, fn, payload)),
      trySend: (fn, payload) => outbox.trySend(fn, withId(serviceId, fn, payload)),
      flush: () => outbox.flush(),
      setTimer,
      track: () => {},
    });
  }

  // ---- reload: all nodes or none ----

  private prepare(): PreparedReload {
    return this.host.agreements.fileOf(this.host.nodeId);
  }

  requestReload(): void {
    const { ring } = this.host;
    this.open++;
    this.agreement.decide((refusal) => {
      this.open--;
      if (refusal !== null || this.host.ring !== ring) return; // who has agreed may be gone: nothing is promised then
      this.host.agreements.agreed(this.host.nodeId, ring);
      tryMulticast(this.cfg, CFG_EXEC_RELOAD, { source: { nodeId: this.host.nodeId, conn: 1n } });
    });
  }

  private reloadDelivered(from: number): void {
    const plan = this.agreement.takePrepared(from);
    if (plan instanceof Promise) throw new Error('the simulated file is read at once');
    const problem = this.host.agreements.applied(from, this.host.ring, plan);
    if (problem !== null) this.host.violation(`reload of ${from}: ${problem}`);
  }

  // ---- what the ring brings ----

  configurationChange(change: ConfigurationChange): void {
    this.agreement.configurationChange(change);
  }

  /** Returns whether it is one of these services' messages. */
  deliver(id: number, from: number, bytes: () => Uint8Array): boolean {
    const service = id >> 16;
    const fn = id & 0xffff;
    if (service === AGREEMENT_SERVICE_ID) {
      const name = (['hello', 'prepare', 'vote'] as const)[fn];
      if (name !== undefined) this.agreement.messages[name](bytes(), from);
      return true;
    }
    if (service !== ServiceId.CFG) return false;
    if (id === CFG_EXEC_RELOAD.id) this.reloadDelivered(from);
    else if (id === CFG_EXEC_SHUTDOWN.id && from === this.host.nodeId) this.end();
    return true;
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    this.host.shutdown();
  }

  // ---- shutdown: whoever wants to be asked is ----

  /** One random act of one client. */
  act(random: (low: number, high: number) => number): void {
    const client = this.clients[random(0, CLIENTS_MAX - 1)];
    const dice = random(0, 19);
    if (dice < 6 && this.clients.length < CLIENTS_MAX) this.connect(random);
    else if (client === undefined) return;
    else if (dice < 10 && client !== this.session?.requester) this.track(client);
    else if (dice < 12) this.close(client);
    else if (client === this.session?.requester)
      return; // its library waits for the response
    else if (dice < 13) this.untrack(client);
    else if (dice < 15) this.tryShutdown(client, random(0, 3) === 0 ? ShutdownFlag.REGARDLESS : ShutdownFlag.REQUEST);
  }

  private connect(random: (low: number, high: number) => number): void {
    const client = new SimCfgClient(this.nextId++, (asked) => {
      asked.reply = null;
      const silent = random(0, 9) === 0;
      const yes = random(0, 9) > 0;
      if (!silent) this.host.after(random(0, THINK_MS_MAX), () => this.reply(asked, yes));
    });
    this.clients.push(client);
    this.shutdowns.opened(client);
  }

  private reply(client: SimCfgClient, yes: boolean): void {
    if (!client.open || !client.tracking || client.reply !== null) return;
    client.reply = yes;
    this.shutdowns.reply(client, yes);
    this.checkSession();
  }

  private track(client: SimCfgClient): void {
    client.tracking = true;
    this.shutdowns.trackStart(client);
  }

  private untrack(client: SimCfgClient): void {
    client.tracking = false;
    client.reply = undefined;
    this.shutdowns.trackStop(client);
    this.checkSession();
  }

  private close(client: SimCfgClient): void {
    client.open = false;
    client.tracking = false;
    client.reply = undefined;
    this.clients = this.clients.filter((other) => other !== client);
    if (this.session?.requester === client) this.session = null;
    this.shutdowns.closed(client);
    this.checkSession();
  }

  private tryShutdown(client: SimCfgClient, flags: number): void {
    this.checkSession(); // it may have been timed out
    const before = this.session;
    if (before === null) for (const other of this.clients) if (other !== client) other.reply = undefined;
    if (before === null) this.session = { requester: client, flags, sinceMs: this.host.now(), decided: false };
    const status = this.shutdowns.tryShutdown(client, flags);
    if (before === null && this.session !== null) this.session.decided = status === CsError.OK;
    if (before !== null && status !== CsError.EXIST)
      this.host.violation(`a second request for a shutdown is answered with ${status}`);
    this.checkSession();
  }

  /** The node is about to go: everybody who was asked has agreed, has gone, or does not matter. */
  private checkShutdown(): void {
    const { session } = this;
    if (session === null || session.flags === ShutdownFlag.REGARDLESS) return;
    for (const client of this.clients)
      if (client !== session.requester && client.tracking && client.reply !== true)
        this.host.violation(
          `the node goes, and client ${client.id} was ${client.reply === false ? 'against it' : 'not waited for'}`,
        );
  }

  /** A request has its one response when it is decided. */
  private checkSession(): void {
    const { session } = this;
    if (session === null) return;
    const { responses } = session.requester;
    if (responses.length > 1) this.host.violation('two responses to one request for a shutdown');
    if (responses.length === 0) return;
    session.requester.responses = [];
    this.session = null;
  }

  /** Nothing is left of requests that are older than any reply takes. */
  checkEnd(): void {
    this.checkSession();
    if (this.session?.decided === false && this.host.now() - this.session.sinceMs > 2 * TIMEOUT_MS)
      this.host.violation('a request for a shutdown has no response');
  }
}
