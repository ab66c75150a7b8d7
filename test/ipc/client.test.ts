import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { IpcClient, type IpcClientHandler } from '../../src/ipc/client/ipc-client.ts';
import { IpcServer } from '../../src/ipc/server/server.ts';
import { TOY_NODE_ID, ToyCpg } from './toy-cpg.ts';

t.setTimeout(120_000);
const instance = `test${process.pid}`;

class Events implements IpcClientHandler {
  readonly events: Uint8Array[] = [];
  ended: Error | null | undefined;
  event(event: Uint8Array): void {
    this.events.push(event.slice());
  }
  closed(error: Error | null): void {
    this.ended = error;
  }
}

const request = (id: number, bytes = 16): Uint8Array => {
  const message = new Uint8Array(bytes);
  new DataView(message.buffer).setInt32(0, id, true);
  new DataView(message.buffer).setInt32(8, bytes, true);
  return message;
};
const mcast = (n: number, bytes: number): Uint8Array => {
  const message = request(2, 40 + bytes);
  new DataView(message.buffer).setUint32(32, bytes, true);
  message.fill(n, 40);
  new DataView(message.buffer).setUint32(40, n, true);
  return message;
};
const u32 = (bytes: Uint8Array, at: number): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
const until = async (condition: () => boolean): Promise<void> => {
  for (let i = 0; i < 1000 && !condition(); i++) await delay(5);
};

const TRANSPORTS = ['shm', 'socket'] as const;

for (const transport of TRANSPORTS)
  t.test(`our client and our server over ${transport}, in an IPC instance of their own`, async (t) => {
    const toy = new ToyCpg();
    let verdict = 0;
    const server = new IpcServer({ instance, transport, authorize: () => verdict });
    server.publish('cpg', 2, toy);
    t.teardown(() => server.close());
    t.throws(() => server.publish('cpg', 3, toy), { code: 'RONDO_OS_EADDRINUSE' });

    t.test('calls, one after the other though asked for together', async (t) => {
      const handler = new Events();
      const client = await IpcClient.connect('cpg', instance, handler);
      const responses = await Promise.all(
        Array.from({ length: 500 }, (_, i) => client.call(request(i % 2 === 0 ? 4 : 7))),
      );
      t.ok(
        responses.every((response, i) =>
          i % 2 === 0 ? u32(response, 24) === TOY_NODE_ID : u32(response, 0) === 7 && response.length === 24,
        ),
      );
      await t.rejects(client.call(new Uint8Array(1048577)), { code: 'RONDO_IPC_TOO_BIG' });
      t.equal(u32(await client.call(request(99)), 16), 7, 'INVALID_PARAM');
      const [connection] = toy.connections;
      t.match(connection!.statistics, { requests: 501, responses: 501, invalidRequest: 1 });
      client.close();
      client.close();
      t.equal(handler.ended, null);
      await t.rejects(client.call(request(4)), { code: 'RONDO_IPC_HANGUP' });
      await until(() => toy.connections.size === 0);
      t.equal(toy.closes, 1);
    });

    t.test('events in order, also the ones that had to wait; pause and resume', async (t) => {
      const handler = new Events();
      const client = await IpcClient.connect('cpg', instance, handler);
      await client.call(request(0, 168));
      client.pauseEvents();
      for (let n = 0; n < 500; ) {
        if (client.tryPost(mcast(n, 8000))) n++;
        else await delay(1);
      }
      const [connection] = toy.connections;
      await until(() => connection!.statistics.queueing);
      t.ok(connection!.statistics.queued > 100, 'the ring holds about 130 of them, the socket fewer');
      t.equal(handler.events.length, 0);
      client.resumeEvents();
      await until(() => handler.events.length === 500);
      t.ok(handler.events.every((event, n) => event.length === 8184 && u32(event, 184) === n));
      t.match(connection!.statistics, { queueing: false, queued: 0, dispatched: 500 });
      client.close();
    });

    t.test('events are taken for a slice of time a turn, however many or slow they are', async (t) => {
      /** How many events each turn of the loop brought, when each costs the reader so much. */
      const perTurn = async (eventMs: number): Promise<number[]> => {
        const handler = new Events();
        const client = await IpcClient.connect('cpg', instance, handler);
        await client.call(request(0, 168));
        client.pauseEvents();
        for (let n = 0; n < 300; ) {
          if (client.tryPost(mcast(n, 8))) n++;
          else await delay(1);
        }
        const [connection] = toy.connections;
        await until(() => connection!.statistics.dispatched === 300);
        const turns = [0];
        handler.event = () => {
          turns[turns.length - 1]! += 1;
          const end = performance.now() + eventMs;
          while (performance.now() < end);
        };
        let watching = true;
        const turn = (): void => {
          turns.push(0);
          if (watching) setImmediate(turn);
        };
        setImmediate(turn);
        client.resumeEvents();
        await until(() => turns.reduce((sum, count) => sum + count) === 300);
        watching = false;
        client.close();
        await until(() => toy.connections.size === 0);
        return turns;
      };
      t.ok(Math.max(...(await perTurn(0.5))) <= 64, 'slow ones: others get their turn');
      let most = 0;
      // A busy machine takes the processor away now and then.
      for (let round = 0; round < 10 && most <= 64; round++) most = Math.max(most, ...(await perTurn(0)));
      t.ok(most > 64, `quick ones: ${most} in one turn, so that the reader keeps up`);
    });

    t.test('flow control', async (t) => {
      const client = await IpcClient.connect('cpg', instance, new Events());
      await client.call(request(0, 168));
      server.setFlowControl(2, 2, 1);
      t.equal(client.tryPost(mcast(1, 4)), false, 'multicasts are refused by the word');
      let done = false;
      const call = client.call(request(4)).then(() => (done = true));
      await delay(50);
      t.equal(done, false, 'a call waits in the ring');
      const fresh = await IpcClient.connect('cpg', instance, new Events());
      t.equal(u32(await fresh.call(request(4)), 24), TOY_NODE_ID, 'a connection made meanwhile is served');
      server.setFlowControl(2, 0, 50);
      await call;
      t.equal(client.tryPost(mcast(1, 4)), true);
      client.close();
      fresh.close();
    });

    t.test('refusal, time-outs, and the end of the daemon', async (t) => {
      verdict = 13;
      await t.rejects(IpcClient.connect('cpg', instance, new Events()), { message: /EACCES/ });
      verdict = 0;
      await t.rejects(IpcClient.connect('quorum', instance, new Events()), { message: /ECONNREFUSED/ });
      await until(() => toy.connections.size === 0);
      const [handler, other] = [new Events(), new Events()];
      const client = await IpcClient.connect('cpg', instance, handler);
      await client.call(request(4));
      server.setFlowControl(2, 2, 1);
      await t.rejects(client.call(request(4), 30), { code: 'RONDO_IPC_TIMEOUT' });
      t.match(handler.ended, { code: 'RONDO_IPC_TIMEOUT' });
      await until(() => toy.connections.size === 0);
      const last = await IpcClient.connect('cpg', instance, other);
      await last.call(request(4));
      server.setFlowControl(2, 2, 1);
      const call = last.call(request(4));
      server.close();
      await t.rejects(call, { code: 'RONDO_IPC_HANGUP' });
      t.match(other.ended, { code: 'RONDO_IPC_HANGUP' });
      t.equal(server.statistics.active, 0);
      t.same(
        readdirSync('/dev/shm').filter((name) => name.startsWith(`qb-${process.pid}-`)),
        [],
      );
    });
  });

