import t from 'tap';
import { MessageId } from '../../src/ipc/protocol.ts';
import { chunkWords, Magic } from '../../src/lib/qbring/layout.ts';
import { scratch } from '../../src/os/arena.ts';
import { closeFd } from '../../src/os/fd.ts';
import { receiveBytes, sendBytes } from '../../src/os/socket.ts';
import { xorshift } from '../lib/xorshift.ts';
import { HostileBench, RING_DATA_BYTES } from './hostile-bench.ts';

const ROUNDS = Number(process.env['RONDO_FUZZ'] ?? 60_000);
t.setTimeout(3_600_000);
const bench = new HostileBench();

t.test('a client writes anything anywhere in its files, at any time', (t) => {
  const seed = Number(process.env['RONDO_FUZZ_SEED'] ?? Date.now() & 0x7fffffff);
  t.comment(`RONDO_FUZZ_SEED=${seed}`);
  const next = xorshift(seed);
  const { i32, u8 } = bench.client;
  const interesting = [
    0,
    1,
    2,
    -1,
    15,
    16,
    24,
    4095,
    4096,
    12328,
    16372,
    0x7fffffff,
    -0x80000000,
    Magic.COMMITTED,
    Magic.CONSUMED,
  ];
  const faults = new Map<string, number>();
  let served = 0;
  let { connection, fd, rings } = bench.open();
  let position = 0;
  for (let round = 0; round < ROUNDS; round++) {
    // Honest requests, so that there is something to break.
    for (let i = next() & 3; i > 0; i--) {
      const length = 16 + (next() % 300);
      const at = rings[0]!.data + position;
      i32[at] = length;
      i32[at + 2] = next() % 14;
      i32[at + 4] = next() % 1000 === 0 ? interesting[next() % interesting.length]! : length; // the size it claims
      if (next() % 3000 === 0) i32[at] = interesting[next() % interesting.length]!;
      i32[at + 1] = Magic.COMMITTED;
      position = (position + chunkWords(length)) % (RING_DATA_BYTES >> 2);
      Atomics.add(i32, rings[0]!.header + 2052, 1);
      if ((next() & 1) === 0) sendBytes(fd, scratch.address, 1, 0);
    }
    if (!connection.live) sendBytes(fd, scratch.address, 1, 0);
    if (next() % 20 === 0) {
      const ring = rings[next() % 3]!;
      const where = [
        ring.header,
        ring.header + 1,
        ring.header + 2,
        ring.header + 2052,
        ring.header + 2053,
        ring.data + (next() % (RING_DATA_BYTES >> 2)),
      ];
      i32[where[next() % where.length]!] = (next() & 1) === 0 ? next() : interesting[next() % interesting.length]!;
    }
    if (next() % 5000 === 0) u8.fill(next(), rings[0]!.data << 2, (rings[0]!.data << 2) + RING_DATA_BYTES);
    if (next() % 300 === 0) sendBytes(fd, scratch.address, 1 + (next() % 200), 0);

    connection.drainBytes();
    connection.openRings();
    for (let i = next() % 6; i > 0 && connection.peekRequest(); i--) {
      const { requestOffset, requestLength, requestId } = connection;
      if (requestLength < 16 || requestLength > RING_DATA_BYTES || requestId === MessageId.DISCONNECT)
        throw new Error(`request ${requestLength}`);
      connection.u8.copyWithin(requestOffset, requestOffset, requestOffset + requestLength);
      const response = connection.claimResponse(24 + (next() % 1000));
      if (response >= 0) connection.commitResponse();
      connection.reclaimRequest();
      served++;
    }
    connection.releaseRequests();
    for (let i = next() & 3; i > 0; i--) {
      const length = 24 + (next() % 3000);
      const at = connection.claimEvent(length);
      if (at >= 0) connection.commitEvent();
      else connection.queueEvent(scratch.u8, 0, length);
    }
    connection.flushEvents();
    connection.flushQueue();
    // A reader that now and then takes everything out, honestly or not.
    if ((next() & 7) === 0) {
      receiveBytes(fd, scratch.address, 4096, 0x40);
      for (const ring of [rings[1]!, rings[2]!]) {
        i32[ring.header + 1] = i32[ring.header]!;
        i32[ring.header + 2052] = 0;
      }
    }
    if (connection.notifyOutstanding > 0) connection.onWritable();
    if (connection.fault === null && !connection.hungUp && next() % 3000 !== 0) continue;
    const reason = connection.fault ?? 'none';
    faults.set(reason, (faults.get(reason) ?? 0) + 1);
    connection.close();
    closeFd(fd);
    ({ connection, fd, rings } = bench.open());
    position = 0;
  }
  connection.close();
  closeFd(fd);
  t.comment(JSON.stringify(Object.fromEntries(faults)), `served ${served}`);
  for (const reason of ['badIndex', 'badSemaphore', 'badMagic', 'badLength', 'badRequestSize'])
    t.ok((faults.get(reason) ?? 0) > 0, reason);
  t.ok(served > ROUNDS / 20);
  t.end();
});
