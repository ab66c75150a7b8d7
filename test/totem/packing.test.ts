import fc from 'fast-check';
import t from 'tap';
import { frameMemory } from '../../src/lib/frame-memory.ts';
import { Assembler } from '../../src/totem/assembler.ts';
import { TotemDrop, type TotemDropReason } from '../../src/totem/drop-reason.ts';
import { GROUP_NAMES, Group } from '../../src/totem/interface.ts';
import { GroupTable } from '../../src/totem/wire/group-header.ts';
import { FuzzNode, FuzzTarget } from '../fuzz/totem-harness.ts';
import { CAPTURES, fromHex } from './hex.ts';

t.setTimeout(600_000); // the machine may be busy

/** What the packer queues for messages of these sizes: bodies of packets, and [k, fragmented, continuation, lengths]. */
function pack(sizes: readonly number[]) {
  const node = new FuzzNode(1, new FuzzTarget());
  const { groups, memory } = node;
  sizes.forEach((size, i) => {
    const payload = new Uint8Array(size).fill(i + 1);
    const ok = groups.beginMessage(Group.SERVICES, size);
    if (!ok) throw new Error('no room');
    // In pieces, as a client's head and body come.
    const cut = Math.min(size, 7);
    groups.append(payload, 0, cut);
    groups.append(payload, cut, size - cut);
    groups.endMessage();
  });
  groups['packer'].flush(true);
  const queue = groups.srp.sendQueue;
  const packets: { body: Uint8Array; shape: [number, number, number, number[]] }[] = [];
  while (queue.length > 0) {
    const at = queue.headOffset + 45;
    const body = memory.bytes.slice(at, queue.headOffset + queue.headLength);
    const view = new DataView(body.buffer);
    const k = view.getUint16(6, true);
    const lengths = Array.from({ length: k }, (_, i) => view.getUint16(8 + 2 * i, true));
    packets.push({ body, shape: [k, body[4]!, body[5]!, lengths] });
    queue.shift();
  }
  return packets;
}

/** Why packets and messages were not delivered, in the test in hand. */
let dropped: TotemDropReason[] = [];

function assemble(bodies: readonly Uint8Array[]): Uint8Array[] {
  const memory = frameMemory(new Uint8Array(70_000));
  const messages: Uint8Array[] = [];
  const assembler = new Assembler(
    memory,
    new GroupTable(GROUP_NAMES),
    0,
    0,
    (_group, _node, from, offset, length) => messages.push(from.bytes.slice(offset, offset + length)),
    (reason) => void dropped.push(reason),
  );
  for (const body of bodies) {
    memory.bytes.set(body, 9);
    assembler.packet(1, 9, body.length, true);
  }
  return messages;
}

t.test('the recorded split of totem.md 5.2', async (t) => {
  const packets = pack([168, 5184]);
  t.same(
    packets.map(({ shape }) => shape),
    [
      [2, 1, 0, [173, 1225]],
      [1, 2, 1, [1400]],
      [1, 3, 2, [1400]],
      [1, 0, 3, [1164]],
    ],
  );
});

t.test('property: what is packed comes out again, whole and in order', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 6000 }), { maxLength: 30 }), (sizes) => {
      const packets = pack(sizes);
      if (packets.some(({ body }) => body.length > 1410)) return false;
      const messages = assemble(packets.map(({ body }) => body));
      return (
        messages.length === sizes.length &&
        messages.every((message, i) => message.length === sizes[i] && message.every((byte) => byte === i + 1))
      );
    }),
    { numRuns: 60 },
  );
});

t.test('the captured packet holds three messages for two groups', async (t) => {
  const frame = fromHex(CAPTURES.mcastPacked);
  const memory = frameMemory(frame);
  const got: string[] = [];
  dropped = [];
  const assembler = new Assembler(
    memory,
    new GroupTable(GROUP_NAMES),
    0,
    0,
    (group, node, _memory, _offset, length) => got.push(`${node} ${group} ${length}`),
    (reason) => void dropped.push(reason),
  );
  assembler.packet(1, 45, frame.length - 45, true);
  t.same(got, ['1 1 32', '1 1 32', '1 0 32']);
  assembler.packet(1, 45, frame.length - 46, true);
  t.same(dropped, [TotemDrop.BAD_PACKET], 'the length must be exact (totem.md trap 43)');
});

t.test('throw-away rule (totem.md 5.3)', async (t) => {
  const packets = pack([1000, 3000, 100]).map(({ body }) => body);
  // 1000 | head of 3000 · middle · tail of 3000 | 100
  t.equal(packets.length, 3);
  t.same(
    assemble(packets).map((message) => message.length),
    [1000, 3000, 100],
  );
  t.same(
    assemble(packets.slice(1)).map((message) => message.length),
    [],
    'a newcomer drops the whole packet of the tail, the complete message in it too',
  );
  const next = pack([50]).map(({ body }) => body);
  t.same(
    assemble([...packets.slice(1), ...next]).map((message) => message.length),
    [50],
    'recovery comes with the packet behind one whose fragmented is 0',
  );
});