// Our client against a stock daemon of one node, in a network namespace of its own.
const unavailable =
  process.getuid?.() !== 0 ||
  !existsSync('/usr/sbin/corosync') ||
  spawnSync('unshare', ['--net', '--mount', 'true']).status !== 0
    ? 'needs root, Debian’s corosync and network namespaces'
    : false;
for (const transport of TRANSPORTS)
  t.test(`our client and a stock daemon over ${transport}`, { skip: unavailable }, (t) => {
    const inner = fileURLToPath(new URL('stock-daemon.js', import.meta.url));
    const directory = mkdtempSync(join(tmpdir(), 'rondo-ipc-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    writeFileSync(
      join(directory, 'corosync.conf'),
      `totem {
  version: 2
  cluster_name: ipc
  transport: udpu
}
nodelist {
  node {
    ring0_addr: 127.0.0.1
    nodeid: 7
  }
}
quorum {
  provider: corosync_votequorum
}
logging {
  to_stderr: no
  to_syslog: no
}
system {
  qb_ipc_type: ${transport}
}
`,
    );
    const script = `ip link set lo up && for at in /dev/shm /run /var/lib/corosync; do mount -t tmpfs none $at || exit 9; done; mkdir -p /run/corosync; exec "$0" "$1" "$2"`;
    const child = spawn('unshare', ['--net', '--mount', 'sh', '-c', script, process.execPath, inner, directory]);
    let output = '';
    child.stdout.on('data', (bytes) => (output += bytes));
    child.stderr.on('data', (bytes) => (output += bytes));
    child.on('close', (code) => {
      t.equal(code, 0, output);
      t.match(output, 'node id 7');
      t.match(output, 'cluster name ipc');
      t.match(output, 'missing key: 12');
      t.match(output, '3000 messages in order');
      t.match(output, 'end of the daemon: RONDO_IPC_HANGUP');
      t.end();
    });
  });
