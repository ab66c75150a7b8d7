import type { Channel, ChannelHandler, OpenChannel } from '../../src/client/channel.ts';
import { messageId } from '../../src/services/codec/struct.ts';

export type Answer = (request: Uint8Array, daemon: FakeDaemon) => Uint8Array | null;

/** A daemon in memory: answers requests by a function, sends events when told. */
export class FakeDaemon {
  readonly requests: Uint8Array[] = [];
  handler: ChannelHandler | null = null;
  paused = false;
  closed = false;
  /** What one-way requests get. */
  busy = false;

  constructor(private readonly answer: Answer) {}

  readonly open: OpenChannel = (_service, _options, handler) => {
    this.handler = handler;
    const channel: Channel = {
      call: async (request) => {
        this.requests.push(request);
        await Promise.resolve();
        const response = this.answer(request, this);
        if (response === null) throw new Error(`no answer to request ${messageId(request)}`);
        return response;
      },
      tryPost: (request) => {
        if (this.busy) return false;
        this.requests.push(request);
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
      },
    };
    return Promise.resolve(channel);
  };

  event(event: Uint8Array): void {
    this.handler?.event(event);
  }
}
