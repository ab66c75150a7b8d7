import { encodeErrorResponse } from '../../src/ipc/protocol.ts';
import type { HostedConnection, RequestVerdict, ServiceHandler } from '../../src/ipc/server/hosted-connection.ts';

export const TOY_NODE_ID = 42;
const FLOOD = 0xffffffff;

/** As much of cpg as a client needs to believe in it; every message comes back to all that joined. No ring behind it. */
export class ToyCpg implements ServiceHandler {
  readonly connections = new Set<HostedConnection>();
  readonly joined = new Map<HostedConnection, Uint8Array>();
  readonly received: number[] = [];
  opens = 0;
  closes = 0;

  opened(connection: HostedConnection): void {
    this.opens++;
    this.connections.add(connection);
  }

  closed(connection: HostedConnection): void {
    this.closes++;
    this.connections.delete(connection);
    this.joined.delete(connection);
  }

  request(connection: HostedConnection, request: Uint8Array): RequestVerdict {
    const view = new DataView(request.buffer, request.byteOffset, request.length);
    const id = view.getInt32(0, true);
    if (id === 2) {
      this.mcast(connection, request.subarray(40, 40 + view.getUint32(32, true)));
      return 'admitted';
    }
    if (id === 0) this.joined.set(connection, request.slice(16, 152));
    if (id === 4) {
      const response = new Uint8Array(32);
      response.set(encodeErrorResponse(7, 1));
      new DataView(response.buffer).setInt32(8, 32, true);
      new DataView(response.buffer).setUint32(24, TOY_NODE_ID, true);
      connection.respond(response);
      return 'admitted';
    }
    if (id < 0 || id > 12) {
      connection.respond(encodeErrorResponse(0, 7));
      return 'invalid';
    }
    connection.respond(encodeErrorResponse(id, 1));
    return 'admitted';
  }

  private mcast(from: HostedConnection, message: Uint8Array): void {
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    this.received.push(view.getUint32(0, true));
    if (view.getUint32(0, true) !== FLOOD) {
      this.deliver(from, message);
      return;
    }
    const bytes = view.getUint32(8, true);
    // Byte i of event n is n + i: each is a piece of the same row of bytes.
    const row = Uint8Array.from({ length: 256 + bytes }, (_, i) => i);
    for (let n = 0; n < view.getUint32(4, true); n++) {
      const event = row.slice(n & 255, (n & 255) + bytes);
      new DataView(event.buffer).setUint32(0, n, true);
      this.deliver(from, event);
    }
  }

  private deliver(from: HostedConnection, message: Uint8Array): void {
    const name = this.joined.get(from);
    if (name === undefined) return;
    const event = new Uint8Array(184 + message.length);
    event.set(encodeErrorResponse(5, 1));
    event.set(name, 24);
    event.set(message, 184);
    const view = new DataView(event.buffer);
    view.setInt32(8, event.length, true);
    view.setUint32(160, message.length, true);
    view.setUint32(168, TOY_NODE_ID, true);
    view.setUint32(176, from.pid, true);
    for (const connection of this.joined.keys()) connection.dispatch(event);
  }
}
