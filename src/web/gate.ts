import { createServer, type Server, type Socket } from 'node:net';
import { closeFd, duplicateFd } from '../os/fd.ts';
import { WEB_LIMITS } from './limits.ts';

/**
 * Takes connections from a listening socket, not faster than the limits say. libuv accepts for as long as somebody comes, and a flood would
 * hold the loop: when the allowance is used up, the descriptor that the loop watches is closed, and a copy of it is watched again a moment
 * later. The socket itself stays: nobody else can take its address meanwhile, and who comes waits in the kernel.
 */
export class ConnectionGate {
  private server: Server | null = null;
  private timer: NodeJS.Timeout | null = null;
  private allowance: number = WEB_LIMITS.connectionsAtOnce;
  private sinceMs = performance.now();
  private readonly sockets = new Set<Socket>();
  private closed = false;

  /** @param fd listening; it is this object's from now on */
  constructor(
    private readonly fd: number,
    private readonly taken: (socket: Socket) => void,
    private readonly failed: (error: Error) => void,
  ) {}

  open(): void {
    const copy = duplicateFd(this.fd);
    if (copy < 0) {
      this.failed(new Error(`no descriptor for the listening socket (${copy})`));
      this.pause();
      return;
    }
    const server = createServer({ allowHalfOpen: false, pauseOnConnect: false }, (socket) => this.connected(socket));
    server.on('error', (error) => this.failed(error));
    server.listen({ fd: copy, backlog: WEB_LIMITS.backlog });
    this.server = server;
  }

  close(): void {
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.server?.close();
    this.server = null;
    for (const socket of this.sockets) socket.destroy();
    closeFd(this.fd);
  }

  private connected(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    const nowMs = performance.now();
    const earned = ((nowMs - this.sinceMs) / 1000) * WEB_LIMITS.connectionsPerSecond;
    this.allowance = Math.min(WEB_LIMITS.connectionsAtOnce, this.allowance + earned) - 1;
    this.sinceMs = nowMs;
    if (this.allowance < 0) this.pause();
    if (this.sockets.size >= WEB_LIMITS.connectionsMax) {
      socket.destroy();
      return;
    }
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    this.taken(socket);
  }

  /** Within the callback of a connection: libuv's loop over those that wait ends with its handle. */
  private pause(): void {
    if (this.closed || this.timer !== null) return;
    this.server?.close();
    this.server = null;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.open();
    }, WEB_LIMITS.pauseMs);
  }
}
