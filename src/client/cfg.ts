import { CsError } from '../lib/errors.ts';
import {
  CFG_CALLS,
  CFG_TEST_SHUTDOWN,
  NODE_ADDRESS_BYTES,
  NODE_STATUS_VERSION,
  ShutdownFlag,
} from '../services/codec/cfg.ts';
import { CfgResponse } from '../services/codec/ids.ts';
import { messageId } from '../services/codec/struct.ts';
import { addressText } from './address.ts';
import { checkedBoolean, checkedInteger, checkedText } from './arguments.ts';
import { Connection } from './connection.ts';
import { decodeOrFail } from './decode.ts';
import { ArgumentError, StateError } from './errors.ts';
import type { EventStream } from './event-stream.ts';
import type { StatusHints } from './reply.ts';
import { type CallOptions, type ConnectOptions, Session } from './session.ts';
import { WatchHub } from './watch-hub.ts';

/** One link of the local node, as the transport sees it. */
export interface LocalLink {
  readonly linkId: number;
  readonly address: string;
  /** `OK` on udp and udpu; on knet one character per node, ascending: `n` this node, `3` up, `1` down. */
  readonly status: string;
}

export interface NodeLink {
  readonly linkId: number;
  readonly enabled: boolean;
  readonly connected: boolean;
  readonly dynamic: boolean;
  readonly mtu: number;
  readonly source: string;
  readonly destination: string;
}

export interface NodeStatus {
  readonly nodeId: number;
  readonly reachable: boolean;
  readonly remote: boolean;
  readonly external: boolean;
  readonly onwire: { readonly min: number; readonly max: number; readonly current: number };
  /** Links that are in use. */
  readonly links: readonly NodeLink[];
}

/** Another program wants the daemon to stop; `reply(false)` objects. */
export interface ShutdownRequest {
  readonly regardless: boolean;
  reply(agree: boolean, options?: CallOptions): Promise<void>;
}

const KILL_REASON_BYTES_MAX = 255;
const KILL_HINTS: StatusHints = { [CsError.NOT_EXIST]: 'It is not a member of the ring' };
const SHUTDOWN_FLAGS = {
  ask: ShutdownFlag.REQUEST,
  regardless: ShutdownFlag.REGARDLESS,
  immediate: ShutdownFlag.IMMEDIATE,
} as const;
const SHUTDOWN_HINTS: StatusHints = {
  [CsError.BUSY]: 'A program that was asked objected',
  [CsError.EXIST]: 'Programs are being asked already',
};

/**
 * Configuration control: status of links and nodes, reload, shutdown.
 *
 * ```ts
 * const cfg = await Cfg.connect();
 * for (const link of await cfg.links()) console.log(link.linkId, link.address, link.status);
 * await cfg.reload();
 * ```
 */
export class Cfg extends Connection {
  private readonly hub: WatchHub<ShutdownRequest>;
  private shutdowns: EventStream<ShutdownRequest> | 'starting' | null = null;

  private constructor(protected override readonly session: Session) {
    super();
    this.hub = new WatchHub<ShutdownRequest>(session, {
      start: () => session.call(CFG_CALLS.trackStart, {}, 'cfg: listening for shutdown requests'),
      stop: () => session.call(CFG_CALLS.trackStop, {}, 'cfg: no longer listening for shutdown requests'),
      kindOf: null,
      asCurrent: (request) => request,
    });
  }

  static async connect(options: ConnectOptions = {}): Promise<Cfg> {
    let cfg: Cfg | null = null;
    const session = await Session.open('cfg', options, (event) => cfg?.take(event));
    cfg = new Cfg(session);
    return cfg;
  }

  async localNodeId(options: CallOptions = {}): Promise<number> {
    return (await this.session.call(CFG_CALLS.localGet, {}, 'cfg: local node id', options)).nodeId;
  }

  /** Links of the local node. */
  async links(options: CallOptions = {}): Promise<LocalLink[]> {
    const status = await this.session.call(CFG_CALLS.ringStatus, {}, 'cfg: link status', options);
    const { interfaceCount, names, statuses } = status;
    return names.slice(0, interfaceCount).map((name, index) => {
      const [link = '', address = ''] = name.split(' ', 2);
      return { linkId: Number(link), address, status: statuses[index] ?? '' };
    });
  }

