import t from 'tap';
import type { RingHeap } from '../../src/bridge/messages.ts';
import { StateWord } from '../../src/bridge/shared-layout.ts';
import { CPG_MCAST } from '../../src/services/codec/cpg.ts';
import { TestRing, testPort, totemConfig } from './ring-harness.ts';
import { listenForCpg, RawCpgClient } from './test-client.ts';

const MESSAGES = 1_000_000;
const WARM_UP = 150_000;
/** The million is measured in parts: one in which a collection happened means nothing, and is measured again. V8 collects by the clock, too. */
const PARTS = 20;
const PARTS_MAX = 3 * PARTS;
const YOUNG_GENERATION_MB = 256;
/**
 * Nothing is allocated for a message or a frame. A turn of the loop, which handles dozens of messages here, puts some numbers
 * (times, addresses) into boxes: about 150 bytes. One object per message would be 20 bytes and more, one per frame 4 more.
 */
const BYTES_PER_MESSAGE_MAX = 8;
const BYTES_PER_TURN_MAX = 400;
/** What is left of a message's own: a number in a field now and then. */
const BYTES_PER_MESSAGE_IN_TURN = 2;

async function pump(client: RawCpgClient, request: Uint8Array, messages: number): Promise<void> {
  const start = client.events;
  let posted = 0;
  for (;;) {
    client.take();
    if (client.events - start >= messages) return; // a starved ring that forms anew sends events to the client, too
    // Not more than the event ring holds, or events take the slow way through memory.
    const room = Math.min(messages - posted, 2000 - (posted - (client.events - start)));
    const sent = room > 0 ? client.post(request, room) : 0;
    posted += sent;
    if (sent === 0) await new Promise(setImmediate);
  }
}

t.test('a million messages allocate nothing on the ring thread', { timeout: 180_000 }, async (t) => {
  const instance = `alloc-${process.pid}`;
  const ring = new TestRing({}, { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB });
  ring.start(totemConfig(1, 1, testPort(0)));
  await ring.synced([1]);
  const listener = listenForCpg(ring, instance);
  const client = await RawCpgClient.connect(instance);
  t.equal(await client.join('grp'), 1);
  await ring.until('own join', () => client.take() > 0 || client.events > 0).catch(() => client.take());
  const data = new Uint8Array(64);
  const request = CPG_MCAST.message({ guarantee: 2, messageBytes: data.length }, data);
  client.events = 0;
  await pump(client, request, WARM_UP);
  const allocated: number[] = [];
  const perTurn: number[] = [];
  const messagesPerTurn: number[] = [];
  const turns = (): number => ring.bridge.views.state[StateWord.LOOP_TURNS]!;
  let before = ((await ring.query('heap')) as RingHeap).usedBytes;
  for (let part = 0; part < PARTS_MAX && allocated.length < PARTS; part++) {
    const startTurns = turns();
    await pump(client, request, MESSAGES / PARTS);
    const after = ((await ring.query('heap')) as RingHeap).usedBytes;
    if (after >= before) {
      allocated.push((after - before) / (MESSAGES / PARTS));
      const turned = turns() - startTurns;
      perTurn.push((after - before) / turned);
      messagesPerTurn.push(MESSAGES / PARTS / turned);
    }
    before = after;
  }
  t.comment(`bytes per message: ${allocated.map((bytes) => bytes.toFixed(2)).join(' ')}`);
  t.equal(allocated.length, PARTS, 'hardly any collection');
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  t.ok(mean(allocated) <= BYTES_PER_MESSAGE_MAX, `${mean(allocated)} bytes per message`);
  // A turn that handles more messages may cost what they cost.
  const each = mean(messagesPerTurn);
  t.ok(
    mean(perTurn) <= BYTES_PER_TURN_MAX + each * BYTES_PER_MESSAGE_IN_TURN,
    `${mean(perTurn)} bytes per turn of ${each} messages`,
  );
  client.close();
  listener.close();
  await ring.stop();
});
