import {
  CsError,
  type EngineConnection,
  type EngineModuleOptions,
  type ExecFunction,
  type LibraryFunction,
  type MainEngineContext,
  type RingId,
  ringIdEquals,
  type ServiceEngine,
  type SyncHooks,
} from '../../api.ts';
import {
  decodeText,
  encodeText,
  KV_CHANGED,
  KV_DELETE,
  KV_EXEC_CHANGE,
  KV_EXEC_STATE,
  KV_GET,
  KV_LIST,
  KV_NAME,
  KV_PUT,
  KV_SERVICE_ID,
  KV_WATCH,
  kvAnswer,
} from './protocol.ts';
import { Replica } from './replica.ts';

/** The version of the interface that this module was written for. */
export const interfaceVersion = 2;
export const createEngine = (options: EngineModuleOptions): KvEngine => new KvEngine(options['quorum'] !== 'no');

/**
 * Example of a loadable engine: a key-value map that is the same on all nodes. Reads are answered at once from the local
 * copy; a write is answered when it comes back in the order of the ring. It shows every part of the interface: requests
 * with late answers, events, ordered messages, state transfer during sync, quorum, timers are not needed.
 */
export class KvEngine implements ServiceEngine<MainEngineContext> {
  readonly serviceId = KV_SERVICE_ID;
  readonly name = KV_NAME;
  readonly description = 'replicated key-value map';
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly library: readonly LibraryFunction[] = this.libraryFunctions();
  readonly exec: readonly ExecFunction[] = [
    { name: 'change', handle: (payload, nodeId) => this.changeDelivered(payload, nodeId) },
    { name: 'state', handle: (payload, nodeId) => this.stateDelivered(payload, nodeId) },
  ];
  readonly sync: SyncHooks = {
    init: (transitional, members, ringId) => this.syncInit(transitional, members, ringId),
    process: () => this.syncProcess(),
    activate: () => this.syncActivate(),
    abort: () => this.replica.forgetOffers(),
  };
  private readonly replica = new Replica();
  private context: MainEngineContext | null = null;
  private readonly watchers = new Set<EngineConnection>();
  private readonly waiting = new Map<number, EngineConnection>();
  private lastTicket = 0;
  /** What is still to be sent of the own snapshot; `null`: somebody else sends for our former ring. */
  private toSend: [string, string][] | null = null;
  private wasQuorate = false;
  private ringId: RingId = { rep: 0, seq: 0 };
  private members: readonly number[] = [];
  /** Members of the last round that was finished here: who of them came along has the same map. */
  private syncedMembers: readonly number[] = [];

  /** `needsQuorum`: writes are refused without quorum. */
  constructor(private readonly needsQuorum: boolean) {}

  start(context: MainEngineContext): void {
    this.context = context;
  }

  connectionClosed(connection: EngineConnection): void {
    this.watchers.delete(connection);
    for (const [ticket, waiting] of this.waiting) if (waiting === connection) this.waiting.delete(ticket);
  }

  // ---- requests ----

  private libraryFunctions(): readonly LibraryFunction[] {
    return [
      { name: 'put', flowControl: true, requestBytesMin: 24, handle: (c, request) => this.write(c, request, false) },
      {
        name: 'get',
        flowControl: false,
        requestBytesMin: 24,
        handle: (connection, request) => {
          const text = decodeText(request, 24, KV_GET.decodeChecked(request));
          const value = text === null ? undefined : this.replica.entries.get(text.key);
          const missing = text === null ? CsError.INVALID_PARAM : CsError.NOT_EXIST;
          connection.respond(value === undefined ? kvAnswer(missing) : kvAnswer(CsError.OK, text?.key ?? '', value));
        },
      },
      { name: 'delete', flowControl: true, requestBytesMin: 24, handle: (c, request) => this.write(c, request, true) },
      {
        name: 'list',
        flowControl: false,
        requestBytesMin: KV_LIST.bytes,
        handle: (connection) => {
          const keys = [...this.replica.entries.keys()].sort();
          connection.respond(kvAnswer(CsError.OK, '', JSON.stringify(keys)));
        },
      },
      {
        name: 'watch',
        flowControl: false,
        requestBytesMin: KV_WATCH.bytes,
        handle: (connection) => {
          this.watchers.add(connection);
          connection.respond(kvAnswer(CsError.OK));
        },
      },
    ];
  }