  /** How this node sees another one. @throws CsStatusError FAILED_OPERATION: the transport does not know the node. */
  async nodeStatus(nodeId: number, options: CallOptions = {}): Promise<NodeStatus> {
    const values = { nodeId: checkedInteger(nodeId, 'a node id'), version: NODE_STATUS_VERSION };
    const status = await this.session.call(CFG_CALLS.nodeStatus, values, `cfg: status of node ${nodeId}`, options);
    return {
      nodeId: status.nodeId,
      reachable: status.reachable !== 0,
      remote: status.remote !== 0,
      external: status.external !== 0,
      onwire: { min: status.onwireMin, max: status.onwireMax, current: status.onwireVersion },
      links: status.links.flatMap((link, linkId) =>
        link.enabled === 0
          ? []
          : [
              {
                linkId,
                enabled: true,
                connected: link.connected !== 0,
                dynamic: link.dynconnected !== 0,
                mtu: link.mtu,
                source: link.source,
                destination: link.destination,
              },
            ],
      ),
    };
  }

  /** Addresses of a node's links; 0 = the local node. @throws CsStatusError NOT_EXIST. */
  async nodeAddresses(nodeId = 0, options: CallOptions = {}): Promise<string[]> {
    const values = { nodeId: checkedInteger(nodeId, 'a node id') };
    const reply = await this.session.exchange(CFG_CALLS.nodeAddresses, values, options);
    const { family, count } = reply.requireOk(`cfg: addresses of node ${nodeId}`).values;
    const bytes = reply.tailBytes(count * NODE_ADDRESS_BYTES);
    return Array.from({ length: count }, (_, index) =>
      addressText(family, bytes.subarray(index * NODE_ADDRESS_BYTES, (index + 1) * NODE_ADDRESS_BYTES)),
    );
  }

  /** Every node reads its configuration file again. The result is the local node's. @throws CsStatusError INVALID_PARAM. */
  async reload(options: CallOptions = {}): Promise<void> {
    await this.session.call(CFG_CALLS.reload, {}, 'cfg: reloading the configuration', options);
  }

  async reopenLogs(options: CallOptions = {}): Promise<void> {
    await this.session.call(CFG_CALLS.reopenLogs, {}, 'cfg: opening the log files again', options);
  }

  /** Makes a node end at once. @throws CsStatusError NOT_EXIST: it is no member. */
  async killNode(nodeId: number, reason: string, options: CallOptions = {}): Promise<void> {
    checkedInteger(nodeId, 'a node id', 1);
    const text = Buffer.from(checkedText(reason, 'the reason')).toString('latin1');
    if (text.length > KILL_REASON_BYTES_MAX)
      throw new ArgumentError(`the reason has more than ${KILL_REASON_BYTES_MAX} bytes`);
    const values = { nodeId, reason: { length: text.length + 1, text } };
    const details = { ...options, hints: KILL_HINTS };
    await this.session.call(CFG_CALLS.killNode, values, `cfg: killing node ${nodeId}`, details);
  }

  /**
   * Stops the local daemon in order. `ask` (default): programs that listen for it may object; `regardless`: they are
   * asked and cannot; `immediate`: nobody is asked. @throws CsStatusError BUSY: somebody objected; EXIST: it is being asked.
   */
  async shutdown(how: 'ask' | 'regardless' | 'immediate' = 'ask', options: CallOptions = {}): Promise<void> {
    if (!Object.hasOwn(SHUTDOWN_FLAGS, how))
      throw new ArgumentError(`'${String(how)}' is no way to shut down`, 'There are ask, regardless and immediate');
    const details = { ...options, hints: SHUTDOWN_HINTS };
    await this.session.call(CFG_CALLS.tryShutdown, { flags: SHUTDOWN_FLAGS[how] }, 'cfg: shutting down', details);
  }

  /**
   * Asks to be asked: requests of others to stop the daemon. Each must be answered in time (5 s by default), so a connection has
   * one such loop at a time; when it ends, or its signal fires, nobody waits for this program any more.
   *
   * @throws StateError ONE_READER: there is one already.
   */
  async shutdownRequests(options: CallOptions = {}): Promise<AsyncIterableIterator<ShutdownRequest>> {
    const { shutdowns } = this;
    if (shutdowns === 'starting' || (shutdowns !== null && !shutdowns.done)) {
      throw new StateError('RONDO_ONE_READER', 'cfg: shutdown requests are being read already', 'Open another Cfg');
    }
    this.shutdowns = 'starting';
    try {
      const stream = await this.hub.watch(options);
      this.shutdowns = stream;
      return stream;
    } catch (error) {
      this.shutdowns = null;
      throw error;
    }
  }

  private take(event: Uint8Array): void {
    if (messageId(event) !== CfgResponse.TEST_SHUTDOWN) return;
    const { flags } = decodeOrFail(CFG_TEST_SHUTDOWN, event);
    this.hub.push({
      regardless: flags === ShutdownFlag.REGARDLESS,
      reply: async (agree, options = {}) => {
        const response = checkedBoolean(agree, 'the reply') ? 1 : 0;
        await this.session.call(
          CFG_CALLS.replyToShutdown,
          { response },
          'cfg: replying to a shutdown request',
          options,
        );
      },
    });
  }
}
