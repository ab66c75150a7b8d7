import t from 'tap';
import { seeded } from './fake-clock.ts';
import type { FakeConnection } from './fake-node.ts';
import { hostileNode, requestSeeds, ringSeeds } from './hostile-node.ts';

/**
 * Bytes from the ring and from clients are hostile: whatever they are, no engine may throw (that would stop it), hang, or
 * grow without bound. Captured messages of stock are mutated and thrown at a node with every engine.
 * `RONDO_FUZZ_RUNS` for more than the usual number.
 */
t.setTimeout(0);
/** Longer than anybody is waited for. */
const SLOW_NODE_MS = 40_000;
const RUNS = Number(process.env['RONDO_FUZZ_RUNS'] ?? 30_000);

/** Flips bits, writes extreme numbers, cuts, lengthens. */
function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  const pick = (count: number): number => Math.floor(random() * count);
  const extremes = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
  let mutated = bytes.slice();
  for (let i = pick(4); i >= 0; i--) {
    const view = new DataView(mutated.buffer);
    const choice = random();
    if (choice < 0.4 && mutated.length > 0) mutated[pick(mutated.length)]! ^= 1 << pick(8);
    else if (choice < 0.8 && mutated.length >= 4)
      view.setUint32(Math.min(pick(mutated.length) & ~3, mutated.length - 4), extremes[pick(extremes.length)]!, true);
    else if (choice < 0.9) mutated = mutated.slice(0, pick(mutated.length + 1));
    else {
      const longer = new Uint8Array(mutated.length + pick(64));
      longer.set(mutated);
      mutated = longer;
    }
  }
  return mutated;
}

t.test('messages of the ring', async (t) => {
  t.setTimeout(0);
  const { ring, node } = await hostileNode();
  const random = seeded(1);
  const seeds = ringSeeds();
  for (let run = 0; run < RUNS; run++) {
    const message = mutate(seeds[Math.floor(random() * seeds.length)]!, random);
    node.host.deliver(1 + Math.floor(random() * 4), message);
    if (run % 1000 === 999) {
      ring.partition([1]);
      ring.advance(100);
      node.logs.length = 0;
    }
  }
  t.same(node.failures, []);
  ring.partition([1]); // the last messages may have held the ring for a reload or a slow node
  ring.advance(SLOW_NODE_MS);
  t.equal(node.host.syncInProgress, false);
  t.ok(node.info(1).size > 0, 'still responds');
});

t.test('requests of clients', async (t) => {
  t.setTimeout(0);
  const { ring, node } = await hostileNode();
  const random = seeded(2);
  const seeds = requestSeeds();
  const clients = new Map<number, FakeConnection>();
  for (let run = 0; run < RUNS; run++) {
    const { service, bytes } = seeds[Math.floor(random() * seeds.length)]!;
    let client = clients.get(service);
    if (client === undefined || random() < 0.01) {
      client?.close();
      client = node.connect(service);
      clients.set(service, client);
    }
    node.host.request(service, client, mutate(bytes, random));
    client.responses.length = 0;
    client.events.length = 0;
    if (run % 1000 === 999) {
      ring.advance(100);
      node.logs.length = 0;
    }
  }
  t.same(node.failures, []);
  ring.partition([1]);
  ring.advance(SLOW_NODE_MS);
  t.equal(node.host.syncInProgress, false);
});
