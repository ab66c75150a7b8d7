import { MessageId } from '../../../src/ipc/protocol.ts';
import { chunkWords, Magic } from '../../../src/lib/qbring/layout.ts';
import { scratch } from '../../../src/os/arena.ts';
import { closeFd } from '../../../src/os/fd.ts';
import { receiveBytes, sendBytes } from '../../../src/os/socket.ts';
import { HostileBench, RING_DATA_BYTES } from '../../ipc/hostile-bench.ts';
import { inputOf, step, stepsOf } from '../engine/records.ts';
import type { FuzzSubject } from '../engine/target.ts';

/** Steps of a client: an honest chunk; a word anywhere in a ring; bytes on the socket; everything read. And of the server: turns, events. */
const CHUNK = 0;
const WORD = 1;
const BYTES = 2;
const READ = 3;
const TURN = 4;
const EVENT = 5;
const KINDS = 6;
const DATA_WORDS = RING_DATA_BYTES >> 2;
/** Words of a ring's header: the two indices, the size, the semaphore's count and its waiters. */
const HEADER_WORDS = [0, 1, 2, 2052, 2053];
const DONT_WAIT = 0x40;
const u32 = (value: number): number[] => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

let bench: HostileBench | null = null;

class RingStory {
  private readonly open;
  private readonly memory: HostileBench;
  private position = 0;
  private served = 0;

  constructor() {
    bench ??= new HostileBench();
    this.memory = bench;
    this.open = bench.open();
  }

  play(kind: number, bytes: Uint8Array): void {
    const { connection, fd, rings } = this.open;
    const { i32 } = this.memory.client;
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const number = (at: number): number => (at + 4 <= bytes.length ? words.getInt32(at) : 0);
    switch (kind) {
      case CHUNK: {
        const at = rings[0]!.data + this.position;
        const length = number(0);
        i32[at] = length;
        i32[at + 2] = number(4);
        i32[at + 4] = bytes.length >= 12 ? number(8) : length;
        i32[at + 1] = Magic.COMMITTED;
        this.position = (this.position + chunkWords(Math.abs(length) % 12_000)) % DATA_WORDS;
        Atomics.add(i32, rings[0]!.header + 2052, 1);
        sendBytes(fd, scratch.address, 1, 0);
        return;
      }
      case WORD: {
        const ring = rings[(bytes[0] ?? 0) % 3]!;
        const place = bytes[1] ?? 0;
        const at = place < 128 ? ring.header + HEADER_WORDS[place % 5]! : ring.data + ((number(2) >>> 0) % DATA_WORDS);
        i32[at] = number(6);
        return;
      }
      case BYTES:
        sendBytes(fd, scratch.address, 1 + (bytes[0] ?? 0), 0);
        return;
      case READ:
        receiveBytes(fd, scratch.address, 4096, DONT_WAIT);
        for (const ring of [rings[1]!, rings[2]!]) {
          i32[ring.header + 1] = i32[ring.header]!;
          i32[ring.header + 2052] = 0;
        }
        return;
      case TURN:
        this.turn(1 + ((bytes[0] ?? 0) & 7));
        return;
      default: {
        const length = 24 + ((number(0) >>> 0) % 3_000);
        if (connection.claimEvent(length) >= 0) connection.commitEvent();
        else connection.queueEvent(scratch.u8, 0, length);
        connection.flushEvents();
        connection.flushQueue();
        if (connection.notifyOutstanding > 0) connection.onWritable();
      }
    }
  }

  /** What the server does when the socket is readable. */
  private turn(requests: number): void {
    const { connection } = this.open;
    connection.drainBytes();
    connection.openRings();
    for (let i = 0; i < requests && connection.peekRequest(); i++) {
      const { requestOffset, requestLength, requestId } = connection;
      if (requestLength < 16 || requestLength > RING_DATA_BYTES || requestId === MessageId.DISCONNECT)
        throw new Error(`request of ${requestLength} bytes`);
      connection.u8.copyWithin(requestOffset, requestOffset, requestOffset + requestLength);
      if (connection.claimResponse(24 + (requestLength % 1_000)) >= 0) connection.commitResponse();
      connection.reclaimRequest();
      this.served++;
    }
    connection.releaseRequests();
  }

  get over(): boolean {
    return this.open.connection.fault !== null || this.open.connection.hungUp;
  }

  end(): string[] {
    const { connection, fd } = this.open;
    const states = [`fault ${connection.fault}`, `served ${Math.min(this.served, 3)}`];
    connection.close();
    closeFd(fd);
    return states;
  }
}

export const RINGS_SUBJECT: FuzzSubject = {
  name: 'rings',
  what: 'stories of a client with its three rings and its socket, and of the server that reads them: cut, or served',
  kinds: KINDS,
  fields: (kind) => (kind === WORD ? [2, 6] : kind === CHUNK ? [0, 4, 8] : []),
  dictionary: [0, 1, -1, 16, 4095, 12_328, Magic.COMMITTED, Magic.CONSUMED, Magic.ALLOCATED].map((value) =>
    Uint8Array.from(u32(value)),
  ),
  seeds: () => [
    inputOf([step(CHUNK, [...u32(16), ...u32(3)]), step(TURN, [1]), step(READ), step(TURN, [1])]),
    inputOf([step(CHUNK, [...u32(300), ...u32(1)]), step(EVENT, u32(100)), step(TURN, [7]), step(EVENT, u32(2_900))]),
    ...HEADER_WORDS.map((_, at) =>
      inputOf([
        step(CHUNK, [...u32(40), ...u32(1)]),
        step(TURN, [0]),
        step(WORD, [0, at, ...u32(0), ...u32(-1)]),
        step(CHUNK, [...u32(40), ...u32(1)]),
        step(TURN, [3]),
      ]),
    ),
    inputOf([step(WORD, [0, 200, ...u32(1), ...u32(7)]), step(BYTES, [9]), step(TURN, [1])]),
  ],
  run: (input) => {
    const story = new RingStory();
    for (const { kind, bytes } of stepsOf(input)) {
      story.play(kind % KINDS, bytes);
      if (story.over) break;
    }
    return story.end();
  },
};
