import { CsError, type CsStatus } from '../../lib/errors.ts';
import { failureText } from '../../lib/failure.ts';
import { type QuotaUser, UserQuota } from '../../lib/user-quota.ts';
import { type CallResult, type RequestOf, serve } from '../codec/call.ts';
import * as wire from '../codec/cfg.ts';
import { nameValue } from '../codec/fields.ts';
import { ServiceId } from '../codec/ids.ts';
import { messageNames, multicast, receive, tryMulticast } from '../codec/message.ts';
import { statusResponse } from '../codec/struct.ts';
import type { EngineConnection, MainEngineContext, RunningService, ServiceEngine } from '../engine.ts';
import type { Awaitable, CfgPorts, RingLinkReport } from './ports.ts';
import { reportRefusal, runReload } from './reload.ts';
import { ShutdownNegotiation } from './shutdown.ts';
import { nodeAddressesResponse, nodeStatusResponse, ringStatusResponse } from './status.ts';

/**
 * Reloads that local clients have asked for and that are not done. Each reads and judges the whole configuration, one after the other,
 * so what others have queued is what the next one waits for.
 */
const RELOAD_LIMITS = { perUser: 2, users: 8, all: 64 } as const;

/** Late responses in one go, in milliseconds. */
const RESPONDING_MS = 5;

type CfgCall = keyof typeof wire.CFG_CALLS;
type Message = keyof typeof wire.CFG_MESSAGES;

/** Service 1: status of nodes and links, kill, shutdown, reload (services.md 8). */
export class CfgEngine implements ServiceEngine<MainEngineContext, CfgCall, Message> {
  readonly serviceId = ServiceId.CFG;
  readonly name = 'cfg';
  readonly description = 'corosync configuration service';
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly calls = wire.CFG_CALLS;
  readonly messages = messageNames(wire.CFG_MESSAGES);
  readonly takesPartInSync = false;

  constructor(private readonly ports: CfgPorts) {}

  start(context: MainEngineContext): RunningService<CfgCall, Message> {
    return new CfgService(context, this.ports);
  }
}

const sent = (status: CsStatus | null): CsStatus | null => status;

class CfgService implements RunningService<CfgCall, Message> {
  private readonly shutdowns: ShutdownNegotiation;
  private readonly connections = new Map<bigint, EngineConnection>();
  /** Reloads run one after the other, in the order of the ring. */
  private reloads: Promise<void> = Promise.resolve();
  /** Connections that wait for a reload that they asked for, and their users. Kept until it is done, whether they wait or not. */
  private readonly waiting = new Map<bigint, QuotaUser>();
  private readonly reloadQuota = new UserQuota(RELOAD_LIMITS);
  /** Responses that are ready. */
  private readonly ready: (() => void)[] = [];
  /** Connections whose response comes later. */
  private readonly asking = new Set<bigint>();
  private latestRing: { readonly links: readonly RingLinkReport[]; readonly response: Uint8Array } | null = null;

  constructor(
    private readonly context: MainEngineContext,
    private readonly ports: CfgPorts,
  ) {
    this.shutdowns = new ShutdownNegotiation(context, () => multicast(context, wire.CFG_EXEC_SHUTDOWN));
  }

  connectionOpened(connection: EngineConnection): void {
    this.connections.set(BigInt(connection.id), connection);
    this.shutdowns.opened(connection);
  }

  connectionClosed(connection: EngineConnection): void {
    this.connections.delete(BigInt(connection.id));
    this.shutdowns.closed(connection);
  }

  // ---- requests ----

