import { assert } from '../../lib/assert.ts';
import { CsError, type CsStatus } from '../../lib/errors.ts';
import * as wire from '../codec/cfg.ts';
import { nameValue } from '../codec/fields.ts';
import { CfgFn, CfgResponse, ServiceId } from '../codec/ids.ts';
import { statusResponse } from '../codec/struct.ts';
import type { EngineConnection, ExecFunction, LibraryFunction, MainEngineContext, ServiceEngine } from '../engine.ts';
import type { Awaitable, CfgPorts } from './ports.ts';
import { reportRefusal, runReload } from './reload.ts';
import { ShutdownNegotiation } from './shutdown.ts';
import { nodeAddressesResponse, nodeStatusResponse, ringStatusResponse } from './status.ts';

type Handler = (connection: EngineConnection, request: Uint8Array) => Awaitable<Uint8Array | CsStatus | null>;

/** Service 1: status of nodes and links, kill, shutdown, reload (services.md 8). */
export class CfgEngine implements ServiceEngine<MainEngineContext> {
  readonly serviceId = ServiceId.CFG;
  readonly name = 'cfg';
  readonly description = 'corosync configuration service';
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly library: readonly LibraryFunction[] = this.libraryFunctions();
  readonly exec: readonly ExecFunction[] = this.execFunctions();
  private context: MainEngineContext | null = null;
  private negotiation: ShutdownNegotiation | null = null;
  private readonly connections = new Map<bigint, EngineConnection>();
  /** Reloads run one after the other, in the order of the ring. */
  private reloads: Promise<void> = Promise.resolve();

  constructor(private readonly ports: CfgPorts) {}

  start(context: MainEngineContext): void {
    this.context = context;
    this.negotiation = new ShutdownNegotiation(context, () =>
      this.running.send(CfgFn.SHUTDOWN, wire.CFG_EXEC_SHUTDOWN.message()),
    );
  }

  private get running(): MainEngineContext {
    assert(this.context !== null, 'cfg is used before its start');
    return this.context;
  }

