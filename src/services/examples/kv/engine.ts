import {
  CsError,
  type EngineConnection,
  type EngineModuleOptions,
  type MainEngineContext,
  messageNames,
  type RingId,
  type RunningService,
  receive,
  ringIdEquals,
  type ServiceEngine,
  type SyncHooks,
  serve,
  tryMulticast,
  type ValuesOf,
} from '../../api.ts';
import {
  decodeText,
  encodeText,
  KV_CALLS,
  KV_CHANGED,
  KV_EXEC_CHANGE,
  KV_EXEC_STATE,
  KV_GET,
  KV_MESSAGES,
  KV_NAME,
  KV_PUT,
  KV_SERVICE_ID,
  kvResponse,
  type Text,
} from './protocol.ts';
import { Replica } from './replica.ts';

type KvCall = keyof typeof KV_CALLS;
type KvMessage = keyof typeof KV_MESSAGES;

/** The version of the interface that this module was written for. */
export const interfaceVersion = 2;
export const createEngine = (options: EngineModuleOptions): KvEngine => new KvEngine(options['quorum'] !== 'no');

/**
 * Example of a loadable engine: a key-value map that is the same on all nodes. Reads get their response at once from the local
 * copy; a write gets it when it comes back in the order of the ring. It shows every part of the interface: requests
 * with late responses, events, ordered messages, state transfer during sync, quorum, timers are not needed.
 */
export class KvEngine implements ServiceEngine<MainEngineContext, KvCall, KvMessage> {
  readonly serviceId = KV_SERVICE_ID;
  readonly name = KV_NAME;
  readonly description = 'replicated key-value map';
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly calls = KV_CALLS;
  readonly messages = messageNames(KV_MESSAGES);
  readonly takesPartInSync = true;

  /** `needsQuorum`: writes are refused without quorum. */
  constructor(private readonly needsQuorum: boolean) {}

  start(context: MainEngineContext): RunningService<KvCall, KvMessage> {
    return new KvService(context, this.needsQuorum);
  }
}

class KvService implements RunningService<KvCall, KvMessage> {
  readonly calls = serve(KV_CALLS, {
    put: (sizes, connection, request) => this.write(connection, request, sizes, false),
    get: (sizes, _, request) => {
      const text = decodeText(request, KV_GET.bytes, sizes);
      const value = text === null ? undefined : this.replica.entries.get(text.key);
      const missing = text === null ? CsError.INVALID_PARAM : CsError.NOT_EXIST;
      return value === undefined ? kvResponse(missing) : kvResponse(CsError.OK, text?.key ?? '', value);
    },
    delete: (sizes, connection, request) => this.write(connection, request, sizes, true),
    list: () => kvResponse(CsError.OK, '', JSON.stringify([...this.replica.entries.keys()].sort())),
    watch: (_, connection) => {
      this.watchers.add(connection);
      return kvResponse(CsError.OK);
    },
  });
  readonly messages = receive(KV_MESSAGES, {
    change: (fixed, nodeId, payload) => this.changeDelivered(fixed, nodeId, payload),
    state: (fixed, nodeId, payload) => this.stateDelivered(fixed, nodeId, payload),
  });
  readonly sync: SyncHooks = {
    init: (transitional, members, ringId) => this.syncInit(transitional, members, ringId),
    process: () => this.syncProcess(),
    activate: () => this.syncActivate(),
    abort: () => this.replica.forgetOffers(),
  };
  private readonly replica = new Replica();
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

  constructor(
    private readonly context: MainEngineContext,
    private readonly needsQuorum: boolean,
  ) {}

  connectionClosed(connection: EngineConnection): void {
    this.watchers.delete(connection);
    for (const [ticket, waiting] of this.waiting) if (waiting === connection) this.waiting.delete(ticket);
  }

  // ---- requests ----

  /** The response, or `null`: it comes with the change. */
  private write(
    connection: EngineConnection,
    request: Uint8Array,
    sizes: Text['sizes'],
    isDelete: boolean,
  ): Uint8Array | null {
    const text = decodeText(request, KV_PUT.bytes, sizes);
    if (text === null) return kvResponse(CsError.INVALID_PARAM);
    if (this.needsQuorum && !this.context.isQuorate()) return kvResponse(CsError.NOT_SUPPORTED);
    const ticket = ++this.lastTicket;
    const { keyBytes, valueBytes } = sizes;
    const fixed = { ticket, isDelete: isDelete ? 1 : 0, keyBytes, valueBytes };
    const tail = request.slice(KV_PUT.bytes, KV_PUT.bytes + keyBytes + valueBytes);
    if (!tryMulticast(this.context, KV_EXEC_CHANGE, fixed, tail)) return kvResponse(CsError.TRY_AGAIN);
    this.waiting.set(ticket, connection);
    return null;
  }

  // ---- messages, the same on all nodes ----

  private changeDelivered(fixed: ValuesOf<typeof KV_EXEC_CHANGE>, nodeId: number, payload: Uint8Array): void {
    const text = decodeText(payload, KV_EXEC_CHANGE.bytes, fixed);
    if (text === null) return;
    const changed = this.replica.apply(text.key, fixed.isDelete !== 0 ? null : text.value);
    if (changed) this.notifyWatchers([text.key]);
    if (nodeId !== this.context.nodeId) return;
    const connection = this.waiting.get(fixed.ticket);
    this.waiting.delete(fixed.ticket);
    connection?.respond(kvResponse(CsError.OK));
  }

  private notifyWatchers(keys: readonly string[]): void {
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
    const nodeId = this.context.nodeId;
    this.replica.forgetOffers();
    this.ringId = ringId;
    this.members = members;
    this.wasQuorate = this.context.isQuorate();
    const companions = transitional.filter((other) => this.syncedMembers.includes(other));
    this.toSend = Math.min(nodeId, ...companions) === nodeId ? [...this.replica.entries] : null;
  }

  private syncProcess(): boolean {
    const { context } = this;
    if (this.toSend === null) return true;
    const state = { ringId: this.ringId, version: this.replica.version, isQuorate: this.wasQuorate ? 1 : 0 };
    for (let next = this.toSend[0]; next !== undefined; next = this.toSend[0]) {
      const text = encodeText(...next);
      if (!tryMulticast(context, KV_EXEC_STATE, { ...state, ...text.sizes }, text.tail)) return false;
      this.toSend.shift();
    }
    if (!tryMulticast(context, KV_EXEC_STATE, { ...state, isEnd: 1 })) return false;
    this.toSend = null;
    return true;
  }

  private stateDelivered(fixed: ValuesOf<typeof KV_EXEC_STATE>, nodeId: number, payload: Uint8Array): void {
    const text = decodeText(payload, KV_EXEC_STATE.bytes, fixed);
    if (text === null || !ringIdEquals(fixed.ringId, this.ringId)) return;
    this.replica.offer(nodeId, fixed.version, fixed.isQuorate !== 0, fixed.isEnd !== 0 ? null : text);
  }

  private syncActivate(): void {
    const changed = this.replica.adopt();
    this.syncedMembers = this.members;
    this.context.log('info', 'SERV', `kv: ${this.replica.entries.size} entries, version ${this.replica.version}`);
    this.notifyWatchers(changed);
  }

  dump(): string {
    return `kv: ${this.replica.entries.size} entries, version ${this.replica.version}`;
  }
}
