import { randomBytes } from 'node:crypto';
import type { PacketBatch } from '../src/knet/crypto.ts';
import { wireLength } from '../src/knet/mtu.ts';
import { Arena } from '../src/os/arena.ts';
import { closeFd } from '../src/os/fd.ts';
import { encodeSockaddr, SOCKADDR_BYTES_MAX, SOCKADDR_IN_BYTES } from '../src/os/sockaddr.ts';
import { ReceiveBatch } from '../src/transport/datagram/receive-batch.ts';
import { SendBatch } from '../src/transport/datagram/send-batch.ts';
import { OpensslProvider } from '../src/transport/knet/crypto-provider.ts';
import { openUdpSocket } from '../src/transport/udp-socket.ts';
import { toolOptions } from '../test/tool-options.ts';
import { costs } from './bench.ts';
import { history, type Row } from './history.ts';

/**
 * What cannot be saved of a message, beside what it takes: the daemon of the sending node copies it out of the client's ring and into
 * the event ring, encrypts it, and hands it to the kernel for each other node. Each part is measured alone, in this process, by CPU time;
 * beside them stand the newest figures of perf/history.
 *
 *   node dist/perf/floor.js
 */
toolOptions(
  'node dist/perf/floor.js: what of a message is copies, encryption and the kernel, by size, beside the newest figures of perf/history; no options',
  {},
);
const SIZES = [64, 1400, 10_000, 100_000] as const;
/** Payload of a datagram of knet on an interface of 1500 bytes; more of them leave as one message that the kernel cuts. */
const PACKET_BYTES = 1400;
const PACKETS = 40;
const PORT = 27_406;
/** Larger than the last level of most processors' own caches: what is copied has been written by another processor. */
const COPIED_BYTES = 8 << 20;
const ROUNDS = 400;

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** One copy of so many bytes, each time of others. */
function copyUs(bytes: number): number {
  const from = Arena.map(COPIED_BYTES).u8.fill(1);
  const to = Arena.map(COPIED_BYTES).u8;
  let at = 0;
  const run = (): void => {
    at = at + 2 * bytes > COPIED_BYTES ? 0 : at + bytes;
    to.set(from.subarray(at, at + bytes), at);
  };
  return costs({ run }).get('run')?.medianUs ?? Number.NaN;
}

interface DatagramCost {
  readonly sendUs: number;
  readonly receiveUs: number;
}

/** Packets over loopback, as many in a call as the kernel takes; what sending one costs, and receiving it. */
function datagramUs(): DatagramCost {
  const arena = Arena.map(8 << 20);
  const name = arena.allocate(SOCKADDR_BYTES_MAX);
  const counter = { values: new Float64Array(1), slot: 0 };
  const open = (port: number): number =>
    openUdpSocket(arena, name, {
      address: '127.0.9.9',
      port,
      scopeId: 0,
      bufferBytes: 4 << 20,
      configure: () => {},
    });
  const [sender, receiver] = [open(PORT), open(PORT + 1)];
  const first = arena.allocate(SOCKADDR_BYTES_MAX);
  encodeSockaddr(arena.u8, first, '127.0.9.9', PORT + 1);
  const destinations = { first, count: 1, nameBytes: SOCKADDR_IN_BYTES, strideBytes: SOCKADDR_BYTES_MAX };
  const batch = new SendBatch(
    arena,
    () => sender,
    () => destinations,
    counter,
  );
  const received = new ReceiveBatch(arena, 16, counter);
  const frames = arena.allocate(PACKETS * PACKET_BYTES);
  let [sending, receiving, packets] = [0, 0, 0];
  try {
    for (let round = 0; round < 2 * ROUNDS; round++) {
      if (round === ROUNDS) [sending, receiving, packets] = [0, 0, 0];
      const start = cpuUs();
      for (let i = 0; i < PACKETS; i++) batch.multicast(frames + i * PACKET_BYTES, PACKET_BYTES);
      batch.flush();
      const sent = cpuUs();
      while (received.receive(receiver) > 0) while (received.next()) packets++;
      sending += sent - start;
      receiving += cpuUs() - sent;
    }
  } finally {
    closeFd(sender);
    closeFd(receiver);
  }
  return { sendUs: sending / packets, receiveUs: receiving / packets };
}

/** Sealing a packet with aes256 and sha256, by the fastest engine that this processor has. */
function sealUs(): { readonly us: number; readonly engine: string } {
  const slot = Math.ceil((PACKET_BYTES + 128) / 64) * 64;
  const arena = Arena.map(2 * PACKETS * slot);
  const batch: PacketBatch = {
    offset: Int32Array.from({ length: PACKETS }, (_, i) => i * slot),
    length: new Int32Array(PACKETS),
    plainOffset: new Int32Array(PACKETS),
    plainLength: new Int32Array(PACKETS),
  };
  const suite = new OpensslProvider(arena, { best: 'multi-block' }).load('aes256', 'sha256', randomBytes(256));
  const run = (): void => {
    batch.length.fill(PACKET_BYTES);
    suite.seal(batch, 0, PACKETS);
  };
  const us = (costs({ run }).get('run')?.bestUs ?? Number.NaN) / PACKETS;
  const { engine } = suite;
  if (wireLength(suite, PACKET_BYTES) <= PACKET_BYTES) throw new Error('nothing was sealed');
  suite.wipe();
  return { us, engine };
}

/** The newest figure of both in a ring on a quiet machine. */
function measured(
  nodes: number,
  dress: string,
  bytes: number,
): { readonly ours: number; readonly stock: number } | null {
  const isIt = (row: Row): boolean =>
    row.nodes === nodes && row.dress === dress && row.condition === 'quiet' && row.what === `${bytes} B`;
  const row = history()
    .flatMap(({ rows }) => rows.filter((one) => isIt(one) && 'perSecond' in one.ours))
    .at(-1);
  const [ours, stock] = [row?.ours['cpuUs']?.median, row?.stock['cpuUs']?.median];
  return ours === undefined || stock === undefined ? null : { ours, stock };
}

const digits = (value: number): string => String(Number(value.toPrecision(3)));
const seal = sealUs();
const datagram = datagramUs();
console.log(`A packet of ${PACKET_BYTES} bytes: sealing ${digits(seal.us)} µs (${seal.engine}), sending ${digits(datagram.sendUs)} µs and receiving ${digits(datagram.receiveUs)} µs in runs of ${PACKETS}.

| nodes | transport | bytes | two copies, µs | sealing, µs | sending, µs | floor, µs | ours, µs of CPU a message | stock | ours : floor |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |`);
for (const [nodes, dress] of [
  [1, 'knet'],
  [3, 'knet'],
  [3, 'secure'],
] as const) {
  for (const bytes of SIZES) {
    const packets = bytes / PACKET_BYTES;
    const copies = 2 * copyUs(bytes);
    const sealing = dress === 'secure' ? packets * seal.us : 0;
    const sending = (nodes - 1) * packets * datagram.sendUs;
    const floor = copies + sealing + sending;
    const figures = measured(nodes, dress, bytes);
    const cells = [copies, sealing, sending, floor].map(digits);
    const beside = figures === null ? ['', '', ''] : [figures.ours, figures.stock, figures.ours / floor].map(digits);
    console.log(`| ${[nodes, dress, bytes, ...cells, ...beside].join(' | ')} |`);
  }
}
