import t from 'tap';
import { frameMemory } from '../../src/lib/frame-memory.ts';
import { dropCounters } from '../../src/ring/drop-counters.ts';
import { ROUTER_DROP_REASONS, ServiceRouter } from '../../src/ring/service-router.ts';
import { Group } from '../../src/totem/index.ts';
import { TestStatistics } from './shown-counters.ts';

const OWN = Group.SERVICES + 1;

/** Services 1 and 3 on the main thread, 14 there with a process group of its own, 2 here. */
function router() {
  const scene: string[] = [];
  const statistics = new TestStatistics();
  /** As the statistics map shows them. */
  const dropped = () => ROUTER_DROP_REASONS.map((reason) => statistics.drops('services', reason));
  const made = new ServiceRouter(
    {
      handOver: (nodeId, bytes, offset, length) =>
        scene.push(`main ${nodeId} ${Buffer.from(bytes.subarray(offset, offset + length)).toString('hex')}`),
      mcast: (group, message, offset) => scene.push(`mcast ${group} ${message.length - offset}`) > 0,
      drops: dropCounters(statistics, 'services', ROUTER_DROP_REASONS),
    },
    [
      { serviceId: 1, takesPartInSync: false, processGroup: null },
      { serviceId: 3, takesPartInSync: true, processGroup: null },
      { serviceId: 14, takesPartInSync: false, processGroup: 'own' },
    ],
    ['own'],
  );
  made.handle(2, { delivered: (fn, nodeId) => scene.push(`here ${fn} of ${nodeId}`) });
  made.observe(1, { delivered: (fn, nodeId) => scene.push(`observed ${fn} of ${nodeId}`) });
  const deliver = (serviceId: number, fn: number, group: number = Group.SERVICES, length = 16, foreign = false) => {
    const memory = frameMemory(new Uint8Array(20));
    memory.view.setUint32(4, ((serviceId << 16) | fn) >>> 0, true);
    made.deliver(group, 7, memory, 4, length, foreign);
    return scene.splice(0);
  };
  return { made, scene, dropped, deliver };
}

const header = (serviceId: number, fn: number): string => {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(((serviceId << 16) | fn) >>> 0, 0);
  return bytes.toString('hex');
};

t.test('messages find their service, and only that', async (t) => {
  const { deliver, dropped } = router();
  t.same(deliver(2, 5), ['here 5 of 7']);
  t.same(deliver(3, 1), [`main 7 ${header(3, 1)}`]);
  t.same(deliver(1, 3), ['observed 3 of 7', `main 7 ${header(1, 3)}`], 'an observer hears it first');
  t.same(dropped(), [0, 0, 0, 0]);
  for (const serviceId of [0, 9, 63, 64, 0xffff]) t.same(deliver(serviceId, 0), [], `service ${serviceId}`);
  t.same(deliver(2, 0, Group.SERVICES, 15), [], 'shorter than a header');
  t.same(deliver(2, 0, Group.SERVICES, 16, true), [], 'of the other byte order');
  t.same(dropped(), [1, 1, 5, 0], 'each is counted');
});

t.test('a process group of a service: the header is put on and taken off', async (t) => {
  const { made, deliver, scene, dropped } = router();
  const [line] = deliver(1, 2, OWN);
  const expected = Buffer.alloc(32);
  expected[2] = 14;
  expected.writeUInt32LE(32, 8);
  expected.writeUInt32LE((1 << 16) | 2, 16);
  t.equal(line, `main 7 ${expected.toString('hex')}`, 'whatever the bytes look like');
  t.same(deliver(1, 2, OWN + 1), [], 'a group that nobody has');
  t.same(dropped(), [0, 0, 0, 1]);
  const message = new Uint8Array(40);
  message[2] = 14;
  made.mcast(message);
  message[2] = 3;
  made.mcast(message);
  t.same(scene, [`mcast ${OWN} 24`, `mcast ${Group.SERVICES} 40`]);
});
