import t from 'tap';
import { Arena } from '../../src/os/arena.ts';
import { Descriptors } from '../../src/ring/descriptors.ts';
import { MemoryNetwork } from '../../src/ring/warm-up/memory-wire.ts';
import { PracticeNode, practiceConfig, practiceEnvironment } from '../../src/ring/warm-up/practice-node.ts';
import { testPort, totemConfig } from './ring-harness.ts';

const NOW_MS = 1000;

for (const transport of ['udpu', 'udp'] as const) {
  t.test(
    `a ring over ${transport} looks for its interface in its first turn, in which no time has passed`,
    async (t) => {
      const network = new MemoryNetwork(Arena.map(64 << 20));
      const config = practiceConfig(totemConfig(1, 1, testPort(0), transport), 1, 1);
      const environment = practiceEnvironment(network.arena, new Descriptors(), network, config, NOW_MS);
      const node = new PracticeNode(environment, config, NOW_MS);
      const { ring } = node;
      node.open();
      t.ok(ring.transport.nextDeadlineMs() <= NOW_MS, 'the loop does not sleep before');
      t.equal(network.ends.size, 0, 'no socket yet');
      ring.turn(NOW_MS);
      t.not(network.ends.size, 0, 'sockets are open');
      t.equal(ring.groups.srp.phase, 'gather', 'and Totem looks for others');
      node.close();
    },
  );
}
