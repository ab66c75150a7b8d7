import fc from 'fast-check';
import t from 'tap';
import type { ConfigurationChange, RingId } from '../../../src/lib/ring-id.ts';
import { PHASE_REPORT_MS, SyncCore, type SyncProgress, type SyncStatus } from '../../../src/services/sync/sync-core.ts';
import { encodeBarrier, encodeServiceBuild } from '../../../src/services/sync/sync-messages.ts';

/** Some nodes, one agreed order of messages. */
class Bus {
  readonly nodes = new Map<number, Node>();
  readonly log: { from: number; bytes: Uint8Array }[] = [];
  full = false;
  add(id: number, services: readonly number[]): Node {
    const node = new Node(id, this, services);
    this.nodes.set(id, node);
    return node;
  }
  configure(seq: number, members: number[], transitional: number[] = []): void {
    for (const node of this.nodes.values()) {
      if (!members.includes(node.id)) continue;
      const ringId = { rep: Math.min(...members), seq };
      node.sync.configurationChange(change('transitional', transitional, ringId));
      node.sync.configurationChange(change('regular', members, ringId));
    }
  }
  deliverOne(): boolean {
    const message = this.log.shift();
    if (message === undefined) return false;
    for (const node of this.nodes.values()) {
      node.sync.message(message.from, message.bytes, 0, message.bytes.length);
    }
    return true;
  }
  run(): void {
    for (let idle = 0; idle < 2; ) {
      if (this.deliverOne()) idle = 0;
      else idle++;
      for (const node of this.nodes.values()) node.sync.retry();
    }
  }
}

const change = (kind: 'transitional' | 'regular', members: number[], ringId: RingId): ConfigurationChange => ({
  kind,
  members,
  left: [],
  joined: [],
  ringId,
});

class Node {
  readonly calls: string[] = [];
  readonly sync: SyncCore;
  readonly late: SyncStatus[] = [];
  readonly dropped: string[] = [];
  progress: SyncProgress = 'done';
  constructor(
    readonly id: number,
    bus: Bus,
    services: readonly number[],
  ) {
    this.sync = new SyncCore(id, {
      mcastSync: (bytes) => {
        if (bus.full) return false;
        bus.log.push({ from: id, bytes: bytes.slice() });
        return true;
      },
      inProgressChanged: (on) => void this.calls.push(on ? 'begin' : 'end'),
      completed: (ringId) => void this.calls.push(`completed ${ringId.rep}.${ringId.seq}`),
      late: (status) => void this.late.push(status),
      dropped: (reason) => void this.dropped.push(reason),
    });
    for (const serviceId of services) {
      this.sync.add({
        serviceId,
        init: (transitional, members) => void this.calls.push(`init ${serviceId} [${transitional}] [${members}]`),
        process: () => {
          this.calls.push(`process ${serviceId}`);
          return this.progress;
        },
        activate: () => void this.calls.push(`activate ${serviceId}`),
        abort: () => void this.calls.push(`abort ${serviceId}`),
      });
    }
  }
}

t.test('a merge: services in order, external ones of others too', async (t) => {
  const bus = new Bus();
  const one = bus.add(1, [2, 0]);
  const two = bus.add(2, [5]);
  bus.configure(9, [1, 2], [1, 7]);
  t.equal(one.sync.isInProgress(), true);
  bus.run();
  t.same(one.calls, [
    'init 0 [1] [1,2]',
    'init 2 [1] [1,2]',
    'process 0',
    'activate 0',
    'process 2',
    'activate 2',
    'end',
    'completed 1.9',
  ]);
  t.same(two.calls, ['init 5 [1] [1,2]', 'process 5', 'activate 5', 'end', 'completed 1.9']);
  t.equal(one.sync.status(0).phase, 'idle');
});

t.test('an empty list of services completes with the builds', async (t) => {
  const bus = new Bus();
  const one = bus.add(1, []);
  bus.configure(5, [1]);
  bus.run();
  t.same(one.calls, ['end', 'completed 1.5']);
});

t.test('a step that is not finished is called again; one that finishes later reports it', async (t) => {
  const bus = new Bus();
  const one = bus.add(1, [3]);
  one.progress = 'again';
  bus.configure(5, [1]);
  bus.run();
  t.ok(one.calls.filter((call) => call === 'process 3').length > 1);
  one.progress = 'later';
  bus.run();
  const before = one.calls.length;
  bus.run();
  t.equal(one.calls.length, before, 'not called again');
  one.sync.processDone(3, { rep: 1, seq: 4 });
  one.sync.processDone(4, { rep: 1, seq: 5 });
  bus.run();
  t.ok(one.sync.isInProgress(), 'answers of other rounds and services do not count');
  one.sync.processDone(3, { rep: 1, seq: 5 });
  bus.run();
  t.notOk(one.sync.isInProgress());
  one.sync.processDone(3, { rep: 1, seq: 5 });
  t.equal(bus.log.length, 0);
});

