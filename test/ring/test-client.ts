import { connect, type Socket } from 'node:net';
import { ClientRings } from '../../src/ipc/client/rings.ts';
import { exchangeSetup } from '../../src/ipc/client/setup.ts';
import { SocketInput } from '../../src/ipc/client/socket-input.ts';
import { socketDirectory, socketPath } from '../../src/ipc/names.ts';
import { CONNECTION_RESPONSE_BYTES, decodeConnectionResponse, isAccepted } from '../../src/ipc/protocol.ts';
import { Handshakes } from '../../src/ipc/server/handshakes.ts';
import type { IpcTransport } from '../../src/ipc/server/limits.ts';
import { IpcListener } from '../../src/ipc/server/listener.ts';
import { Peek } from '../../src/lib/qbring/reader.ts';
import { CPG_JOIN } from '../../src/services/codec/cpg.ts';
import { groupNameValue } from '../../src/services/codec/fields.ts';
import type { TestRing } from './ring-harness.ts';

/** The main thread's listener for CPG, which hands every client to the ring thread. */
export function listenForCpg(ring: TestRing, instance: string, transport: IpcTransport = 'shm'): IpcListener {
  let nextId = 1;
  return IpcListener.listen({
    service: 'cpg',
    serviceId: 2,
    instance,
    transport,
    nextConnectionId: () => nextId++,
    handshakes: new Handshakes(),
    authorize: () => 0,
    reserve: () => 0,
    release: () => {},
    prepare: () => 0,
    established: (client) => ring.send({ op: 'clientAttach', client }),
    refused: () => {},
    ignored: () => {},
  });
}

/** A client as fast as it gets: whole batches of requests, one write for all their bytes. */
export class RawCpgClient {
  events = 0;
  lastEventBytes = 0;
  closed = false;
  private constructor(
    readonly socket: Socket,
    readonly rings: ClientRings,
  ) {
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
    socket.resume();
  }

  static async connect(instance: string, messageBytesMax = 1 << 20): Promise<RawCpgClient> {
    const input = new SocketInput(CONNECTION_RESPONSE_BYTES);
    const socket = connect({ path: socketPath(`${instance}-cpg`, socketDirectory()), onread: input.onread });
    const response = decodeConnectionResponse(
      await exchangeSetup(socket, input, instance, messageBytesMax, { timeoutMs: 10_000 }),
    );
    if (typeof response === 'string' || !isAccepted(response)) throw new Error(`refused: ${JSON.stringify(response)}`);
    return new RawCpgClient(socket, new ClientRings(response, process.geteuid?.() ?? 0));
  }

  /** As many copies of the request as fit, at most `count`; returns how many. */
  post(request: Uint8Array, count: number): number {
    let posted = 0;
    while (posted < count && this.rings.request.tryWrite(request)) posted++;
    if (posted === 0) return 0;
    this.rings.request.publish();
    this.socket.write(Buffer.alloc(posted));
    return posted;
  }

  /** Reads all waiting events; `look` sees each in the ring. */
  take(look: (bytes: Uint8Array, offset: number, length: number) => void = () => {}): number {
    const { event } = this.rings;
    let count = 0;
    while (event.peek() === Peek.CHUNK) {
      this.lastEventBytes = event.length;
      look(event.u8, event.offset, event.length);
      event.reclaim();
      count++;
    }
    event.release();
    this.events += count;
    return count;
  }

  async call(request: Uint8Array): Promise<Uint8Array> {
    this.post(request, 1);
    const { response } = this.rings;
    const until = performance.now() + 10_000;
    while (response.peek() !== Peek.CHUNK) {
      if (performance.now() > until) throw new Error('no response');
      await new Promise(setImmediate);
    }
    const bytes = response.u8.slice(response.offset, response.offset + response.length);
    response.reclaim();
    response.release();
    return bytes;
  }

  async join(group: string): Promise<number> {
    const name = groupNameValue(new Uint8Array(Buffer.from(group)));
    const response = await this.call(CPG_JOIN.message({ group: name, pid: process.pid, flags: 0 }));
    return new DataView(response.buffer).getInt32(16, true);
  }

  close(): void {
    this.socket.destroy();
    this.rings.close();
  }
}
