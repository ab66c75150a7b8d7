import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { IpcClient } from '../../src/ipc/client/ipc-client.ts';
import { socketName, socketPath } from '../../src/ipc/names.ts';
import {
  decodeConnectionRequest,
  decodeConnectionResponse,
  encodeConnectionRequest,
  encodeConnectionResponse,
  encodeErrorResponse,
} from '../../src/ipc/protocol.ts';
import { authorizeClient, descriptorsLeft } from '../../src/ipc/server/access.ts';
import { Admission } from '../../src/ipc/server/admission.ts';
import { EVENT_QUEUE_LIMITS, EventBudget, EventQueue } from '../../src/ipc/server/event-queue.ts';
import { Handshakes } from '../../src/ipc/server/handshakes.ts';
import { connectionsMax } from '../../src/ipc/server/limits.ts';
import { RingPool } from '../../src/ipc/server/pool.ts';
import { IpcServer } from '../../src/ipc/server/server.ts';
import { sweepStaleDirectories, UNFINISHED_MS } from '../../src/ipc/server/sweep.ts';
import { closeFd, openDirectory, tryLockOpenFile } from '../../src/os/fd.ts';
import { ToyCpg } from './toy-cpg.ts';

t.setTimeout(120_000);
const instance = `server${process.pid}`;
const path = socketPath(socketName('cpg', instance), null);
const ignore = { event: () => {}, closed: () => {} };
const own = (): string[] => readdirSync('/dev/shm').filter((name) => name.startsWith(`qb-${process.pid}-`));

/** Sends bytes to the setup socket and collects what comes back until the end. */
async function raw(...pieces: Uint8Array[]): Promise<Buffer> {
  const socket: Socket = connect({ path });
  const parts: Buffer[] = [];
  socket.on('data', (bytes) => parts.push(bytes));
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  for (const piece of pieces) {
    socket.write(piece);
    await delay(1);
  }
  const timer = setTimeout(() => socket.destroy(), 300);
  await closed;
  clearTimeout(timer);
  return Buffer.concat(parts);
}
const setupRequest = (maxMessageBytes: number): Uint8Array => {
  const bytes = new Uint8Array(24);
  encodeConnectionRequest(new DataView(bytes.buffer), 0, maxMessageBytes);
  return bytes;
};

t.test('the two messages of the handshake', (t) => {
  // What every stock library sends (libqb-ipc.md 1.3).
  const stock = Buffer.from('ffffffff0000000018000000000000000000100000000000', 'hex');
  t.equal(Buffer.from(setupRequest(1048576)).toString('hex'), stock.toString('hex'));
  const garbage = Buffer.from('ffffffffdeadbeef18000000deadbeef00001000deadbeef', 'hex');
  for (const bytes of [stock, garbage])
    t.equal(decodeConnectionRequest(new DataView(bytes.buffer, bytes.byteOffset), 0), 1048576);
  t.equal(
    decodeConnectionRequest(new DataView(setupRequest(1).buffer), 0),
    12328,
    'never less than the response itself',
  );
  t.equal(decodeConnectionRequest(new DataView(new ArrayBuffer(24)), 0), null);
  const response = new Uint8Array(12328).fill(255);
  const rings = ['/dev/shm/qb-1-2-3-abcdef/qb-request-cpg', '/a/b', '/c'] as const;
  encodeConnectionResponse(response, 0, { error: 0, type: 1, maxMessageBytes: 65536, rings }, 9);
  t.same(decodeConnectionResponse(response), { error: 0, type: 1, maxMessageBytes: 65536, rings });
  t.equal(
    Buffer.from(response.subarray(0, 40)).toString('hex'),
    `ffffffff00000000${'28300000'}00000000${'00'.repeat(8)}01000000000001000900000000000000`,
  );
  encodeConnectionResponse(response, 0, { error: 13 }, 0);
  t.same(decodeConnectionResponse(response), { error: 13 });
  t.equal(new DataView(response.buffer).getInt32(16, true), -13);
  encodeConnectionResponse(
    response,
    0,
    { error: 0, type: 1, maxMessageBytes: 65536, rings: ['cpg-request-1-2-3', '/a', '/b'] },
    0,
  );
  t.match(
    decodeConnectionResponse(response),
    { rings: ['/dev/shm/qb-cpg-request-1-2-3', '/a', '/b'] },
    'libqb before 1.0.4',
  );
  response.fill(65, 4136, 8232);
  t.match(decodeConnectionResponse(response), /not terminated/);
  t.match(decodeConnectionResponse(response.subarray(1)), /12327/);
  t.end();
});

