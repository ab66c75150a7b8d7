import type { Channel, ChannelHandler } from '../client/channel.ts';
import { ServiceId } from '../services/codec/ids.ts';
import type { EngineConnection } from '../services/engine.ts';
import { CpgClientPort, type VirtualNode } from './virtual-node.ts';

const SERVICES: Readonly<Record<string, number>> = {
  cmap: ServiceId.CMAP,
  cpg: ServiceId.CPG,
  quorum: ServiceId.QUORUM,
  votequorum: ServiceId.VOTEQUORUM,
};

interface Call {
  readonly request: Uint8Array;
  readonly resolve: (response: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/** Client programs are told apart by these, as by the descriptors of their sockets. */
let lastId = 1_000_000;

/** One connection of a program to the daemon of its node: requests in order, events when the program is able to take them. */
export class VirtualConnection implements Channel, EngineConnection {
  readonly id = ++lastId;
  readonly pid = process.pid;
  readonly euid = 0;
  readonly egid = 0;
  context: unknown = null;
  private readonly calls: Call[] = [];
  private readonly events: Uint8Array[] = [];
  private readonly cpg: CpgClientPort | null;
  private readonly serviceId: number;
  private inFlight: Call | null = null;
  private eventsHeld = false;
  private open = true;

  /** @throws Error: there is no such service in a test cluster. */
  constructor(
    service: string,
    private readonly node: VirtualNode,
    private readonly handler: ChannelHandler,
    /** Something happened that lets the ring go on. */
    private readonly wake: () => void,
  ) {
    const serviceId = SERVICES[service];
    if (serviceId === undefined) throw new Error(`a test cluster has no service ${service}`);
    this.serviceId = serviceId;
    this.cpg = serviceId === ServiceId.CPG ? new CpgClientPort(node.cpg, this) : null;
    if (this.cpg === null) node.host.open(serviceId, this);
  }

  call(request: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (!this.open) {
        reject(new Error('the connection was closed'));
        return;
      }
      this.calls.push({ request: new Uint8Array(request), resolve, reject });
      this.serve();
    });
  }

  tryPost(request: Uint8Array, tail: Uint8Array = new Uint8Array(0)): boolean {
    if (!this.open || this.node.paused || this.cpg === null || this.inFlight !== null) return false;
    const taken = this.cpg.request(Buffer.concat([request, tail])) === 'done';
    this.wake();
    return taken;
  }

  /** Offers the requests that wait, and the events: after every step of the ring. */
  serve(): void {
    if (this.node.paused || !this.open) return;
    while (!this.eventsHeld && this.events.length > 0) this.handler.event(this.events.shift()!);
    const next = this.calls[0];
    if (next === undefined || this.inFlight !== null) return;
    this.inFlight = next;
    if (this.cpg === null) this.node.host.request(this.serviceId, this, next.request);
    else if (this.cpg.request(next.request) === 'wait') this.inFlight = null;
    this.wake();
  }

  respond(message: Uint8Array): void {
    const response = new Uint8Array(message);
    const call = this.inFlight;
    if (call === null) return;
    this.inFlight = null;
    this.calls.shift();
    call.resolve(response);
    this.wake();
  }

  dispatch(message: Uint8Array): void {
    this.events.push(new Uint8Array(message));
    this.wake();
  }

  pauseEvents(): void {
    this.eventsHeld = true;
  }

  resumeEvents(): void {
    this.eventsHeld = false;
    this.wake();
  }

  disconnect(reason: string): void {
    this.cut(new Error(reason));
  }

  close(): void {
    this.cut(null);
  }

  /** `died`: the daemon is gone with all that it knew. */
  cut(error: Error | null, died = false): void {
    if (!this.open) return;
    this.open = false;
    for (const { reject } of this.calls.splice(0)) reject(error ?? new Error('the connection was closed'));
    if (!died) {
      if (this.cpg === null) this.node.host.close(this.serviceId, this);
      else this.cpg.close();
    }
    this.handler.closed(error);
    this.wake();
  }

  get isOpen(): boolean {
    return this.open;
  }
}
