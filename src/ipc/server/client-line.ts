/**
 * What there is between a connection and its client besides the messages: news that there are some, and the end. A setup socket
 * (`SetupSocket`), or, for a client in this process, words in the memory of its rings (`local-connection.ts`).
 */
export interface ClientLine {
  /** Reports the client's end to whoever waits for descriptors; -1: there is none to wait for. */
  readonly fd: number;
  /** The client is gone. */
  readonly hungUp: boolean;
  /** An error that is no hang-up. */
  readonly error: string | null;
  /** News that could not be sent yet. */
  readonly outstanding: number;
  /** News that the client has sent or will send of requests already taken; negative: they came first. */
  readonly owed: number;
  /** A request was taken. */
  noteRequest(): void;
  /** Takes news without waiting for any: how many. */
  drain(): number;
  /** `count` events are visible; the news of them go out `writeMax` at a time. */
  notify(count: number, writeMax?: number): void;
  /** The client sees the end. */
  shutDown(): void;
  close(): void;
}