t.test(
  'a client that ends with events unread ends for the server, too, and before the request of another one',
  async (t) => {
    const toy = new ToyCpg();
    const server = new IpcServer({ instance, authorize: () => 0 });
    server.publish('cpg', 2, toy);
    t.teardown(() => server.close());
    const request = new Uint8Array(24);
    request.set(encodeErrorResponse(4, 0));
    new DataView(request.buffer).setInt32(8, 24, true);
    const other = await IpcClient.connect('cpg', instance, ignore);
    await other.call(request);
    for (let round = 0; round < 20; round++) {
      const client = await IpcClient.connect('cpg', instance, ignore);
      await client.call(request);
      t.equal(toy.connections.size, 2);
      const event = new Uint8Array(64);
      event.set(encodeErrorResponse(5, 1));
      new DataView(event.buffer).setInt32(8, 64, true);
      [...toy.connections].at(-1)?.dispatch(event);
      server.publishEvents();
      client.call(request).catch(() => {});
      client.close(); // in the same turn: it has not read the byte of the event, and leaves one of its own
      await other.call(request, 5000);
      t.equal(toy.connections.size, 1);
    }
    other.close();
  },
);

t.test('handshakes: good ones in any shape, bad ones without harm', async (t) => {
  const toy = new ToyCpg();
  const server = new IpcServer({ instance, authorize: () => 0 });
  server.publish('cpg', 2, toy);
  t.teardown(() => server.close());
  t.equal((await raw(setupRequest(1048576))).length, 12328);
  t.equal((await raw(setupRequest(64))).readUInt32LE(28), 12328);
  const tooBig = await raw(setupRequest(0x7fffffff));
  t.equal(tooBig.length, 12328, 'a refusal has the full length');
  t.equal(tooBig.readInt32LE(16), -90, 'EMSGSIZE');
  t.equal((await raw(new Uint8Array(24))).length, 0, 'not a connection request');
  t.equal((await raw(setupRequest(1).subarray(0, 10))).length, 0, 'too short');
  t.equal((await raw()).length, 0, 'silent');
  const bad = await Promise.all(
    Array.from({ length: 200 }, (_, i) => raw(Uint8Array.from({ length: (i * 7) % 60 }, () => Math.random() * 256))),
  );
  t.ok(bad.every((response) => response.length === 0));
  // One that lies about nothing but sends noise after the handshake: it never opened its rings, so there is nothing to read.
  t.equal((await raw(setupRequest(1048576), new Uint8Array(5000))).length, 12328);
  const client = await IpcClient.connect('cpg', instance, ignore);
  const request = new Uint8Array(16);
  request[0] = 4;
  request[8] = 16;
  t.equal((await client.call(request)).length, 32, 'others are served');
  client.close();
  for (let i = 0; i < 200 && toy.connections.size > 0; i++) await delay(5);
  t.equal(toy.opens, toy.closes);
  t.same(own(), [], 'no files left');
  t.equal(server.statistics.active, 0);
});

