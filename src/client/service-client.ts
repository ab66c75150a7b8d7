import type { Call } from '../services/codec/call.ts';
import type { Fields, Values } from '../services/codec/struct.ts';
import { checkedText } from './arguments.ts';
import { Connection } from './connection.ts';
import type { Reply, StatusHints } from './reply.ts';
import { type CallOptions, type ConnectOptions, Session } from './session.ts';
import { SharedEvents } from './shared-events.ts';

/** What a call of an engine of one's own may carry besides its fields. */
export interface ServiceCallOptions extends CallOptions {
  /** The variable part of the request. */
  readonly tail?: Uint8Array;
  /** What a user can do about a status, by its number; ends the message of the error. */
  readonly hints?: StatusHints;
}

/** Events that wait here before the daemon keeps them. */
const QUEUE_BYTES = 8 << 20;
const EVENT_OVERHEAD_BYTES = 64;

/**
 * A connection to a service engine of one's own (docs/service-engines.md), with its tables of calls.
 *
 * ```ts
 * const client = await ServiceClient.connect('locks');
 * const { token } = await client.call(LOCKS_CALLS.acquire, { name: 'backup' });
 * ```
 */
export class ServiceClient extends Connection {
  protected override session!: Session;
  private readonly stream: SharedEvents<Uint8Array>;

  private constructor(private readonly service: string) {
    super();
    this.stream = new SharedEvents(QUEUE_BYTES, {
      hold: (stream) => this.session.hold(stream),
      release: (stream) => this.session.release(stream),
    });
  }

  /** @throws ConnectionError RONDO_NOT_RUNNING: no daemon, or none with this engine. */
  static async connect(service: string, options: ConnectOptions = {}): Promise<ServiceClient> {
    const client = new ServiceClient(checkedText(service, 'the service'));
    client.session = await Session.open(service, options, (event) => {
      client.stream.push(new Uint8Array(event), EVENT_OVERHEAD_BYTES + event.length);
    });
    client.session.register(client.stream);
    return client;
  }

  /**
   * What the response carries. TRY_AGAIN is repeated, as everywhere (`tryAgainMs`).
   *
   * @throws CsStatusError: the engine's status is another one than OK.
   */
  async call<Q extends Fields, A extends Fields>(
    call: Call<Q, A>,
    values: Partial<Values<Q>>,
    options: ServiceCallOptions = {},
  ): Promise<Values<A>> {
    return (await this.exchange(call, values, options)).requireOk(this.what(call), options.hints).values;
  }

  /** The response as it is, whatever its status: `status`, `values`, and its variable part. */
  exchange<Q extends Fields, A extends Fields>(
    call: Call<Q, A>,
    values: Partial<Values<Q>>,
    options: ServiceCallOptions = {},
  ): Promise<Reply<A>> {
    return this.session.exchange(call, values, options);
  }

  /** What the engine dispatched, whole messages, in order. One reader at a time; a later loop goes on where the one before it ended. */
  events(options: CallOptions = {}): AsyncIterableIterator<Uint8Array> {
    return this.stream.loop(options.signal);
  }

  /** Everything from now on, for any number of readers at a time; see `Cpg.watch`. */
  watch(options: CallOptions = {}): AsyncIterableIterator<Uint8Array> {
    return this.stream.watch(options.signal);
  }

  private what(call: Call): string {
    return `${this.service}: ${call.request.name}`;
  }
}
