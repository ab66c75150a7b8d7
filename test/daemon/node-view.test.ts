import t from 'tap';
import type { TotemConfig } from '../../src/config/totem-config.ts';
import { nodeView, type ViewSources } from '../../src/daemon/node-view.ts';
import { RingCounters } from '../../src/daemon/stats.ts';
import { pageState, urgentPart } from '../../src/web/state.ts';

const totem = {
  nodeId: 1,
  transport: 'knet',
  crypto: { cipher: 'aes256' },
  timings: { tokenMs: 1000 },
  links: [{ bindAddress: '10.0.0.1' }],
  members: [1, 2].map((nodeId) => ({ nodeId, name: `n${nodeId}`, addresses: [`10.0.0.${nodeId}`] })),
} as unknown as TotemConfig;

t.test('a view makes what is asked for, once, and nothing else', async (t) => {
  const made: string[] = [];
  const values = new Float64Array(2);
  const counters = new RingCounters(() => values);
  counters.add([{ name: 'stats.knet.node2.link0.connected', slot: 0 }]);
  const note = <T>(name: string, value: T): T => {
    made.push(name);
    return value;
  };
  const sources: ViewSources = {
    identity: { cluster: 'c', version: '1', startedAtMs: 0 },
    counters,
    watch: { total: { count: 0, ms: 0 }, last: null },
    totem: () => totem,
    stateWord: () => 0,
    quorum: () => note('quorum', { provider: 'votequorum', quorate: true, votes: null, words: () => [] }),
    clients: () => note('clients', []),
    memory: () => note('memory', { residentBytes: 1, cpuSeconds: 1, heaps: [], collections: [] }),
    seen: () => [],
  };
  const now = { ringId: { rep: 1, seq: 4 }, members: [1, 2] };
  const urgent = urgentPart(nodeView(sources, now));
  t.same(made, ['quorum'], 'four times a second: neither memory nor clients are looked at');
  values[0] = 1;
  t.not(urgentPart(nodeView(sources, now)), urgent, 'a link has come up: that is told at once');
  t.not(urgentPart(nodeView(sources, { ...now, members: [1], ringId: { rep: 1, seq: 8 } })), urgent);
  made.length = 0;
  const view = nodeView(sources, now);
  pageState(view, [], null, 0);
  pageState(view, [], null, 0);
  t.same(made.sort(), ['clients', 'memory', 'quorum'], 'each once for one view');
});

t.test('names of counters by their beginning follow those that are added', async (t) => {
  const counters = new RingCounters(() => new Float64Array(4));
  counters.add([
    { name: 'rondo.dropped.a', slot: 0 },
    { name: 'srp.b', slot: 1 },
  ]);
  t.same(counters.namesBelow('rondo.dropped.'), ['rondo.dropped.a']);
  t.equal(counters.namesBelow('rondo.dropped.'), counters.namesBelow('rondo.dropped.'), 'thought out once');
  counters.add([{ name: 'rondo.dropped.c', slot: 2 }]);
  t.same(counters.namesBelow('rondo.dropped.'), ['rondo.dropped.a', 'rondo.dropped.c']);
});