t.test('who may connect, in the order of the rules', (t) => {
  const state = { firstSyncDone: true, serviceLoaded: true, descriptorsLow: false, isKeyOne: (_key: string) => false };
  const user = { uid: 1000, gid: 1001 };
  t.equal(authorizeClient(user, { ...state, firstSyncDone: false, serviceLoaded: false }), 11);
  t.equal(authorizeClient(user, { ...state, serviceLoaded: false, descriptorsLow: true }), 38);
  t.equal(authorizeClient({ uid: 0, gid: 0 }, { ...state, descriptorsLow: true }), 24);
  t.equal(authorizeClient({ uid: 0, gid: 5 }, state), 0);
  t.equal(authorizeClient({ uid: 5, gid: 0 }, state), 0);
  t.equal(authorizeClient(user, state), 13);
  for (const key of ['uidgid.uid.1000', 'uidgid.config.uid.1000', 'uidgid.gid.1001', 'uidgid.config.gid.1001']) {
    t.equal(authorizeClient(user, { ...state, isKeyOne: (asked) => asked === key }), 0, key);
  }
  t.equal(authorizeClient(user, { ...state, isKeyOne: (asked) => asked === 'uidgid.uid.1001' }), 13);
  t.equal(descriptorsLeft(20) - descriptorsLeft(120), 100);
  t.end();
});

t.test('sweep: what daemons left behind, nothing else', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'rondo-sweep-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const make = (name: string, mode = 0o711, ...files: string[]): string => {
    mkdirSync(join(root, name));
    for (const file of files) writeFileSync(join(root, name, file), 'x');
    chmodSync(join(root, name), mode);
    return name;
  };
  const stale = [make('qb-1-1234-29-sClpkl', 0o711, 'qb-request-cpg-data'), make(`qb-${process.pid}-99-7-abcDEF`)];
  const locked = make('qb-99999999-1-1-locked', 0o711, 'qb-request-cpg-data');
  const fd = openDirectory(join(root, locked));
  t.equal(tryLockOpenFile(fd), 0);
  const unfinished = (name: string, ageMs: number): string => {
    make(name, 0o700, 'qb-request-cpg-header');
    const changed = new Date(Date.now() - ageMs);
    utimesSync(join(root, name), changed, changed);
    return name;
  };
  stale.push(unfinished('qb-1-1234-29-killed', UNFINISHED_MS + 1_000));
  const kept = [
    locked,
    make('qb-99999999-1-1-stock0', 0o770, 'qb-request-cpg-data'),
    make('qb-99999999-1-1-others', 0o711, 'precious'),
    make('qb-99999999-1-1-nested', 0o711),
    make('qb-99999999-12-3-short', 0o711),
    make('else', 0o711),
    unfinished('qb-99999999-1-1-making', 0), // by a daemon that may be about to lock it
  ];
  mkdirSync(join(root, kept[3]!, 'qb-request-cpg-data'));
  if (process.geteuid?.() === 0) {
    kept.push(make('qb-99999999-1-1-foreig', 0o711, 'qb-request-cpg-data'));
    chownSync(join(root, 'qb-99999999-1-1-foreig'), 65534, 65534);
  }
  symlinkSync(join(root, 'else'), join(root, 'qb-99999999-1-1-linked'));
  writeFileSync(join(root, 'qb-99999999-1-1-afile0'), '');
  kept.push('qb-99999999-1-1-linked', 'qb-99999999-1-1-afile0');
  t.same(sweepStaleDirectories(root).sort(), [...stale].sort());
  t.same(readdirSync(root).sort(), [...kept].sort());
  t.same(readdirSync(join(root, 'qb-99999999-1-1-others')), ['precious']);
  t.same(sweepStaleDirectories(join(root, 'absent')), []);
  closeFd(fd);
  t.same(sweepStaleDirectories(root), [locked], 'its daemon has ended');
  t.end();
});

t.test('event queue', (t) => {
  const queue = new EventQueue(new EventBudget({ userBytesMax: 2 ** 40, totalBytesMax: 2 ** 40 }), 0);
  t.equal(queue.headLength(), -1);
  const source = Uint8Array.from({ length: 300_000 }, (_, i) => i * 3);
  const sizes = [0, 1, 100, 262_139, 262_140, 262_141, 300_000, 5, 70_000, 70_000, 70_000, 70_000, 24];
  for (const size of sizes) t.equal(queue.push(source, 3, size - 3 < 0 ? size : size - 3), true);
  const target = new Uint8Array(300_000);
  for (const size of sizes.map((size) => (size - 3 < 0 ? size : size - 3))) {
    t.equal(queue.headLength(), size);
    queue.shiftInto(target, 0);
    t.equal(Buffer.compare(target.subarray(0, size), source.subarray(3, 3 + size)), 0);
  }
  t.same([queue.count, queue.bytes, queue.headLength()], [0, 0, -1]);
  let pushed = 0;
  while (queue.push(source, 0, 200_000)) pushed++;
  t.equal(pushed, Math.floor(EVENT_QUEUE_LIMITS.bytesMax / 200_000));
  queue.clear();
  t.same([queue.count, queue.bytes, queue.headLength()], [0, 0, -1]);
  t.end();
});