  private get shutdowns(): ShutdownNegotiation {
    assert(this.negotiation !== null, 'cfg is used before its start');
    return this.negotiation;
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

  private libraryFunctions(): readonly LibraryFunction[] {
    /** A handler gives a whole response, a status, or `null` for an answer that comes from elsewhere. */
    const fn = (
      name: string,
      flowControl: boolean,
      requestBytesMin: number,
      responseId: number,
      handler: Handler,
    ): LibraryFunction => ({
      name,
      flowControl,
      requestBytesMin,
      handle: (connection, request) => {
        const answer = (result: Uint8Array | CsStatus | null): void => {
          if (result === null || !this.connections.has(BigInt(connection.id))) return;
          connection.respond(typeof result === 'number' ? statusResponse(responseId, result) : result);
        };
        const result = handler(connection, request);
        if (!(result instanceof Promise)) answer(result);
        else result.then(answer, (error) => this.answerFailed(name, error, answer));
      },
    });
    const addresses = (request: Uint8Array): number => {
      const { nodeId } = wire.CFG_NODE_ADDRESSES.decodeChecked(request);
      return nodeId === 0 ? this.running.nodeId : nodeId;
    };
    return [
      {
        ...fn('ring status', true, wire.CFG_RING_STATUS.bytes, CfgResponse.RING_STATUS, () => this.ringStatus()),
        // The library does not look at the status and reads the whole structure (services.md T15).
        rejection: (status) => wire.CFG_RING_STATUS_RESPONSE.message(status),
      },
      fn('ring re-enable', true, 16, CfgResponse.RING_REENABLE, () => CsError.NOT_SUPPORTED),
      fn('kill node', true, wire.CFG_KILL_NODE.bytes, CfgResponse.KILL_NODE, (_, request) => this.killNode(request)),
      fn('try shutdown', true, wire.CFG_TRY_SHUTDOWN.bytes, CfgResponse.TRY_SHUTDOWN, (connection, request) =>
        this.shutdowns.tryShutdown(connection, wire.CFG_TRY_SHUTDOWN.decodeChecked(request).flags),
      ),
      fn('reply to shutdown', true, 24, CfgResponse.REPLY_TO_SHUTDOWN, (connection, request) =>
        this.shutdowns.reply(connection, wire.CFG_REPLY_TO_SHUTDOWN.decodeChecked(request).response !== 0),
      ),
      fn('get node addresses', false, 24, CfgResponse.NODE_ADDRESSES, (_, request) =>
        nodeAddressesResponse(addresses(request), this.ports),
      ),
      fn('local get', false, 16, CfgResponse.LOCAL_GET, () =>
        wire.CFG_LOCAL_GET_RESPONSE.ok({ nodeId: this.running.nodeId }),
      ),
      fn('reload config', true, 16, CfgResponse.RELOAD, (connection) => this.requestReload(connection)),
      fn('reopen log files', false, 16, CfgResponse.REOPEN_LOGS, () => this.ports.reopenLogs()),
      fn('node status', false, wire.CFG_NODE_STATUS.bytes, CfgResponse.NODE_STATUS, (_, request) =>
        this.nodeStatus(request),
      ),
      fn('track start', true, wire.CFG_TRACK_START.bytes, CfgResponse.TRACK_START, (connection) => {
        this.shutdowns.trackStart(connection);
        return CsError.OK;
      }),
      fn('track stop', true, wire.CFG_TRACK_STOP.bytes, CfgResponse.TRACK_STOP, (connection) => {
        this.shutdowns.trackStop(connection);
        return CsError.OK;
      }),
    ];
  }

  private answerFailed(name: string, error: unknown, answer: (status: CsStatus) => void): void {
    this.running.log('error', 'CFG', `${name}: ${error instanceof Error ? error.message : String(error)}`, 'failed');
    answer(CsError.FAILED_OPERATION);
  }

  private ringStatus(): Awaitable<Uint8Array> {
    const links = this.ports.ringLinks();
    return links instanceof Promise ? links.then(ringStatusResponse) : ringStatusResponse(links);
  }

  private nodeStatus(request: Uint8Array): Awaitable<Uint8Array> {
    const { nodeId, version } = wire.CFG_NODE_STATUS.decodeChecked(request);
    const report = this.ports.nodeReport(nodeId);
    if (report instanceof Promise) return report.then((known) => nodeStatusResponse(nodeId, version, known));
    return nodeStatusResponse(nodeId, version, report);
  }

  private killNode(request: Uint8Array): CsStatus {
    const { nodeId, reason } = wire.CFG_KILL_NODE.decodeChecked(request);
    if (this.running.cmap.getString(`runtime.members.${nodeId}.status`) !== 'joined') return CsError.NOT_EXIST;
    const text = { ...nameValue(reason.text), length: reason.length };
    this.running.send(CfgFn.KILL_NODE, wire.CFG_EXEC_KILL_NODE.message({ nodeId, reason: text }));
    return CsError.OK;
  }

  private requestReload(connection: EngineConnection): Awaitable<CsStatus | null> {
    const { agreement } = this.ports;
    if (agreement === undefined) return this.sendReload(connection);
    return agreement.mayReload().then((refusal) => {
      if (refusal === null) return this.sendReload(connection);
      reportRefusal(this.running, refusal);
      return CsError.INVALID_PARAM;
    });
  }

  private sendReload(connection: EngineConnection): CsStatus | null {
    const source = { nodeId: this.running.nodeId, conn: BigInt(connection.id) };
    const sent = this.running.trySend(CfgFn.RELOAD, wire.CFG_EXEC_RELOAD.message({ source }));
    return sent ? null : CsError.TRY_AGAIN;
  }

  // ---- messages ----

  private execFunctions(): readonly ExecFunction[] {
    return [
      { name: 'ring re-enable', handle: () => {} },
      { name: 'kill node', handle: (payload, nodeId) => this.killDelivered(payload, nodeId) },
      {
        name: 'shutdown',
        handle: (_, nodeId) => {
          this.running.log('notice', 'CFG', `Node ${nodeId} was shut down by sysadmin`);
          if (nodeId === this.running.nodeId) this.ports.shutdown();
        },
      },
      { name: 'reload', handle: (payload, nodeId) => this.reloadDelivered(payload, nodeId) },
      {
        name: 'crypto reconfigure',
        handle: (payload, nodeId) => {
          const message = wire.CFG_EXEC_CRYPTO_RECONFIGURE.decode(payload);
          if (message === null || nodeId !== this.running.nodeId) return; // only the own one switches (8.5)
          // The transport switched when the ring thread delivered this; what is left is the second message.
          if (message.phase === wire.CryptoPhase.ACTIVATE) this.sendCryptoPhase(wire.CryptoPhase.CLEAN_UP);
        },
      },
    ];
  }

  private sendCryptoPhase(phase: number): void {
    this.running.send(CfgFn.CRYPTO_RECONFIGURE, wire.CFG_EXEC_CRYPTO_RECONFIGURE.message({ phase }));
  }

  private killDelivered(payload: Uint8Array, nodeId: number): void {
    const message = wire.CFG_EXEC_KILL_NODE.decode(payload);
    if (message === null || message.nodeId !== this.running.nodeId) return;
    this.running.log('notice', 'CFG', `Killed by node ${nodeId} : ${message.reason.text}`);
    this.ports.killed();
  }

  private reloadDelivered(payload: Uint8Array, nodeId: number): void {
    const message = wire.CFG_EXEC_RELOAD.decode(payload);
    if (message === null) return;
    this.running.log('notice', 'CFG', `Config reload requested by node ${nodeId}`);
    const requester = nodeId === this.running.nodeId ? message.source.conn : null;
    const reload = async (): Promise<void> => {
      const prepared = this.ports.agreement?.takePrepared(nodeId) ?? null;
      const reloader = prepared === null ? this.ports.reloader : { prepare: () => prepared };
      const { status, cryptoChanged } = await runReload(this.running, reloader);
      if (cryptoChanged) this.sendCryptoPhase(wire.CryptoPhase.ACTIVATE);
      this.ports.reloadDone();
      if (requester === null) return;
      this.connections.get(requester)?.respond(wire.CFG_RELOAD_RESPONSE.message(status));
    };
    this.reloads = this.reloads.then(reload).catch((error: unknown) => {
      this.running.log(
        'error',
        'CFG',
        `Reload ended early: ${error instanceof Error ? error.message : String(error)}`,
        'ended early',
      );
    });
  }
}
