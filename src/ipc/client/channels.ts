import type { PeekResult } from '../../lib/qbring/reader.ts';

/** Messages of one direction, in order, read where they lie. */
export interface MessageReader {
  readonly u8: Uint8Array;
  /** The message in hand, after `peek` found one. */
  readonly offset: number;
  readonly length: number;
  readonly fault: string | null;
  peek(): PeekResult;
  /** Done with the message in hand. */
  reclaim(): void;
  /** Gives the room of what was reclaimed to the writer. */
  release(): number;
}

/** How the messages of a connection travel, seen from the client. */
export interface ClientChannels {
  readonly response: MessageReader;
  readonly event: MessageReader;
  /** What waiting events can take, in bytes. */
  readonly eventBytes: number;
  /** 0: open; 1: closed for all requests; 2: closed for multicasts (libqb-ipc.md 3.3). */
  flowControl(): number;
  /** A request, with its variable part behind it. `false`: there is no room now. */
  trySend(request: Uint8Array, tail: Uint8Array): boolean;
  /** Without bytes: calls when events have come. */
  onEvents(come: () => void): void;
  /** Without bytes: whether to look for events. */
  waitForEvents(on: boolean): void;
  /** Whether waiting for events keeps the process alive. */
  keepAlive(on: boolean): void;
  close(): void;
}