t.test('event queue: events are written where they wait, in memory that is used again', (t) => {
  const queue = new EventQueue(new EventBudget(), 0);
  const memories = new Set<ArrayBufferLike>();
  const target = new Uint8Array(1_000_200);
  for (let round = 1; round <= 40; round++) {
    for (const size of [60, 100_000, 400_000, 1_000_184]) {
      t.equal(queue.reserve(size), true);
      memories.add(queue.memory.bytes.buffer);
      queue.memory.bytes.fill(round, queue.reservedAt, queue.reservedAt + size);
    }
    for (const size of [60, 100_000, 400_000, 1_000_184]) {
      queue.shiftInto(target.fill(0), 0);
      t.equal(target.indexOf(0), size, 'as long as it was');
      t.equal(
        target.findIndex((byte) => byte !== round),
        size,
        'its own',
      );
    }
  }
  t.ok(memories.size <= 3, `${memories.size} blocks for 160 events`);
  t.equal(queue.blockBytes, 0);
  t.end();
});

t.test('event queues: a user’s, and all together, are bounded; who has most is given up', (t) => {
  const block = EVENT_QUEUE_LIMITS.blockBytes;
  const budget = new EventBudget({ userBytesMax: 4 * block, totalBytesMax: 6 * block });
  const event = new Uint8Array(block - 4);
  const queue = (uid: number): EventQueue => new EventQueue(budget, uid);
  const push = (to: EventQueue, count: number): boolean[] =>
    Array.from({ length: count }, () => to.push(event, 0, event.length));
  const [small, large, other] = [queue(1), queue(1), queue(2)];
  t.same([push(small, 1), push(large, 3)], [[true], [true, true, true]]);
  t.same(push(small, 1), [true], 'the fifth block of the user costs the larger queue');
  t.same([large.overflowed, large.count, large.waiting, small.count], [true, 0, true, 2]);
  t.same(push(large, 1), [false]);
  t.same(push(other, 4), [true, true, true, true]);
  const third = queue(3);
  t.same(push(third, 1), [true], 'the seventh in all costs the largest');
  t.same([other.overflowed, small.overflowed, third.overflowed], [true, false, false]);
  const own = queue(4);
  t.same(push(own, 5), [true, true, true, false, false], 'one that is the largest itself');
  small.clear();
  third.clear();
  const again = queue(1);
  t.same(push(again, 5), [true, true, true, true, false], 'what was given back can be taken again');
  t.end();
});

t.test('admission: by user and in all, with a reserve for root', (t) => {
  const admission = new Admission(32, (uid) => uid === 0);
  const take = (uid: number, count: number, bytes = 12328): number =>
    Array.from({ length: count }, () => admission.take(uid, bytes)).filter((errno) => errno === 0).length;
  t.equal(take(1, 20), 8, 'a quarter for one user');
  t.equal(admission.take(1, 12328), 12, 'ENOMEM');
  t.equal(take(2, 3, 4 << 20), 2, 'large rings count more');
  t.equal(take(3, 20), 8);
  t.equal(take(4, 20), 4, 'an eighth is root’s');
  t.equal(take(0, 20), 4);
  admission.give(1, 12328);
  t.equal(take(5, 2), 1, 'what a user gives back is for users');
  t.equal(take(0, 1), 0, 'root has its reserve already');
  admission.give(0, 12328);
  t.equal(take(5, 1), 0);
  t.equal(take(0, 1), 1, 'and what root gives back is for root');
  t.match(admission.describe(1), /^7 connections of the user, 32 in all; at most 8 and 28, 32/);
  t.equal(connectionsMax(20_000, 65_530), 4096);
  t.equal(connectionsMax(1024, 65_530), 416);
  t.equal(connectionsMax(1 << 20, 65_530 / 2), 2748, 'a tenth of the mappings stays free');
  t.equal(connectionsMax(64, 65_530), 8);
  t.end();
});

