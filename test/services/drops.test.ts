import t from 'tap';
import { dropCounters } from '../../src/ring/drop-counters.ts';
import { CPG_EXEC_JOIN, CPG_EXEC_MCAST, encodeJoinList } from '../../src/services/codec/cpg.ts';
import { groupNameValue } from '../../src/services/codec/fields.ts';
import { CpgFn } from '../../src/services/codec/ids.ts';
import { SYNC_SERVICE_BUILD } from '../../src/services/codec/sync.ts';
import { CPG_DROP_REASONS, type CpgDropReason } from '../../src/services/cpg/cpg-host.ts';
import { CPG_LIMITS } from '../../src/services/cpg/cpg-limits.ts';
import { SyncCore } from '../../src/services/sync/sync-core.ts';
import { encodeBarrier, SYNC_DROP_REASONS, type SyncDropReason } from '../../src/services/sync/sync-messages.ts';
import { TestStatistics } from '../ring/shown-counters.ts';
import { name, ToyCluster, type ToyNode } from './cpg/toy-cluster.ts';

/** What was dropped, counted by the ring thread's counters and read through the statistics map: how often the first reason stands there. */
function shown(layer: string, reasons: readonly string[], dropped: readonly string[]): number | null {
  const statistics = new TestStatistics();
  const counters = dropCounters(statistics, layer, reasons);
  for (const reason of dropped) counters[reason]!();
  return statistics.drops(layer, dropped[0]!);
}

/** One bad message of each kind. That of an event that is too large needs a ring of events: test/ring/cpg-clients.test.ts. */
const CPG_MESSAGES: Readonly<Record<Exclude<CpgDropReason, 'tooLargeForClient'>, (node: ToyNode) => void>> = {
  short: (node) => deliver(node, CpgFn.MCAST, new Uint8Array(20)),
  badName: (node) => {
    const group = { length: 200, bytes: name('grp') };
    deliver(node, CpgFn.JOIN, CPG_EXEC_JOIN.message({ group, pid: 7, reason: 1 }));
  },
  badLength: (node) => deliver(node, CpgFn.MCAST, mcast('grp', 1000)),
  unknownFunction: (node) => deliver(node, 40, new Uint8Array(40)),
  senderNotInGroup: (node) => deliver(node, CpgFn.MCAST, mcast('grp', 0), 2),
  unexpected: (node) => deliver(node, CpgFn.JOIN_LIST, encodeJoinList([])),
  tooMany: (node) => {
    node.cluster.ring([1]);
    const entry = { pid: 7, group: groupNameValue(name('grp')) };
    const list = encodeJoinList(Array.from({ length: CPG_LIMITS.nodeProcessesMax + 1 }, () => entry));
    deliver(node, CpgFn.JOIN_LIST, list, 2);
  },
  notJoined: (node) => void node.client(6).mcast('nobody is joined'),
};

const mcast = (group: string, messageBytes: number): Uint8Array =>
  CPG_EXEC_MCAST.message({ group: groupNameValue(name(group)), messageBytes, pid: 5 });

function deliver(node: ToyNode, fn: number, message: Uint8Array, from = 1): void {
  const memory = { bytes: message, view: new DataView(message.buffer) };
  node.cpg.deliver(fn, from, memory, 0, message.length);
}

for (const [reason, act] of Object.entries(CPG_MESSAGES)) {
  t.test(`cpg: ${reason}`, async (t) => {
    const cluster = new ToyCluster();
    const [node] = cluster.start(1);
    node!.client(5).join('grp');
    cluster.run();
    act(node!);
    t.same(node!.dropped, [reason]);
    t.equal(shown('cpg', CPG_DROP_REASONS, node!.dropped), 1);
  });
}

const RING = { rep: 1, seq: 9 };

/** A node in the service builds of its ring, alone or with another one. */
const SYNC_MESSAGES: Readonly<Record<SyncDropReason, (sync: SyncCore) => void>> = {
  short: (sync) => sync.message(1, new Uint8Array(10), 0, 10),
  unknownId: (sync) => {
    const message = encodeBarrier(RING);
    new DataView(message.buffer).setUint32(0, 7, true);
    sync.message(1, message, 0, message.length);
  },
  badCount: (sync) => {
    const message = SYNC_SERVICE_BUILD.message({ ringId: RING, serviceCount: 1000, services: [] });
    sync.message(1, message, 0, message.length);
  },
  foreignRing: (sync) => barrier(sync, 1, { rep: 1, seq: 5 }),
  early: (sync) => barrier(sync, 2, RING),
  late: (sync) => {
    for (const from of [1, 2, 2]) {
      const message = SYNC_SERVICE_BUILD.message({ ringId: RING, serviceCount: 0, services: [] });
      sync.message(from, message, 0, message.length);
    }
  },
};

function barrier(sync: SyncCore, from: number, ringId: typeof RING): void {
  const message = encodeBarrier(ringId);
  sync.message(from, message, 0, message.length);
}

for (const [reason, act] of Object.entries(SYNC_MESSAGES)) {
  t.test(`sync: ${reason}`, async (t) => {
    const dropped: string[] = [];
    const sync = new SyncCore(1, {
      mcastSync: () => true,
      inProgressChanged: () => {},
      completed: () => {},
      late: () => {},
      dropped: (why) => void dropped.push(why),
    });
    const process = () => 'later' as const;
    sync.add({ serviceId: 3, init: () => {}, process, activate: () => {}, abort: () => {} });
    const common = { members: [1, 2], left: [], joined: [], ringId: RING };
    sync.configurationChange({ kind: 'transitional', ...common });
    sync.configurationChange({ kind: 'regular', ...common });
    act(sync);
    t.same(dropped, [reason]);
    t.equal(shown('sync', SYNC_DROP_REASONS, dropped), 1);
  });
}

t.test('each reason of the tables has its message', async (t) => {
  t.same([...Object.keys(CPG_MESSAGES), 'tooLargeForClient'].sort(), [...CPG_DROP_REASONS].sort());
  t.same(Object.keys(SYNC_MESSAGES).sort(), [...SYNC_DROP_REASONS].sort());
});
