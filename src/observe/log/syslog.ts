/** A datagram socket of the system's logger. `false`: the datagram was not taken. */
export interface SyslogSocket {
  send(datagram: Uint8Array): boolean;
  close(): void;
}

const encoder = new TextEncoder();

/** The system's logger, found again when it was restarted. */
export class SyslogDestination {
  private socket: SyslogSocket | null = null;
  private droppedCount = 0;

  /** `open` returns `null` when there is no logger. */
  constructor(private readonly open: () => SyslogSocket | null) {}

  /** Records that no logger took. */
  get dropped(): number {
    return this.droppedCount;
  }

  send(text: string): void {
    const datagram = encoder.encode(text);
    this.socket ??= this.open();
    if (this.socket?.send(datagram) === true) return;
    // The logger may be a new one behind the same path: try once more with a new socket.
    this.close();
    this.socket = this.open();
    if (this.socket?.send(datagram) === true) return;
    this.close();
    this.droppedCount++;
  }

  close(): void {
    this.socket?.close();
    this.socket = null;
  }
}