t.test('handshakes: users in turns, root at once; the silent ones bounded by user', async (t) => {
  const handshakes = new Handshakes((uid) => uid === 0);
  t.teardown(() => handshakes.close());
  const done: number[] = [];
  for (let i = 0; i < 200; i++) handshakes.enqueue(1, () => done.push(1));
  handshakes.enqueue(2, () => done.push(2));
  handshakes.enqueue(0, () => done.push(0));
  t.same(done, [0]);
  await delay(20);
  t.same(done.slice(0, 4), [0, 1, 2, 1]);
  t.equal(done.filter((uid) => uid === 1).length, 128, 'more than that were not taken');
  const dropped: number[] = [];
  const silent = (uid: number): void => {
    const client = {
      uid,
      sinceMs: performance.now(),
      drop: () => {
        dropped.push(uid);
        handshakes.forget(client);
      },
    };
    handshakes.keep(client);
  };
  silent(7);
  for (let i = 0; i < 40; i++) silent(8);
  t.same(dropped, Array(8).fill(8));
  for (let uid = 100; uid < 120; uid++) for (let i = 0; i < 30; i++) silent(uid);
  t.notOk(dropped.includes(7), 'who has one keeps it');
  for (let i = 0; i < 64; i++) handshakes.countWaste(9);
  t.same([handshakes.isTiresome(9), handshakes.isTiresome(8)], [true, false]);
  await delay(60);
  t.equal(handshakes.isTiresome(9), false);
});

t.test('pool: slots come back, sizes have a limit', (t) => {
  const pool = new RingPool(null, 16 << 20, 2);
  const first = pool.take(1048576);
  if (typeof first === 'number') return t.fail('no slot');
  const second = pool.take(1048000);
  t.type(second, 'object');
  first.arena.u8[first.offset] = 7;
  first.mapped = true;
  pool.give(first);
  t.equal(first.arena.u8[first.offset], 0, 'nothing of it is mapped any more');
  t.equal(pool.take(1048576), first);
  t.equal(pool.take(4194305), -90, 'EMSGSIZE');
  const all = Array.from({ length: 10 }, () => pool.take(1048576));
  t.ok(all.includes(-12), 'ENOMEM');
  return t.end();
});

// A small /dev/shm in a mount namespace of its own.
const self = fileURLToPath(import.meta.url);
const noNamespace =
  process.getuid?.() !== 0 || spawnSync('unshare', ['--mount', 'true']).status !== 0
    ? 'needs root for a mount namespace'
    : false;
if (process.env['RONDO_SMALL_SHM'] === '1') {
  t.test('a full /dev/shm is an error for the client, not a SIGBUS for the daemon', async (t) => {
    const toy = new ToyCpg();
    const server = new IpcServer({ instance, authorize: () => 0 });
    server.publish('cpg', 2, toy);
    const clients: IpcClient[] = [];
    for (let i = 0; i < 3; i++) clients.push(await IpcClient.connect('cpg', instance, ignore));
    await t.rejects(IpcClient.connect('cpg', instance, ignore), { message: /ENOSPC/ });
    t.equal(own().length, 3, 'what was made of the fourth is gone');
    for (const client of clients.splice(0)) client.close();
    for (let i = 0; i < 200 && toy.connections.size > 0; i++) await delay(5);
    clients.push(await IpcClient.connect('cpg', instance, ignore));
    clients[0]!.close();
    server.close();
    t.equal(existsSync('/dev/shm/x'), false);
  });
} else {
  t.test('small /dev/shm', { skip: noNamespace }, (t) => {
    const env = { ...process.env, RONDO_SMALL_SHM: '1' };
    const script = 'mount -t tmpfs -o size=10m none /dev/shm && exec "$0" "$1"';
    t.spawn('unshare', ['--mount', 'sh', '-c', script, process.execPath, self], { env }, 'in a mount namespace');
    t.end();
  });
}
