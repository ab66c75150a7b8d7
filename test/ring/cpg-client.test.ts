import t from 'tap';
import { LocalMemory } from '../../src/ipc/local-memory.ts';
import { EventBudget } from '../../src/ipc/server/event-queue.ts';
import { LocalConnection } from '../../src/ipc/server/local-connection.ts';
import { AttachedCpgClient } from '../../src/ring/cpg/cpg-client.ts';
import { ServiceId } from '../../src/services/codec/ids.ts';
import { ToyCluster } from '../services/cpg/toy-cluster.ts';

const MESSAGE_BYTES = 65_536;
const EVENT_BYTES = 60_000;

t.test('events that wait are written in the queue; of its memory a client keeps nothing', async (t) => {
  const [node] = new ToyCluster().start(1);
  const local = LocalMemory.create(MESSAGE_BYTES);
  const identity = { id: 9, pid: 9, euid: 0, egid: 0, serviceId: ServiceId.CPG, processName: 'slow' };
  const described = { ...identity, maxMessageBytes: MESSAGE_BYTES };
  const connection = new LocalConnection(local, described, new EventBudget(), () => {});
  const client = new AttachedCpgClient(connection, node!.cpg, local.scratch, {
    touch: () => {},
    served: () => {},
    hasHungUp: () => false,
    sendsWait: () => false,
    publishEvents: () => {},
    tooLarge: () => {},
  });
  let sent = 0;
  for (; !connection.queueing && sent < 100; sent++) client.dispatch(new Uint8Array(EVENT_BYTES).fill(sent));
  t.ok(connection.queueing, `after ${sent} events`);
  t.equal(connection.queuedBytes, EVENT_BYTES);
  // It may wait for years for the next one, and a user has thousands of clients: their blocks would be nobody's, beside the budget.
  t.ok(client.claimed === client.memory);
  connection.close();
});
