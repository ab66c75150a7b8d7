import t from 'tap';
import { OriginCounters, REPEATED_PREFIX } from '../../src/ring/origin-counters.ts';
import { CHANGED_AT_KEY, PhaseTimes, phaseKey } from '../../src/ring/phase-times.ts';
import { SharedStatistics } from '../../src/ring/shared-statistics.ts';
import type { TotemReport } from '../../src/totem/index.ts';

function statistics() {
  const shared = new SharedStatistics(new Float64Array(64));
  const counter = (name: string) => shared.counter(name);
  const value = (name: string): number => {
    const { values, slot } = counter(name);
    return values[slot] ?? 0;
  };
  return { counter, value };
}

t.test('the phases of a change, an attempt that was given up included', async (t) => {
  const { counter, value } = statistics();
  const seen: string[] = [];
  let nowMs = 1000;
  const inner = { report: ({ kind }: TotemReport) => void seen.push(kind) };
  const times = new PhaseTimes(
    inner,
    counter,
    () => nowMs,
    () => 77,
  );
  const ringId = { rep: 1, seq: 8 };
  const gather: TotemReport = {
    kind: 'gather',
    reason: 2,
    from: 'operational',
    node: 0,
    silentMs: 0,
    members: [1],
    candidates: [1],
    failed: [],
  };
  const at = (ms: number, event: TotemReport): void => {
    nowMs = ms;
    times.report(event);
  };
  at(1000, gather);
  at(1010, { kind: 'commit', ringId });
  at(1011, gather);
  at(1021, { kind: 'commit', ringId });
  at(1024, { kind: 'recovery', ringId, transitional: [1] });
  at(1030, { kind: 'operational', ringId, members: [1], joined: [], left: [], lost: [] });
  t.equal(value(CHANGED_AT_KEY), 0, 'not whole before the services are synchronised');
  nowMs = 1037;
  times.completed();
  const phases = ['gather', 'commit', 'recovery', 'sync'] as const;
  t.same(
    phases.map((phase) => value(phaseKey(phase))),
    [20_000, 4000, 6000, 7000],
  );
  t.equal(value(CHANGED_AT_KEY), 77);
  nowMs = 9999;
  times.completed();
  t.equal(value(phaseKey('sync')), 7000, 'once a change');
  at(20_000, gather);
  at(20_001, { kind: 'operational', ringId, members: [1], joined: [], left: [], lost: [] });
  times.completed();
  t.equal(value(phaseKey('gather')), 1000, 'the next one begins from nothing');
  t.ok(seen.length === 8, 'whoever observed before still does');
});

t.test('retransmissions by origin: members only, and no more counters than there can be members', async (t) => {
  const { counter, value } = statistics();
  const origins = new OriginCounters(counter, (nodeId) => nodeId < 10);
  for (const nodeId of [2, 3, 2, 4_000_000_000, 12]) origins.repeated(nodeId);
  t.equal(value(`${REPEATED_PREFIX}2`), 2);
  t.equal(value(`${REPEATED_PREFIX}3`), 1);
  t.equal(value(`${REPEATED_PREFIX}12`), 0);
});
