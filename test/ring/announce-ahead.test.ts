import t from 'tap';
import { Arena } from '../../src/os/arena.ts';
import { monotonicMs } from '../../src/os/clock.ts';
import { multicastOf, PracticeClient } from '../../src/ring/cpg/practice-client.ts';
import { Descriptors } from '../../src/ring/descriptors.ts';
import { MemoryNetwork } from '../../src/ring/warm-up/memory-wire.ts';
import { PracticeNode, practiceConfig } from '../../src/ring/warm-up/practice-node.ts';
import { testPort, totemConfig } from './ring-harness.ts';

const NODES = 2;
const ARENA_BYTES = 256 << 20;
const TURNS_MAX = 1_000_000;
const message = multicastOf(64);

/** A network that can be watched: something leaves. */
class WatchedNetwork extends MemoryNetwork {
  leaves: () => void = () => {};

  override *reached(...parameters: Parameters<MemoryNetwork['reached']>): ReturnType<MemoryNetwork['reached']> {
    this.leaves();
    yield* super.reached(...parameters);
  }
}

/** Two nodes of one thread, and a member on the first. */
class Pair {
  readonly arena = Arena.map(ARENA_BYTES);
  readonly descriptors = new Descriptors();
  readonly network = new WatchedNetwork(this.arena);
  readonly nodes: readonly PracticeNode[];
  readonly client: PracticeClient;

  constructor() {
    const config = totemConfig(1, NODES, testPort(0), 'udpu');
    this.nodes = [1, 2].map((id) => {
      const own = practiceConfig(config, id, NODES);
      const node = new PracticeNode(this.arena, this.descriptors, this.network, own, monotonicMs());
      node.open();
      return node;
    });
    this.until(() => this.nodes.every(({ isFormed }) => isFormed));
    this.client = new PracticeClient(this.nodes[0]!.ring, 1, 'group');
    this.until(() => this.takeEvents() > 0); // its join
  }

  /** Events since the last time. */
  takeEvents(): number {
    const { client } = this;
    client.events = 0;
    client.take();
    return client.events;
  }

  until(done: () => boolean): void {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      this.descriptors.wait(0);
      for (const { ring } of this.nodes) ring.turn(monotonicMs());
      if (done()) return;
    }
    throw new Error('it does not come');
  }

  /** The messages come back: was the first of them there when something left this node, or at the end of its turn only? */
  seenAhead(messages: number): boolean {
    let ahead = 0;
    let own = false;
    const { ring } = this.nodes[0]!;
    this.network.leaves = () => {
      if (own) ahead += this.takeEvents();
    };
    this.client.post(message, messages);
    for (let turn = 0, after = 0; ahead + after === 0; turn++) {
      if (turn === TURNS_MAX) throw new Error('no message comes');
      this.descriptors.wait(0);
      own = true;
      ring.turn(monotonicMs());
      own = false;
      after = this.takeEvents();
      this.nodes[1]!.ring.turn(monotonicMs());
    }
    this.network.leaves = () => {};
    return ahead > 0;
  }

  close(): void {
    this.client.hangUp();
    for (const node of this.nodes) node.close();
    this.client.close();
    this.descriptors.close();
    this.arena.unmap();
  }
}

t.test('a client that waits for its message is woken before the message leaves', async (t) => {
  const pair = new Pair();
  for (let i = 0; i < 10; i++) t.ok(pair.seenAhead(1), 'one message');
  t.notOk(pair.seenAhead(10), 'one of ten: the network comes first');
  pair.close();
});
