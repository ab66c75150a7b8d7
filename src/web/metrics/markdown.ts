import { DURATION_BOUNDS_MS } from '../../lib/durations.ts';
import type { Metric } from './metric.ts';

const INTRODUCTION = `# Metrics

Made from the table in \`src/web/metrics/table.ts\`; to change it, change the table and run \`node scripts/write-docs.mjs\`.

\`system.metrics: 127.0.0.1:9180\` in corosync.conf switches them on: \`/metrics\` for Prometheus (OpenMetrics for who asks for it), \`/healthz\` (200: the thread of
the ring turns), \`/readyz\` (200: quorate and synchronised; 503 says what is missing). Everything about who may read them: [operations.md](operations.md#metrics-and-dashboard).
Rules for alerts, a dashboard for Grafana, and what Elasticsearch needs for the log are in \`conf/prometheus\`, \`conf/grafana\` and \`conf/elastic\`. The rules
were loaded and fired by Debian's Prometheus. Grafana, Elasticsearch and Filebeat are not in Debian, so nothing of ours was loaded by them: the dashboard is checked against the types
of Grafana's schema (\`@grafana/schema\` 12), the template against those of Elasticsearch's (\`@elastic/elasticsearch\` 8) and against records of the log; Filebeat's file
against the options that Filebeat 8 documents, and records of the log through a model of its order of work: the program itself never ran.

Names that begin with \`ha_cluster_corosync_\` are those of ClusterLabs' ha_cluster_exporter, with its labels: what was made for it works. Counters begin at 0 with the
daemon; \`stats.clear.…\` does not touch them. Values are as old as the page: at most a second. The buckets of a histogram end at
BOUNDS seconds.

`;

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function metricRow<View>(metric: Metric<View>): string {
  const name = metric.type === 'counter' ? `${metric.name}_total` : metric.name;
  const labels = (metric.labels ?? []).map((label) => `\`${label}\``).join(' ');
  return `| \`${name}\` | ${metric.type} | ${labels || '–'} | ${cell(metric.help)} | ${cell(metric.source)} |\n`;
}

const HEAD = `| Metric | Type | Labels | What | From |
|---|---|---|---|---|
`;
const ARBITER = `
## The arbiter

\`corosync-qnetd -S metrics=127.0.0.1:9181\` ([qdevice.md](qdevice.md)); made from the table in \`src/arbiter/qnetd/metrics.ts\`. Names of clusters are those that their nodes say.

${HEAD}`;

/** docs/metrics.md: those of a node, and those of an arbiter. */
export const metricsMarkdown = <View>(metrics: readonly Metric[], ofArbiter: readonly Metric<View>[]): string =>
  INTRODUCTION.replace('BOUNDS', DURATION_BOUNDS_MS.map((ms) => ms / 1000).join(', ')) +
  HEAD +
  metrics.map(metricRow).join('') +
  ARBITER +
  ofArbiter.map(metricRow).join('');
