import t from 'tap';
import { Explorer, STARTS, type Start } from './explorer.ts';
import type { ModelNode } from './model-node.ts';

t.setTimeout(600_000); // the machine may be busy

/** `npm run model -- --depth N` goes deeper. */
const EVENTS = Number(process.env['MODEL_EVENTS'] ?? 50_000);

for (const start of STARTS) {
  t.test(`every interleaving, from ${start}`, async (t) => {
    const { violation, complete, events, settled } = new Explorer(start, { depth: 12, eventsMax: EVENTS }).run();
    t.same(violation, null, `${events} events, complete to depth ${complete}`);
    t.ok(complete >= 3, 'some depth was seen as a whole');
    t.ok(settled > 0, 'a ring forms from what was seen');
  });
}

/** Replaces a variable of the protocol. */
const override = (part: object, key: string, get: () => unknown): void =>
  void Object.defineProperty(part, key, { get, set: () => {}, configurable: true });

interface Bug {
  readonly name: string;
  readonly start: Start;
  readonly plant: (node: ModelNode) => void;
}

const BUGS: readonly Bug[] = [
  { name: 'ring ids come again', start: 'a ring', plant: ({ state }) => override(state, 'ringSeqMax', () => 5) },
  {
    name: 'a ring is made without the votes of its members',
    start: 'a ring',
    plant: ({ state }) => override(state.membership, 'consensus', () => state.membership.proc),
  },
  {
    name: 'who does not agree is waited for without end',
    start: 'three alone',
    plant: ({ state }) => override(state.membership, 'failed', () => []),
  },
  {
    name: 'the transitional set has nodes of another ring',
    start: 'a ring and one alone',
    plant: ({ state: { membership } }) => override(membership, 'transMemb', () => membership.newMemb),
  },
  {
    name: 'one node leaves messages out',
    start: 'a ring with messages',
    plant: ({ id, state: { user, memory } }) => {
      const { deliverPacket } = user;
      user.deliverPacket = (from, offset, length, littleEndian) => {
        if (id !== 3 || memory.bytes[offset + length - 1] !== 'd'.charCodeAt(0))
          deliverPacket(from, offset, length, littleEndian);
      };
    },
  },
];

for (const { name, start, plant } of BUGS) {
  t.test(`planted: ${name}`, async (t) => {
    const { violation, events } = new Explorer(start, { depth: 9, eventsMax: 100_000, spoil: plant }).run();
    t.not(violation, null, `found after ${events} events: ${violation?.text.slice(0, 80)}`);
    t.comment(violation?.path.join(' / ') ?? 'not found');
  });
}
