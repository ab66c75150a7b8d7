import t from 'tap';
import { attachConnection } from '../../src/ipc/server/attach.ts';
import { createConnectionFiles, ringFileNames } from '../../src/ipc/server/files.ts';
import { RingPool } from '../../src/ipc/server/pool.ts';
import { RoomWatch } from '../../src/ipc/server/room-watch.ts';
import { QB_HEADER, qbDataBytes } from '../../src/lib/qbring/layout.ts';
import { RingReader } from '../../src/lib/qbring/reader.ts';
import { qbRingMemory } from '../../src/lib/qbring/setup.ts';
import { Arena, scratch } from '../../src/os/arena.ts';
import { EPOLLIN, Epoll } from '../../src/os/epoll.ts';
import { notifyBytesAddress } from '../../src/os/eventfd.ts';
import { closeFd, OpenFlag, openFileIn } from '../../src/os/fd.ts';
import { MSG_DONTWAIT, openSocketPair, receiveBytes, sendBytes } from '../../src/os/socket.ts';

const send = (fd: number, bytes: number): number => sendBytes(fd, notifyBytesAddress, bytes, MSG_DONTWAIT);
const receive = (fd: number, bytes: number): number => receiveBytes(fd, scratch.address, bytes, MSG_DONTWAIT);

t.test('reports each time that all bytes of a write were taken, and nothing else', async (t) => {
  const [server, client] = openSocketPair();
  const watch = new RoomWatch();
  const loop = new Epoll();
  t.equal(loop.add(watch.fd, EPOLLIN, 7), 0);
  t.equal(send(server, 2), 2);
  t.equal(send(server, 1), 1);
  watch.begin(server);
  watch.begin(server); // again: nothing changes
  watch.take(); // a socket that has room is reported once when it is added
  t.equal(loop.wait(0), 0);
  t.equal(receive(client, 1), 1);
  t.equal(loop.wait(0), 0, 'a part of a write tells nothing');
  t.equal(receive(client, 1), 1);
  t.equal(loop.wait(1000), 1, 'the rest of it does');
  t.equal(loop.tag(0), 7);
  t.equal(watch.take(), 1);
  t.equal(loop.wait(0), 0, 'once');
  t.equal(send(client, 5), 5);
  t.equal(receive(server, 5), 5);
  t.equal(watch.take(), 0, 'bytes in the other direction are none of its business');
  t.equal(receive(client, 1), 1);
  t.equal(watch.take(), 1);
  watch.end(server);
  t.equal(send(server, 1), 1);
  t.equal(receive(client, 1), 1);
  t.equal(loop.wait(0), 0, 'not after the end');
  watch.end(server);
  watch.close();
  loop.close();
  closeFd(server);
  closeFd(client);
});

const MESSAGE_BYTES = 65_000;
const EVENT_BYTES = 1000;

/** A connection as its server has it, and the client's socket and event ring. */
function connect() {
  const [server, client] = openSocketPair();
  const owner = { pid: process.pid, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const files = createConnectionFiles('room', server, owner, MESSAGE_BYTES);
  if (typeof files === 'number') throw new Error(`files ${files}`);
  const dataBytes = qbDataBytes(MESSAGE_BYTES);
  const memory = Arena.map(2 * QB_HEADER.mappedBytes + 3 * dataBytes);
  const data = 4096 + QB_HEADER.mappedBytes;
  for (const name of ringFileNames('room').filter((ring) => ring.includes('event'))) {
    const fd = openFileIn(files.directoryFd, name, OpenFlag.RDWR);
    if (name.endsWith('header')) memory.mapFile(4096, QB_HEADER.mappedBytes, fd);
    else memory.mapFileTwice(data, dataBytes, fd);
    closeFd(fd);
  }
  const identity = { id: 1, fd: server, pid: owner.pid, euid: owner.uid, egid: owner.gid, serviceId: 2 };
  const connection = attachConnection(new RingPool(null, 8 << 20, 1), {
    ...identity,
    processName: 'room',
    ...files,
    maxMessageBytes: MESSAGE_BYTES,
  });
  if (typeof connection === 'number') throw new Error(`attach ${connection}`);
  send(client, 1);
  connection.drainBytes();
  connection.openRings();
  const reader = new RingReader(qbRingMemory(memory.u8, memory.i32, 4096, data, dataBytes));
  /** Reads events as libqb does: one off the ring, then its byte. */
  const read = (count: number): number => {
    let bytes = 0;
    for (let i = 0; i < count && reader.peek() === 1; i++) {
      reader.reclaim();
      reader.release();
      bytes += receive(client, 1);
    }
    return bytes;
  };
  return { connection, client, server, read, dataBytes };
}

t.test('a full ring is filled again when a quarter of it was read, and that is reported', async (t) => {
  const { connection, client, server, read, dataBytes } = connect();
  const event = new Uint8Array(EVENT_BYTES);
  let sent = 0;
  while (!connection.queueing) {
    connection.sendEvent(event);
    sent++;
  }
  const ringful = sent - 1;
  for (let i = 0; i < 3 * ringful; i++) connection.sendEvent(event);
  connection.flushEvents();
  t.equal(connection.roomForQueue, false);
  const watch = new RoomWatch();
  watch.begin(server);
  watch.take();
  const quarter = Math.ceil(dataBytes / 4 / EVENT_BYTES);
  t.equal(read(quarter - 5), quarter - 5);
  t.equal(connection.roomForQueue, false, 'not for a few events');
  read(10);
  t.equal(connection.roomForQueue, true);
  t.ok(watch.take() > 0, 'a part of the bytes was taken');
  let total = quarter + 5;
  let turns = 0;
  for (; total < sent + 3 * ringful && turns < 100; turns++) {
    if (connection.roomForQueue) connection.flushQueue();
    total += read(quarter + 1);
    if (connection.queueing) t.ok(watch.take() > 0, 'every part is reported');
  }
  t.equal(total, sent + 3 * ringful, 'everything came');
  t.equal(connection.queueing, false);
  t.ok(turns <= 20, `${turns} looks`);
  connection.close();
  watch.close();
  closeFd(client);
});
