import t from 'tap';
import { Arena } from '../../src/os/arena.ts';
import { monotonicMs } from '../../src/os/clock.ts';
import { multicastOf, PracticeClient } from '../../src/ring/cpg/practice-client.ts';
import { Descriptors } from '../../src/ring/descriptors.ts';
import { REST_MS } from '../../src/ring/rest-control.ts';
import type { RunningRing } from '../../src/ring/running-ring.ts';
import { MemoryNetwork } from '../../src/ring/warm-up/memory-wire.ts';
import { PracticeNode, practiceConfig, practiceEnvironment } from '../../src/ring/warm-up/practice-node.ts';
import { testPort, totemConfig } from './ring-harness.ts';

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

/** Nodes of one thread, and a member on the first. */
class Nodes {
  readonly arena = Arena.map(ARENA_BYTES);
  readonly descriptors = new Descriptors();
  readonly network = new WatchedNetwork(this.arena);
  readonly nodes: readonly PracticeNode[];
  readonly client: PracticeClient;

  constructor(count: number) {
    const config = totemConfig(1, count, testPort(0), 'udpu');
    this.nodes = Array.from({ length: count }, (_, i) => {
      const own = practiceConfig(config, i + 1, count);
      const environment = practiceEnvironment(this.arena, this.descriptors, this.network, own, monotonicMs());
      const node = new PracticeNode(environment, own, monotonicMs());
      node.open();
      return node;
    });
    this.until(() =>
      this.nodes.every(({ ring }) => ring.groups.srp.members.length === count && !ring.sync.isInProgress()),
    );
    this.client = new PracticeClient(this.nodes[0]!.ring, 1, 'group');
    this.until(() => this.takeEvents() > 0); // its join
  }

  get first(): RunningRing {
    return this.nodes[0]!.ring;
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
    const ring = this.first;
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
      for (const other of this.nodes.slice(1)) other.ring.turn(monotonicMs());
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
  const nodes = new Nodes(2);
  for (let i = 0; i < 10; i++) t.ok(nodes.seenAhead(1), 'one message');
  t.notOk(nodes.seenAhead(10), 'one of ten: the network comes first');
  nodes.close();
});

t.test(
  'a node alone goes on with its token, or leaves the processor for a moment to the client that it has woken',
  async (t) => {
    const nodes = new Nodes(1);
    const { first } = nodes;
    let rests = 0;
    for (let i = 0; i < 100; i++) {
      nodes.client.post(message, 1);
      nodes.until(() => nodes.takeEvents() > 0);
      const restMs = first.nextDeadlineMs() - monotonicMs();
      t.ok(restMs <= REST_MS, `${restMs} ms: not for long`);
      if (first.drained && restMs > 0) rests++;
      nodes.until(() => !first.transport.hasLocalInput()); // thirty rotations, then the token is held
    }
    t.ok(rests > 0 && rests < 100, `${rests} rests of 100: both ways are tried`);
    nodes.close();
  },
);
