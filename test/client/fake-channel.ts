import {
  type Channel,
  type ChannelHandler,
  type ChannelHook,
  OPEN_CHANNEL,
  type OpenChannel,
} from '../../src/client/channel.ts';
import type { ConnectOptions } from '../../src/client/session.ts';
import { messageId } from '../../src/services/codec/struct.ts';

/** Options with which a client uses this channel instead of the shared memory. */
export const over = <T extends object>(open: OpenChannel, options?: T): T & ConnectOptions & ChannelHook => ({
  ...(options ?? ({} as T)),
  [OPEN_CHANNEL]: open,
});

export type Responder = (request: Uint8Array, daemon: FakeDaemon) => Uint8Array | null;

/** A daemon in memory: responds to requests by a function, sends events when the test wants. */
export class FakeDaemon {
  readonly requests: Uint8Array[] = [];
  handler: ChannelHandler | null = null;
  paused = false;
  closed = false;
  /** What one-way requests get. */
  busy = false;
  /** Takes requests and does not respond: stopped, or hanging. */
  hung = false;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly respond: Responder) {}

  readonly open: OpenChannel = (_service, _options, handler) => {
    this.handler = handler;
    const channel: Channel = {
      call: async (request) => {
        this.requests.push(request);
        await Promise.resolve();
        if (this.closed) throw new Error('closed');
        if (this.hung) {
          return new Promise((_resolve, reject) => {
            this.waiting.push(() => reject(new Error('closed')));
          });
        }
        const response = this.respond(request, this);
        if (response === null) throw new Error(`no answer to request ${messageId(request)}`);
        return response;
      },
      tryPost: (request, tail = new Uint8Array(0)) => {
        if (this.busy) return false;
        this.requests.push(new Uint8Array(Buffer.concat([request, tail])));
        return true;
      },
      pauseEvents: () => {
        this.paused = true;
      },
      resumeEvents: () => {
        this.paused = false;
      },
      close: () => {
        this.closed = true;
        for (const reject of this.waiting.splice(0)) reject();
      },
    };
    return Promise.resolve(channel);
  };

  options<T extends object>(options?: T): T & ConnectOptions & ChannelHook {
    return over(this.open, options);
  }

  event(event: Uint8Array): void {
    this.handler?.event(event);
  }
}
