import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { QNETD_METRICS } from '../../src/arbiter/qnetd/metrics.ts';
import { DURATION_SLOTS, DurationCounts, durationQuantile, readDurations } from '../../src/lib/durations.ts';
import { Exposition, formatFor } from '../../src/web/metrics/exposition.ts';
import { metricsMarkdown } from '../../src/web/metrics/markdown.ts';
import { METRICS } from '../../src/web/metrics/table.ts';
import { hasCommand } from '../interop/lab/host.ts';
import { sampleView } from './sample-view.ts';

t.test('docs/metrics.md is what the table says', async (t) => {
  t.equal(
    readFileSync('docs/metrics.md', 'utf8'),
    metricsMarkdown(METRICS, QNETD_METRICS),
    'run: node scripts/write-docs.mjs',
  );
});

t.test('the table is in order', async (t) => {
  t.equal(new Set(METRICS.map(({ name }) => name)).size, METRICS.length, 'no metric twice');
  for (const { name, unit, help } of METRICS) {
    t.match(name, /^(?:rondo|ha_cluster_corosync|process)_[a-z_]+[a-z]$/);
    t.notMatch(name, /_(?:total|count|sum|bucket)$/, `${name}: that is added when it is written`);
    if (unit !== undefined) t.ok(name.endsWith(`_${unit}`), `${name} ends with its unit`);
    t.match(help, /\.$/, `${name}: a sentence`);
  }
});

t.test('the exporter’s metrics, its labels and its values', async (t) => {
  const text = await new Exposition(METRICS, 'text').render(sampleView());
  for (const line of [
    'ha_cluster_corosync_quorate 1',
    'ha_cluster_corosync_quorum_votes{type="expected_votes"} 3',
    'ha_cluster_corosync_quorum_votes{type="highest_expected"} 3',
    'ha_cluster_corosync_quorum_votes{type="total_votes"} 2',
    'ha_cluster_corosync_quorum_votes{type="quorum"} 2',
    'ha_cluster_corosync_member_votes{node_id="2",node="node2",local="false"} 1',
    'ha_cluster_corosync_rings{ring_id="1.2c",node_id="1",number="0",address="10.0.0.1"} 0',
    'ha_cluster_corosync_ring_errors 1',
    'rondo_member{node_id="3",node="no\\"de\\\\3\\n"} 0',
    'rondo_link_up{node_id="2",node="node2",link="0"} 1',
    'rondo_pair_link_up{from_id="1",to_id="2",link="0"} 1',
    'rondo_pair_link_up{from_id="2",to_id="1",link="0"} 0',
    'rondo_pair_link_heard{from_id="2",to_id="1",link="0"} 1',
    'rondo_link_latency_seconds{node_id="2",node="node2",link="0"} 0.00015',
    'rondo_retransmissions_total{node_id="2",node="node2"} 3',
    'rondo_dropped_total{layer="totem",reason="duplicate"} 5',
    'rondo_membership_phase_seconds{phase="gather"} 0.012',
    'rondo_pause_seconds_total 1.5',
    'rondo_token_rotation_seconds_bucket{le="0.0005"} 10',
    'rondo_token_rotation_seconds_bucket{le="0.005"} 12',
    'rondo_token_rotation_seconds_bucket{le="+Inf"} 13',
    'rondo_token_rotation_seconds_sum 0.0125',
    'rondo_token_rotation_seconds_count 13',
    '# TYPE rondo_membership_changes_total counter',
  ])
    t.ok(text.split('\n').includes(line), line);
  t.notMatch(text, /member_votes\{node_id="3"/, 'who is gone gives no votes');
});

t.test('OpenMetrics for who asks for it', async (t) => {
  const prometheus = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
  t.equal(formatFor(prometheus), 'open');
  t.equal(formatFor('*/*'), 'text');
  t.equal(formatFor(undefined), 'text');
  const lines = (await new Exposition(METRICS, 'open').render(sampleView())).split('\n');
  t.ok(lines.includes('# TYPE rondo_membership_changes counter'), 'the family of a counter has no ending');
  t.ok(lines.includes('rondo_membership_changes_total 2'), 'its value has');
  t.ok(lines.includes('# UNIT rondo_token_rotation_seconds seconds'));
  t.same(lines.slice(-2), ['# EOF', '']);
});

t.test('scrape after scrape: what was written last changes nothing of what is written now', async (t) => {
  const views = [
    sampleView(),
    sampleView(),
    sampleView({ links: [], nodes: sampleView().nodes.slice(1) }),
    sampleView({ rotation: { counts: sampleView().delivery.counts, sumMs: 99 } }),
    sampleView({ ring: { ...sampleView().ring, ringId: { rep: 2, seq: 48 }, silentMs: null } }),
    sampleView({ queue: { ...sampleView().queue, level: 3 }, namesOf: () => [] }),
    sampleView(),
  ];
  for (const format of ['text', 'open'] as const) {
    const kept = new Exposition(METRICS, format);
    for (const [at, view] of views.entries())
      t.equal(await kept.render(view), await new Exposition(METRICS, format).render(view), `${format}, scrape ${at}`);
  }
});

t.test('a value that cannot be read spoils no later scrape', async (t) => {
  let broken = false;
  const read = (value: number, emit: (value: number, label: string) => void): void => {
    emit(value, 'a');
    if (broken) throw new Error('not now');
    emit(value, 'b');
  };
  const metric = { name: 'x', type: 'gauge', help: 'X.', source: '', labels: ['l'], read } as const;
  const exposition = new Exposition<number>([metric], 'text');
  await exposition.render(1);
  broken = true;
  await t.rejects(exposition.render(2), /not now/);
  broken = false;
  t.match(await exposition.render(2), /\nx\{l="a"\} 2\nx\{l="b"\} 2\n$/);
});

t.test('without votequorum, without links, before the first ring', async (t) => {
  const text = await new Exposition(METRICS, 'text').render(
    sampleView({
      links: [],
      quorum: { provider: '', quorate: true, votes: null, words: () => [] },
      lastChange: { phases: [], atMs: null },
    }),
  );
  t.notMatch(text, /quorum_votes|rondo_link_up|phase_seconds/, 'families without values are left out');
  t.match(text, /^ha_cluster_corosync_ring_errors 0$/m);
});

t.test('promtool has nothing to say', { skip: !hasCommand('promtool') && 'needs Debian’s prometheus' }, async (t) => {
  const input = await new Exposition(METRICS, 'text').render(sampleView());
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });
  t.equal(`${stdout}${stderr}`, '');
  t.equal(status, 0);
});

t.test('durations are counted by size, and quantiles are read from that', async (t) => {
  const values = new Float64Array(DURATION_SLOTS);
  const counts = new DurationCounts(values);
  for (let i = 0; i < 98; i++) counts.add(Float64Array.of(100, 100.3));
  counts.add(Float64Array.of(0, 60_000));
  counts.add(Float64Array.of(5, 4));
  const reading = readDurations(values);
  t.equal(reading.counts[0], 1, 'a clock that goes back is no time');
  t.equal(reading.counts[2], 98);
  t.equal(reading.counts.at(-1), 1);
  t.ok(Math.abs(reading.sumMs - 60_029.4) < 0.01);
  const half = durationQuantile(reading, 0.5) ?? 0;
  t.ok(half > 0.25 && half <= 0.5, `${half}`);
  t.equal(durationQuantile(reading, 0.999), 10_000, 'beyond the last bound: at least that');
  t.equal(durationQuantile(readDurations(new Float64Array(DURATION_SLOTS)), 0.5), null);
});
