import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type ConnectionLimits, Connections, placeOf } from '../../src/arbiter/qnetd/connections.ts';
import { QnetFramer } from '../../src/qnet/framer.ts';
import { QnetMessageType, ReplyError } from '../../src/qnet/ids.ts';
import { decodeQnet, encodeQnet, QNET_HEADER_BYTES, type QnetMessage } from '../../src/qnet/messages.ts';
import { SETTINGS } from '../qnet/arbiter-harness.ts';

const LIMITS: ConnectionLimits = {
  clientsMax: 4,
  perAddressMax: 3,
  handshakeMs: 20_000,
  tlsPerSecond: 200,
  tlsPerAddressPerSecond: 8,
  sendMessagesMax: 32,
  backlog: 16,
  watchesClients: true,
  silenceFactor: 1.5,
};

class Client {
  readonly got: QnetMessage[] = [];
  closed = false;

  private constructor(readonly socket: Socket) {
    const framer = new QnetFramer(1 << 15);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
    socket.on('data', (chunk: Uint8Array) => {
      for (let at = 0; ; ) {
        const taken = framer.take(chunk, at);
        if (taken === null) return;
        at = taken.next;
        const message = taken.framed.message === null ? null : decodeQnet(taken.framed.message);
        if (message !== null) this.got.push(message);
      }
    });
  }

  static async connect(port: number, from = '127.0.0.1'): Promise<Client> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from });
    const client = new Client(socket);
    await once(socket, 'connect');
    return client;
  }

  async init(nodeId: number, name: string): Promise<void> {
    const ringId = { nodeId, seq: 4n };
    const init = { sequence: 2, nodeId, algorithm: 1, heartbeatMs: 20_000, tieBreaker: { mode: 1, nodeId: 0 }, ringId };
    this.socket.write(encodeQnet(QnetMessageType.PREINIT, { sequence: 1, clusterName: Buffer.from(name) }));
    this.socket.write(encodeQnet(QnetMessageType.INIT, init));
    await until(() => this.got.some(({ type, error }) => type === QnetMessageType.INIT_REPLY && error === 0));
  }
}

async function until(happened: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !happened(); await sleep(10))
    if (Date.now() > end) throw new Error('it did not happen');
}

async function open(t: Test, limits: Partial<ConnectionLimits> = {}): Promise<{ all: Connections; port: number }> {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const address = free.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await new Promise((resolve) => free.close(resolve));
  const all = new Connections(SETTINGS, { ...LIMITS, ...limits }, null, () => {});
  t.teardown(() => all.close());
  await all.listen('127.0.0.1', port, null);
  return { all, port };
}

t.test('what counts as one address', async (t) => {
  t.equal(placeOf('192.0.2.1'), '192.0.2.1');
  t.not(placeOf('192.0.2.1'), placeOf('192.0.2.2'));
  t.equal(placeOf('2001:db8:1:2::1'), placeOf('2001:db8:1:2:ffff:ffff:ffff:ffff'), 'a network of 64 bits');
  t.not(placeOf('2001:db8:1:2::1'), placeOf('2001:db8:1:3::1'));
  t.equal(placeOf('fe80::1%eth0'), placeOf('fe80::2%eth0'));
});

t.test('where all places are taken, silent clients make room for others; those that vote keep theirs', async (t) => {
  const { all, port } = await open(t);
  const voter = await Client.connect(port, '127.0.0.2');
  await voter.init(1, 'lab');
  const silent: Client[] = [];
  for (let at = 0; at < 3; at++) silent.push(await Client.connect(port, '127.0.0.3'));
  await until(() => all.arbiter.clients.size === 4);
  const late = await Client.connect(port, '127.0.0.4');
  await late.init(2, 'lab');
  await until(() => silent[0]!.closed);
  t.same([voter.closed, silent[1]!.closed, late.closed], [false, false, false], 'the oldest that said nothing is gone');
  const more = await Client.connect(port, '127.0.0.4');
  const last = await Client.connect(port, '127.0.0.4');
  await until(() => silent.every(({ closed }) => closed));
  const refused = await Client.connect(port, '127.0.0.4');
  await until(() => refused.closed);
  t.same(
    [voter, late, more, last].map(({ closed }) => closed),
    [false, false, false, false],
  );
  t.equal(all.counts.refused, 1, 'the fourth of one address is refused');
});

t.test('before INIT a long message is skipped, and no memory is kept for it', async (t) => {
  const { port } = await open(t);
  const client = await Client.connect(port);
  const header = Buffer.alloc(QNET_HEADER_BYTES);
  header.writeUInt16BE(QnetMessageType.PREINIT, 0);
  header.writeUInt32BE(30_000, 2);
  client.socket.write(Buffer.concat([header, Buffer.alloc(30_000)]));
  await until(() => client.got.length > 0);
  t.match(client.got, [{ type: QnetMessageType.SERVER_ERROR, error: ReplyError.MESSAGE_TOO_LONG }]);
  await client.init(1, 'lab');
  client.socket.write(encodeQnet(QnetMessageType.ECHO_REQUEST, { sequence: 7, clusterName: new Uint8Array(20_000) }));
  await until(() => client.got.at(-1)?.type === QnetMessageType.ECHO_REPLY);
  t.equal(client.got.at(-1)?.sequence, 7, 'afterwards as long a message as was agreed on');
});

t.test('a client that floods and does not read is cut off; others are served', async (t) => {
  const { all, port } = await open(t);
  const [flood, other] = [await Client.connect(port), await Client.connect(port)];
  await other.init(1, 'lab');
  flood.socket.pause();
  const noise = Buffer.concat(Array.from({ length: 5000 }, () => Buffer.from([0, 99, 0, 0, 0, 0])));
  for (let at = 0; at < 200 && !flood.closed && all.counts.cut === 0; at++) {
    flood.socket.write(noise);
    await sleep(5);
  }
  await until(() => all.counts.cut === 1);
  other.socket.write(encodeQnet(QnetMessageType.ECHO_REQUEST, { sequence: 3 }));
  await until(() => other.got.at(-1)?.type === QnetMessageType.ECHO_REPLY);
  t.equal(other.closed, false);
  flood.socket.destroy();
});