/** A node with its packets queued; what `sent` of them would do to an assembler, and what the queue holds then. */
function halfSentNode(sizes: readonly number[], sent: number) {
  const node = new FuzzNode(1, new FuzzTarget());
  const { groups, memory } = node;
  for (const size of sizes) groups.mcast(Group.SERVICES, new Uint8Array(size).fill(size & 0xff), 0, size);
  groups['packer'].flush(true);
  const queue = groups.srp.sendQueue;
  const take = (): Uint8Array => {
    const body = memory.bytes.slice(queue.headOffset + 45, queue.headOffset + queue.headLength);
    queue.shift();
    return body;
  };
  const onTheRing = Array.from({ length: sent }, take);
  groups['assembler'].useTransitional(false);
  for (const body of onTheRing) {
    memory.bytes.set(body, 9);
    groups['assembler'].packet(1, 9, body.length, true);
  }
  const rest = (): Uint8Array[] => Array.from({ length: queue.length }, take);
  return { groups, queue, onTheRing, rest, begun: groups['assembler'].unfinishedOf(1) };
}

const lengths = (messages: readonly Uint8Array[]) => messages.map((message) => message.length);

t.test('a half-sent message is sent again as a whole: old members and new ones get it once', async (t) => {
  const LARGE = 600_000; // the numbers of its fragments begin anew
  for (const [sizes, sent] of [
    [[100, 3000, 50], 1],
    [[100, 3000, 50], 2],
    [[1395, 3000, 50], 2],
    [[LARGE, 50], 1],
    [[LARGE, 50], 255],
    [[LARGE, 50], 256],
    [[LARGE, 50], 400],
  ] as const) {
    const { groups, queue, onTheRing, rest, begun } = halfSentNode(sizes, sent);
    const queued = queue.length;
    t.equal(groups['halfSent'].sendAgain(queue, begun), true, `${sizes}: ${sent} packets sent`);
    t.equal(groups['halfSent'].sendAgain(queue, begun), false, 'only once');
    const bodies = rest();
    t.ok(bodies.length <= queued + sent + 1, 'no more packets than have been sent, and the reset');
    t.ok(bodies.every((body) => body.length <= 1410));
    const before = lengths(assemble(onTheRing));
    t.same(lengths(assemble([...onTheRing, ...bodies])), sizes, 'who knows the beginning gets each message once');
    t.same(lengths(assemble(bodies)), sizes.slice(before.length), 'a newcomer gets all that was not complete');
    const late = assemble([...onTheRing, ...bodies]).at(before.length)!;
    t.ok(late.every((byte) => byte === (late.length & 0xff)));
  }
});

t.test('without memory, or without its beginning, a half-sent message stays as it is', async (t) => {
  const { groups, queue, begun } = halfSentNode([100, 30_000, 50], 15);
  const queued = queue.length;
  t.equal(groups['halfSent'].sendAgain(queue, null), false);
  t.equal(groups['halfSent'].sendAgain(queue, { ...begun!, lastFragment: 3 }), false);
  t.equal(groups['halfSent'].sendAgain(queue, { ...begun!, length: 10 }), false);
  const { pool } = groups.srp;
  const pages = pool.pagesFree;
  const taken: number[] = [];
  const fill = (): void => {
    for (let at = pool.alloc(1400); at >= 0; at = pool.alloc(1400)) taken.push(at);
  };
  fill();
  t.equal(groups['halfSent'].sendAgain(queue, begun), false);
  t.equal(queue.length, queued);
  // Room for a part of it is no room; what was taken comes back.
  const enough = 16; // the reset and what was sent
  for (let given = 1; given < enough; given++) {
    pool.free(taken.pop()!);
    t.equal(groups['halfSent'].sendAgain(queue, begun), false, `room for ${given}`);
  }
  for (const at of taken) pool.free(at);
  t.equal(pool.pagesFree, pages, 'no slot was lost meanwhile');
  t.equal(groups['halfSent'].sendAgain(queue, begun), true);
});

t.test('the rest of a half-sent message gets a packet of its own', async (t) => {
  const node = new FuzzNode(1, new FuzzTarget());
  const { groups, memory } = node;
  for (const size of [1000, 3000, 100, 2000])
    groups.mcast(Group.SERVICES, new Uint8Array(size).fill(size & 0xff), 0, size);
  groups['packer'].flush(true);
  const queue = groups.srp.sendQueue;
  queue.shift(); // the head of the second message is on the ring
  groups['halfSent'].isolate(queue);
  const bodies: Uint8Array[] = [];
  while (queue.length > 0) {
    bodies.push(memory.bytes.slice(queue.headOffset + 45, queue.headOffset + queue.headLength));
    queue.shift();
  }
  t.same(
    assemble(bodies).map((message) => message.length),
    [100, 2000],
    'a newcomer gets everything behind it',
  );
});

t.test('a message that would overflow every reassembly buffer is thrown away, alone', async (t) => {
  // Fragments without end: stock aborts (totem.md trap 45).
  const fragment = new Uint8Array(8 + 2 + 60_000);
  const view = new DataView(fragment.buffer);
  view.setUint16(6, 1, true);
  view.setUint16(8, 60_000, true);
  const bodies: Uint8Array[] = [];
  for (let i = 0; i < 40; i++) {
    fragment[4] = i + 1;
    fragment[5] = i;
    bodies.push(fragment.slice());
  }
  t.same(assemble([...bodies, ...pack([10]).map(({ body }) => body)]).length, 0);
  const last = fragment.slice();
  last[4] = 0;
  last[5] = 40;
  t.same(assemble([...bodies, last, ...pack([10]).map(({ body }) => body)]).length, 1);
});