  readonly calls = serve(wire.CFG_CALLS, {
    ringStatus: (_, connection) =>
      this.later(
        'ringStatus',
        connection,
        () => this.ports.ringLinks(),
        (links) => this.ringStatus(links),
      ),
    ringReenable: () => CsError.NOT_SUPPORTED,
    killNode: (values) => this.killNode(values),
    tryShutdown: ({ flags }, connection) => this.shutdowns.tryShutdown(connection, flags),
    replyToShutdown: ({ response }, connection) => this.shutdowns.reply(connection, response !== 0),
    nodeAddresses: ({ nodeId }) => nodeAddressesResponse(nodeId === 0 ? this.context.nodeId : nodeId, this.ports),
    localGet: () => wire.CFG_LOCAL_GET_RESPONSE.ok({ nodeId: this.context.nodeId }),
    reload: (_, connection) => this.later('reload', connection, () => this.requestReload(connection), sent),
    reopenLogs: (_, connection) => this.later('reopenLogs', connection, () => this.ports.reopenLogs(), sent),
    nodeStatus: ({ nodeId, version }, connection) =>
      this.later(
        'nodeStatus',
        connection,
        () => this.ports.nodeReport(nodeId),
        (report) => nodeStatusResponse(nodeId, version, report),
      ),
    trackStart: (_, connection) => {
      this.shutdowns.trackStart(connection);
      return CsError.OK;
    },
    trackStop: (_, connection) => {
      this.shutdowns.trackStop(connection);
      return CsError.OK;
    },
  });

  /**
   * The response when the result is there, if the client still is. A library waits for it before it asks again; who does not gets
   * TRY_AGAIN, so that what is asked for and not there yet is bounded by the connections.
   */
  private later<T>(
    name: CfgCall,
    connection: EngineConnection,
    ask: () => Awaitable<T>,
    respond: (found: T) => CallResult,
  ): CallResult {
    const connectionId = BigInt(connection.id);
    if (this.asking.has(connectionId)) return CsError.TRY_AGAIN;
    const result = ask();
    if (!(result instanceof Promise)) return respond(result);
    this.asking.add(connectionId);
    const finish = (response: () => CallResult): void => {
      this.ready.push(() => {
        this.asking.delete(connectionId);
        const found = this.connections.has(connectionId) ? response() : null;
        const { id } = wire.CFG_CALLS[name].response;
        if (found !== null) connection.respond(typeof found === 'number' ? statusResponse(id, found) : found);
      });
      if (this.ready.length === 1) this.respondToSome();
    };
    result.then(
      (found) => finish(() => respond(found)),
      (error: unknown) => {
        const what = `${wire.CFG_CALLS[name].request.name}: ${failureText(error)}`;
        this.context.log('error', 'CFG', what, 'failed');
        finish(() => CsError.FAILED_OPERATION);
      },
    );
    return null;
  }

  /** One result may be for a thousand clients; others have their turn in between. */
  private respondToSome(): void {
    const end = this.context.nowMs() + RESPONDING_MS;
    for (let first = this.ready[0]; first !== undefined; first = this.ready[0]) {
      if (this.context.nowMs() > end) {
        this.context.setTimer(0, () => this.respondToSome());
        return;
      }
      first();
      this.ready.shift(); // after it: whoever adds one meanwhile leaves the work to this loop
    }
  }

  /** Many who ask at once get the same bytes. */
  private ringStatus(links: readonly RingLinkReport[]): Uint8Array {
    if (this.latestRing?.links !== links) this.latestRing = { links, response: ringStatusResponse(links) };
    return this.latestRing.response;
  }

  private killNode({ nodeId, reason }: RequestOf<typeof wire.CFG_CALLS.killNode>): CsStatus {
    if (this.context.cmap.getString(`runtime.members.${nodeId}.status`) !== 'joined') return CsError.NOT_EXIST;
    const text = { ...nameValue(reason.text), length: reason.length };
    multicast(this.context, wire.CFG_EXEC_KILL_NODE, { nodeId, reason: text });
    return CsError.OK;
  }

