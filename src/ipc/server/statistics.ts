/** Counters of one connection: what `stats.ipcs.service<id>.<pid>.<pointer>.*` shows (libqb-ipc.md 4.8). Plain numbers, so that counting is free. */
export class ConnectionStatistics {
  requests = 0;
  responses = 0;
  /** Events put in the ring. */
  dispatched = 0;
  /** The event or response ring was full. */
  sendRetries = 0;
  /** A wake-up found no request. */
  recvRetries = 0;
  flowControl = 0;
  flowControlCount = 0;
  /** Events are waiting in memory because the ring is full. */
  queueing = false;
  /** How many wait. */
  queued = 0;
  /** Events sent since queueing last began or ended. */
  sent = 0;
  invalidRequest = 0;
  overload = 0;
  /** Datagrams that others sent in the client's place. */
  strangers = 0;
  /** Times that the client's byte woke the ring thread, and looks at its ring while its bytes do not. */
  wakes = 0;
  looks = 0;
  /** Its bytes do not wake the ring thread at present. */
  moderated = false;

  /** `stats.clear.ipc`; what describes the present state stays. */
  clear(): void {
    this.requests = 0;
    this.responses = 0;
    this.dispatched = 0;
    this.sendRetries = 0;
    this.recvRetries = 0;
    this.flowControlCount = 0;
    this.sent = 0;
    this.invalidRequest = 0;
    this.overload = 0;
    this.wakes = 0;
    this.looks = 0;
  }
}

/** `stats.ipcs.global.*` and what went wrong, by name. */
export class ServerStatistics {
  active = 0;
  closed = 0;
  /** Handshakes and connections that were ended for a reason, by reason. */
  readonly reasons = new Map<string, number>();

  count(reason: string): void {
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
  }

  clear(): void {
    this.closed = 0;
    this.reasons.clear();
  }
}