  private write(connection: EngineConnection, request: Uint8Array, isDelete: boolean): void {
    const sizes = (isDelete ? KV_DELETE : KV_PUT).decodeChecked(request);
    const text = decodeText(request, 24, sizes);
    if (text === null || this.context === null) {
      connection.respond(kvAnswer(CsError.INVALID_PARAM));
      return;
    }
    if (this.needsQuorum && !this.context.isQuorate()) {
      connection.respond(kvAnswer(CsError.NOT_SUPPORTED));
      return;
    }
    const ticket = ++this.lastTicket;
    const { keyBytes, valueBytes } = sizes;
    const fixed = { ticket, isDelete: isDelete ? 1 : 0, keyBytes, valueBytes };
    const message = KV_EXEC_CHANGE.message(fixed, request.slice(24, 24 + keyBytes + valueBytes));
    if (this.context.trySend(0, message)) this.waiting.set(ticket, connection);
    else connection.respond(kvAnswer(CsError.TRY_AGAIN));
  }

  // ---- messages, the same on all nodes ----

  private changeDelivered(payload: Uint8Array, nodeId: number): void {
    const fixed = KV_EXEC_CHANGE.decode(payload);
    const text = fixed === null ? null : decodeText(payload, KV_EXEC_CHANGE.bytes, fixed);
    if (fixed === null || text === null) return;
    const changed = this.replica.apply(text.key, fixed.isDelete !== 0 ? null : text.value);
    if (changed) this.tellWatchers([text.key]);
    if (nodeId !== this.context?.nodeId) return;
    const connection = this.waiting.get(fixed.ticket);
    this.waiting.delete(fixed.ticket);
    connection?.respond(kvAnswer(CsError.OK));
  }

  private tellWatchers(keys: readonly string[]): void {
    for (const key of keys) {
      const value = this.replica.entries.get(key);
      const text = encodeText(key, value ?? '');
      const event = KV_CHANGED.message(value === undefined ? CsError.NOT_EXIST : CsError.OK, text.sizes, text.tail);
      for (const watcher of this.watchers) watcher.dispatch(event);
    }
  }

  // ---- sync ----

  /**
   * The lowest node of each former ring sends that ring's map. A former ring is one whose sync was finished: in rounds
   * that were aborted nobody took over a map, so their members need not have the same.
   */
  private syncInit(transitional: readonly number[], members: readonly number[], ringId: RingId): void {
    const nodeId = this.context?.nodeId ?? 0;
    this.replica.forgetOffers();
    this.ringId = ringId;
    this.members = members;
    this.wasQuorate = this.context?.isQuorate() ?? false;
    const companions = transitional.filter((other) => this.syncedMembers.includes(other));
    this.toSend = Math.min(nodeId, ...companions) === nodeId ? [...this.replica.entries] : null;
  }

  private syncProcess(): boolean {
    const { context } = this;
    if (this.toSend === null || context === null) return true;
    const state = { ringId: this.ringId, version: this.replica.version, isQuorate: this.wasQuorate ? 1 : 0 };
    for (let next = this.toSend[0]; next !== undefined; next = this.toSend[0]) {
      const text = encodeText(...next);
      if (!context.trySend(1, KV_EXEC_STATE.message({ ...state, ...text.sizes }, text.tail))) return false;
      this.toSend.shift();
    }
    if (!context.trySend(1, KV_EXEC_STATE.message({ ...state, isEnd: 1 }))) return false;
    this.toSend = null;
    return true;
  }

  private stateDelivered(payload: Uint8Array, nodeId: number): void {
    const fixed = KV_EXEC_STATE.decode(payload);
    const text = fixed === null ? null : decodeText(payload, KV_EXEC_STATE.bytes, fixed);
    if (fixed === null || text === null || !ringIdEquals(fixed.ringId, this.ringId)) return;
    this.replica.offer(nodeId, fixed.version, fixed.isQuorate !== 0, fixed.isEnd !== 0 ? null : text);
  }

  private syncActivate(): void {
    const changed = this.replica.adopt();
    this.syncedMembers = this.members;
    this.context?.log('info', 'SERV', `kv: ${this.replica.entries.size} entries, version ${this.replica.version}`);
    this.tellWatchers(changed);
  }

  dump(): string {
    return `kv: ${this.replica.entries.size} entries, version ${this.replica.version}`;
  }
}