  private requestReload(connection: EngineConnection): Awaitable<CsStatus | null> {
    const { agreement } = this.ports;
    const id = BigInt(connection.id);
    const user = { uid: connection.euid, privileged: connection.euid === 0 };
    if (this.waiting.has(id) || !this.reloadQuota.tryTake(user)) return CsError.TRY_AGAIN;
    this.waiting.set(id, user);
    if (agreement === undefined) return this.sendReload(id);
    return agreement.running
      .then((running) => running.mayReload())
      .then((refusal) => {
        if (refusal === null) return this.sendReload(id);
        this.forgetReload(id);
        reportRefusal(this.context, refusal);
        return CsError.INVALID_PARAM;
      })
      .catch((error: unknown) => {
        this.forgetReload(id);
        throw error;
      });
  }

  private sendReload(connectionId: bigint): CsStatus | null {
    const source = { nodeId: this.context.nodeId, conn: connectionId };
    if (tryMulticast(this.context, wire.CFG_EXEC_RELOAD, { source })) return null;
    this.forgetReload(connectionId);
    return CsError.TRY_AGAIN;
  }

  /** It is done, or does not happen: the connection may ask again. */
  private forgetReload(connectionId: bigint): void {
    const user = this.waiting.get(connectionId);
    if (user === undefined) return;
    this.waiting.delete(connectionId);
    this.reloadQuota.give(user);
  }

  // ---- messages ----

  readonly messages = receive(wire.CFG_MESSAGES, {
    ringReenable: () => {},
    killNode: (values, nodeId) => {
      if (values.nodeId !== this.context.nodeId) return;
      this.context.log('notice', 'CFG', `Killed by node ${nodeId} : ${values.reason.text}`);
      this.ports.killed();
    },
    shutdown: (_, nodeId) => {
      this.context.log('notice', 'CFG', `Node ${nodeId} was shut down by sysadmin`);
      if (nodeId === this.context.nodeId) this.ports.shutdown();
    },
    reload: ({ source }, nodeId) => this.reloadDelivered(source.conn, nodeId),
    cryptoReconfigure: ({ phase }, nodeId) => {
      if (nodeId !== this.context.nodeId) return; // only the own one switches (8.5)
      // The transport switched when the ring thread delivered this; what is left is the second message.
      if (phase === wire.CryptoPhase.ACTIVATE) this.sendCryptoPhase(wire.CryptoPhase.CLEAN_UP);
    },
  });

  private sendCryptoPhase(phase: number): void {
    multicast(this.context, wire.CFG_EXEC_CRYPTO_RECONFIGURE, { phase });
  }

  /**
   * Stock reads its file and applies it before it looks at the next message, so what others send when they have applied theirs is judged
   * by the new configuration on every node. Here the file is read meanwhile, and what comes after the message waits.
   */
  private reloadDelivered(connectionId: bigint, nodeId: number): void {
    const release = this.ports.holdRing(`The reload that node ${nodeId} has requested`);
    this.context.log('notice', 'CFG', `Config reload requested by node ${nodeId}`);
    const requester = nodeId === this.context.nodeId ? connectionId : null;
    const reload = async (): Promise<void> => {
      const agreement = await this.ports.agreement?.running;
      const prepared = agreement?.takePrepared(nodeId) ?? null;
      const reloader = prepared === null ? this.ports.reloader : { prepare: () => prepared };
      const { status, cryptoChanged } = await runReload(this.context, reloader);
      if (cryptoChanged) this.sendCryptoPhase(wire.CryptoPhase.ACTIVATE);
      this.ports.reloadDone();
      if (requester === null) return;
      this.connections.get(requester)?.respond(wire.CFG_RELOAD_RESPONSE.message(status));
    };
    const ended = (): void => {
      release();
      if (requester !== null) this.forgetReload(requester);
    };
    this.reloads = this.reloads
      .then(reload)
      .finally(ended)
      .catch((error: unknown) => {
        this.context.log(
          'error',
          'CFG',
          `Reload ended early: ${error instanceof Error ? error.message : String(error)}`,
          'ended early',
        );
      });
  }
}
