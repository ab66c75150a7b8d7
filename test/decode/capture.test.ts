import t from 'tap';
import { type CaptureRest, Datagrams, Decoder, readCapture, Story } from '../../src/decode/index.ts';
import { PacketType } from '../../src/knet/constants.ts';
import { writeDataHeader } from '../../src/knet/data-packet.ts';
import { writePing } from '../../src/knet/ping-packet.ts';
import { frameMemory } from '../../src/lib/frame-memory.ts';
import { encodeJoin } from '../../src/totem/wire/join.ts';
import { encodeOrfToken, OrfToken } from '../../src/totem/wire/orf-token.ts';

const u16 = (value: number): number[] => [value >>> 8, value & 255];
const u32le = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];

function udp(payload: Uint8Array): number[] {
  return [...u16(5405), ...u16(5405), ...u16(8 + payload.length), 0, 0, ...payload];
}

function ipv4(body: readonly number[], offset = 0, more = false, id = 7): number[] {
  const flags = (more ? 0x2000 : 0) | (offset >> 3);
  return [
    0x45,
    0,
    ...u16(20 + body.length),
    ...u16(id),
    ...u16(flags),
    64,
    17,
    0,
    0,
    10,
    0,
    0,
    1,
    10,
    0,
    0,
    2,
    ...body,
  ];
}

function ipv6(body: readonly number[], fragment: readonly number[] = []): number[] {
  const next = fragment.length === 0 ? 17 : 44;
  const address = (last: number): number[] => [0xfd, 0, ...new Array<number>(13).fill(0), last];
  return [
    0x60,
    0,
    0,
    0,
    ...u16(body.length + fragment.length),
    next,
    64,
    ...address(1),
    ...address(2),
    ...fragment,
    ...body,
  ];
}

const ETHERNET = [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 7];

function pcap(
  link: number,
  packets: readonly (readonly number[])[],
  wire: (bytes: number) => number = (bytes) => bytes,
): Uint8Array {
  const head = [...u32le(0xa1b2c3d4), 2, 0, 4, 0, ...u32le(0), ...u32le(0), ...u32le(65535), ...u32le(link)];
  const records = packets.flatMap((packet, i) => [
    ...[1000 + i, 500_000, packet.length, wire(packet.length)].flatMap(u32le),
    ...packet,
  ]);
  return Uint8Array.from([...head, ...records]);
}

function pcapng(link: number, packet: readonly number[]): Uint8Array {
  const block = (type: number, body: readonly number[]): number[] => {
    const padded = [...body, ...new Array<number>((4 - (body.length % 4)) % 4).fill(0)];
    const length = u32le(12 + padded.length);
    return [...u32le(type), ...length, ...padded, ...length];
  };
  const nanoseconds = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
  const time = 1_000_500_000_000n;
  return Uint8Array.from([
    ...block(0x0a0d0d0a, [...u32le(0x1a2b3c4d), 1, 0, 0, 0, ...new Array<number>(8).fill(255)]),
    ...block(5, u32le(0)),
    ...block(1, [...u16(link).reverse(), 0, 0, ...u32le(0), ...nanoseconds]),
    ...block(
      6,
      [0, Number(time >> 32n), Number(time & 0xffff_ffffn), packet.length, packet.length].flatMap(u32le).concat(packet),
    ),
  ]);
}

function read(file: Uint8Array) {
  let at = 0;
  const rest: CaptureRest = { problem: null };
  const datagrams = new Datagrams();
  const decoder = new Decoder([]);
  const story = new Story();
  const facts: string[] = [];
  const times: number[] = [];
  const source = {
    name: 'FILE',
    take(count: number): Uint8Array {
      at += count;
      return file.subarray(at - count, Math.min(at, file.length));
    },
  };
  for (const packet of readCapture(source, rest)) {
    const datagram = datagrams.read(packet);
    for (const fact of datagram === null ? [] : decoder.read(datagram)) {
      facts.push(`${fact.packet.from} ${fact.kind} ${fact.text}`);
      times.push(fact.packet.timeMs);
      story.take(fact);
    }
  }
  const { counts } = decoder;
  decoder.close();
  return { facts, times, rest, counts: { ...datagrams.counts, ...counts }, story };
}

function join(): Uint8Array {
  const { bytes, view } = frameMemory(new Uint8Array(200));
  return bytes.subarray(0, encodeJoin(view, 0, { leave: false, systemFrom: 1, ringSeq: 8, proc: [1, 2], failed: [2] }));
}

function token(missing: readonly number[] = []): Uint8Array {
  const { bytes, view } = frameMemory(new Uint8Array(1500));
  const from = new OrfToken();
  from.ringRep = 1;
  from.ringSeq = 8;
  from.rtrCount = missing.length;
  from.rtrSeq.set(missing);
  return bytes.subarray(0, encodeOrfToken(view, 0, 1, from));
}

const JOIN = /^10\.0\.0\.1 join JOIN: node 1 wants a ring of 1 2, failed: 2, its last ring has the number 8$/;

