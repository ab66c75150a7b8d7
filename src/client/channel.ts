/**
 * One IPC connection as this layer needs it: requests with responses in order, one-way requests, events.
 * The implementation over shared memory is `ipc-channel.ts`; tests have one in memory.
 */
export interface Channel {
  /** Sends a request and waits for its response, which belongs to the caller. Responses come in the order of the requests. */
  call(request: Uint8Array): Promise<Uint8Array>;
  /** Sends a request that has no response, with its variable part behind it. `false`: flow control or a full ring, nothing was sent. */
  tryPost(request: Uint8Array, tail?: Uint8Array): boolean;
  /** Stops and starts taking events; the daemon keeps what is not taken, up to its own limit. */
  pauseEvents(): void;
  resumeEvents(): void;
  /** Whether the open channel keeps the process alive. Left out: it never does. */
  keepAlive?(on: boolean): void;
  /** Idempotent. Pending calls fail. */
  close(): void;
}

export interface ChannelHandler {
  /** `event` is valid during the call only. */
  event(event: Uint8Array): void;
  /** Whether many of them wait for the program: what comes next is better taken in small portions. */
  isBehind?(): boolean;
  /** The connection ended; `null`: it was closed from here. Called once. */
  closed(error: Error | null): void;
}

/** Opens a channel to a service (`cpg`, `cmap`, …). */
export type OpenChannel = (service: string, options: ChannelOptions, handler: ChannelHandler) => Promise<Channel>;

export interface ChannelOptions {
  /** IPC instance of the daemon; empty: the stock names. */
  readonly instance: string;
  /** How long the set-up may take. */
  readonly timeoutMs: number;
  /** Gives the set-up up. */
  readonly signal?: AbortSignal;
}

/**
 * How tests put a channel of their own below a client: an option under this key, which the package does not export.
 */
export const OPEN_CHANNEL: unique symbol = Symbol.for('rondo.openChannel');

export interface ChannelHook {
  readonly [OPEN_CHANNEL]?: OpenChannel;
}
