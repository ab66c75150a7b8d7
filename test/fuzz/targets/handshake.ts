import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { socketName, socketPath } from '../../../src/ipc/names.ts';
import {
  decodeConnectionRequest,
  decodeConnectionResponse,
  encodeConnectionRequest,
} from '../../../src/ipc/protocol.ts';
import { IpcServer } from '../../../src/ipc/server/server.ts';
import { ToyCpg } from '../../ipc/toy-cpg.ts';
import { inputOf, step, stepsOf } from '../engine/records.ts';
import type { FuzzSubject } from '../engine/target.ts';

/** Steps: bytes to the setup socket in one piece; a pause in which the server sees them. */
const SEND = 0;
const WAIT = 1;
const KINDS = 2;
const INSTANCE = `fuzz${process.pid}`;
const SERVED_MS_MAX = 2_000;

let server: { readonly ipc: IpcServer; readonly toy: ToyCpg } | null = null;

function serving() {
  if (server === null) {
    const toy = new ToyCpg();
    const ipc = new IpcServer({ instance: INSTANCE, authorize: () => 0 });
    ipc.publish('cpg', 2, toy);
    server = { ipc, toy };
  }
  return server;
}

/** Ends the listener, or the process would wait for it. */
export function endHandshakes(): void {
  server?.ipc.close();
  server = null;
}

const request = (maxMessageBytes: number): Uint8Array => {
  const bytes = new Uint8Array(24);
  encodeConnectionRequest(new DataView(bytes.buffer), 0, maxMessageBytes);
  return bytes;
};

export const HANDSHAKE_SUBJECT: FuzzSubject = {
  name: 'handshake',
  what: 'what a client sends to the setup socket of a listening server, in pieces; the server lets go of everything when it has gone',
  kinds: KINDS,
  fields: () => [0, 4, 8, 12, 16, 20],
  seeds: () => [
    inputOf([step(SEND, request(1_048_576)), step(WAIT)]),
    inputOf([step(SEND, request(64)), step(WAIT), step(SEND, new Uint8Array(40)), step(WAIT)]),
    inputOf([step(SEND, request(0x7fff_ffff)), step(WAIT)]),
    inputOf([step(SEND, request(1).subarray(0, 10)), step(WAIT), step(SEND, request(1).subarray(10))]),
    inputOf([step(WAIT)]),
  ],
  run: async (input) => {
    const { ipc, toy } = serving();
    const socket = connect({ path: socketPath(socketName('cpg', INSTANCE), null) });
    let received = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
    });
    const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    socket.on('error', () => {});
    for (const { kind, bytes } of stepsOf(input).slice(0, 8)) {
      if (kind % KINDS === SEND && bytes.length > 0) {
        socket.write(bytes);
        if (bytes.length >= 24) decodeConnectionRequest(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0);
      } else await delay(1);
    }
    await delay(1);
    socket.destroy();
    await ended;
    const endMs = performance.now() + SERVED_MS_MAX;
    while (toy.connections.size > 0 || ipc.statistics.active > 0) {
      if (performance.now() > endMs) throw new Error(`${toy.connections.size} connections stay`);
      await delay(1);
    }
    const response = received.length === 0 ? 'nothing' : decodeConnectionResponse(received);
    return [
      `${received.length} bytes`,
      typeof response === 'string' ? response.slice(0, 20) : `error ${response.error}`,
    ];
  },
};