t.test('every kind of link', async (t) => {
  const packet = ipv4(udp(join()));
  const sll = [0, 0, 0, 1, 0, 6, ...new Array<number>(8).fill(0), 8, 0];
  const sll2 = [8, 0, ...new Array<number>(18).fill(0)];
  const links: readonly (readonly [number, readonly number[]])[] = [
    [1, [...ETHERNET, 8, 0]],
    [1, [...ETHERNET, 0x81, 0, 0, 5, 8, 0]],
    [113, sll],
    [276, sll2],
    [101, []],
    [0, [2, 0, 0, 0]],
  ];
  for (const [link, head] of links) {
    t.match(read(pcap(link, [[...head, ...packet]])).facts[0], JOIN, `link type ${link}`);
    const ng = read(pcapng(link, [...head, ...packet]));
    t.match(ng.facts[0], JOIN, `link type ${link}, pcapng`);
    t.same(ng.times, [1_000_500]);
  }
  t.equal(read(pcap(127, [packet])).counts.unknownLink, 1);
  t.match(read(pcap(101, [ipv6(udp(join()))])).facts[0], /^fd00::1 join /);
});

t.test('fragments of IPv4 and IPv6 in any order', async (t) => {
  const whole = udp(join());
  const [first, last] = [whole.slice(0, 24), whole.slice(24)];
  t.match(read(pcap(101, [ipv4(last, 24), ipv4(first, 0, true)])).facts[0], JOIN);
  const fragment = (offset: number, more: number): number[] => [17, 0, ...u16(offset | more), 0, 0, 0, 9];
  t.match(read(pcap(101, [ipv6(first, fragment(0, 1)), ipv6(last, fragment(24, 0))])).facts[0], /^fd00::1 join /);
  t.same(read(pcap(101, [ipv4(first, 0, true)])).facts, []);
});

t.test('damage is named', async (t) => {
  const file = pcap(101, [ipv4(udp(join()))]);
  t.match(read(file.subarray(0, file.length - 1)).rest.problem, /ends in the middle of packet 1/);
  t.throws(() => read(new Uint8Array(30)), /FILE is no pcap or pcapng file: it begins with 00000000/);
  t.throws(() => read(new Uint8Array(3)), /fewer bytes than a header/);
  const cut = read(pcap(101, [ipv4(udp(join())).slice(0, 40)], (bytes) => bytes + 33));
  t.match(cut.facts, [/cut by the capture after 12 of 45 bytes/]);
  const short = join().subarray(0, 40);
  t.match(read(pcap(101, [ipv4(udp(short))])).facts, [/damaged a JOIN that no node would take: SHORT/]);
  const stranger = read(pcap(101, [ipv4(udp(new Uint8Array(40).fill(9)))]));
  t.match(stranger.facts, [/sealed 40 bytes that are no packet of a ring in clear/]);
  t.equal(stranger.counts.unopened.get(5405), 1);
});

t.test('knet in clear: pieces, copies, PINGs; datagrams that went to the kernel as one', async (t) => {
  const frame = join();
  const piece = (seq: number, count: number, number: number, bytes: Uint8Array): number[] => {
    const memory = frameMemory(new Uint8Array(14 + bytes.length));
    writeDataHeader(memory, 0, 1, seq, 0, true, count, number, 0);
    memory.bytes.set(bytes, 14);
    return [...memory.bytes];
  };
  const size = Math.ceil(frame.length / 2);
  const pieces = [frame.subarray(0, size), frame.subarray(size)].map((bytes, i) => piece(5, 2, i + 1, bytes));
  const packets = pieces.map((bytes) => ipv4(udp(Uint8Array.from(bytes))));
  t.match(read(pcap(101, [packets[1]!, packets[0]!])).facts, [JOIN]);
  const two = [...piece(1, 1, 0, frame), ...piece(2, 1, 0, token([4, 5]))];
  const both = read(pcap(101, [ipv4(udp(Uint8Array.from(two)))]));
  t.equal(both.facts.length, 1, 'pieces are of equal size but for the last, which is shorter');
  const run = read(pcap(101, [ipv4(udp(Uint8Array.from([...piece(1, 1, 0, frame), ...piece(2, 1, 0, frame)])))]));
  t.match(run.facts, [JOIN, JOIN]);
  t.equal(
    read(
      pcap(101, [ipv4(udp(Uint8Array.from(piece(1, 1, 0, frame)))), ipv4(udp(Uint8Array.from(piece(1, 1, 0, frame))))]),
    ).facts.length,
    2,
  );
  const ping = frameMemory(new Uint8Array(26));
  writePing(ping, 0, 3, 1, 1000, 77, true);
  t.match(read(pcap(101, [ipv4(udp(ping.bytes))])).facts, [/ping PING of node 3 on link 1, newest message number 77/]);
  t.equal(ping.bytes[1], PacketType.PING);
});

t.test('the story', async (t) => {
  const packets = [token(), token([7, 8]), join()].map((frame) => ipv4(udp(frame)));
  const { story } = read(pcap(101, packets));
  t.match(
    story.entries.map(({ text }) => text),
    [
      'the token of ring 1.8 goes round',
      /node 1 sends the token again/,
      'the token of node 1 asks for messages 7 8 of ring 1.8',
      /^JOIN: .* \(1000 ms after the last token\)$/,
    ],
  );
  t.match(story.finish().rings, [
    /^ring 1\.8: 1 token of node 1 in 1\.000 s; no messages, 0 sent again, 1 token sent again$/,
  ]);
});