t.test('a full queue delays, in order', async (t) => {
  const bus = new Bus();
  const one = bus.add(1, [0]);
  bus.full = true;
  bus.configure(5, [1]);
  bus.run();
  t.equal(bus.log.length, 0);
  bus.full = false;
  bus.run();
  t.notOk(one.sync.isInProgress());
});

t.test('aborted in every phase; messages of the old round are dropped', async (t) => {
  for (const steps of [0, 1, 2, 3, 4, 5, 6, 7]) {
    const bus = new Bus();
    const nodes = [1, 2].map((id) => bus.add(id, [0, 2]));
    bus.configure(9, [1, 2]);
    for (let i = 0; i < steps; i++) bus.deliverOne();
    const left = bus.log.splice(0); // queued in the transitional queue, sent in the next ring
    for (const node of nodes) node.calls.length = 0;
    bus.configure(13, [1, 2]);
    bus.log.unshift(...left);
    bus.run();
    for (const node of nodes) {
      t.notOk(node.sync.isInProgress(), `${steps} steps: done`);
      t.same(node.calls.slice(-1), ['completed 1.13']);
      const aborts = node.calls.filter((call) => call.startsWith('abort'));
      t.equal(aborts.length, steps >= 2 && steps < 6 ? 1 : 0, `${steps} steps: ${node.calls}`);
    }
  }
});

t.test('who and what a late phase waits for', async (t) => {
  const bus = new Bus();
  const one = bus.add(1, [2]);
  bus.configure(9, [1, 2]);
  bus.run();
  one.sync.tick(100);
  one.sync.tick(99 + PHASE_REPORT_MS);
  t.equal(one.late.length, 0);
  one.sync.tick(100 + PHASE_REPORT_MS);
  t.match(one.late, [{ phase: 'serviceBuild', serviceId: -1, waitingFor: [2], elapsedMs: PHASE_REPORT_MS }]);
  const build = encodeServiceBuild({ rep: 1, seq: 9 }, []);
  one.sync.message(2, build, 0, build.length);
  bus.run();
  one.sync.tick(20_000);
  one.sync.tick(20_000 + PHASE_REPORT_MS);
  t.match(one.late[1], { phase: 'barrier', serviceId: 2, waitingFor: [2] });
});

t.test('forged and stray messages change nothing', async (t) => {
  const bus = new Bus();
  const one = bus.add(1, [2]);
  const ringId = { rep: 1, seq: 9 };
  const barrier = encodeBarrier(ringId);
  bus.configure(9, [1, 2]);
  one.sync.message(2, barrier, 0, barrier.length);
  one.sync.message(1, barrier, 0, barrier.length);
  one.sync.message(9, barrier, 0, barrier.length);
  one.sync.message(2, barrier, 0, 20);
  t.same(one.dropped, ['early', 'early', 'foreignRing', 'short']);
  one.progress = 'again';
  const build = encodeServiceBuild(ringId, [2]);
  one.sync.message(2, build, 0, build.length);
  bus.run();
  one.sync.message(2, barrier, 0, barrier.length);
  one.sync.message(1, barrier, 0, barrier.length);
  one.sync.message(2, build, 0, build.length);
  t.same(one.dropped.slice(4), ['early', 'late']);
  t.ok(one.sync.isInProgress());
});

t.test('all nodes pass the services in the same order, whatever the services and the interleaving', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 7 })), { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat({ max: 40 }), { maxLength: 4 }),
      (services, interruptions) => {
        const bus = new Bus();
        const members = services.map((list, index) => bus.add(index + 1, list).id);
        let seq = 5;
        for (const after of interruptions) {
          bus.configure(seq, members, members);
          for (let i = 0; i < after; i++) bus.deliverOne();
          seq += 4;
        }
        bus.configure(seq, members, members);
        bus.run();
        for (const node of bus.nodes.values()) {
          if (node.sync.isInProgress()) return false;
          const activated = node.calls
            .slice(node.calls.lastIndexOf('begin') + 1)
            .filter((c) => c.startsWith('activate'));
          const mine = [...(services[node.id - 1] ?? [])].sort((a, b) => a - b).map((id) => `activate ${id}`);
          if (activated.slice(-mine.length).join() !== mine.join()) return false;
        }
        return true;
      },
    ),
  );
});
