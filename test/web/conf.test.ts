import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { LOGGING_DEFAULTS } from '../../src/config/logging-config.ts';
import { LogSink } from '../../src/observe/log/index.ts';
import { METRICS } from '../../src/web/metrics/table.ts';
import { hasCommand } from '../interop/lab/host.ts';
import { readYaml, throughFilebeat, undocumented, type Yaml, type YamlMap } from './filebeat.ts';

const RULES = 'conf/prometheus/rondo.rules.yml';
const FILEBEAT = 'conf/elastic/filebeat.yml';
const read = (path: string): string => readFileSync(path, 'utf8');

/** Names of metrics as a query may write them. */
const KNOWN = new Set(
  METRICS.flatMap(({ name, type }) =>
    type === 'counter'
      ? [`${name}_total`]
      : type === 'histogram'
        ? [`${name}_bucket`, `${name}_sum`, `${name}_count`]
        : [name],
  ),
);
const unknownIn = (expression: string): readonly string[] =>
  [...expression.matchAll(/\b(?:rondo|ha_cluster|process)_\w+/g)]
    .map(([name]) => name)
    .filter((name) => !KNOWN.has(name));

t.test('the rules ask for metrics that there are, and say what to do', async (t) => {
  const text = read(RULES);
  const expressions = [...text.matchAll(/^ +expr: (.*)$/gm)].map(([, expression = '']) => expression);
  t.ok(expressions.length > 10);
  t.same(expressions.flatMap(unknownIn), []);
  t.equal([...text.matchAll(/^ +summary: /gm)].length, expressions.length);
  t.equal([...text.matchAll(/^ +description: /gm)].length, expressions.length);
});

t.test('promtool takes the rules', { skip: !hasCommand('promtool') && 'needs Debian’s prometheus' }, async (t) => {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', RULES], { encoding: 'utf8' });
  t.equal(status, 0, `${stdout}${stderr}`);
});

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource: { readonly type: string; readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[];
}
interface Dashboard {
  readonly schemaVersion: number;
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

t.test('Grafana’s dashboard: what its schema asks for, metrics and variables that there are', async (t) => {
  const dashboard = JSON.parse(read('conf/grafana/rondo.json')) as Dashboard;
  const { panels, templating, annotations } = dashboard;
  t.ok(dashboard.schemaVersion >= 36 && dashboard.uid.length <= 40 && dashboard.title !== '');
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const variables = new Set(templating.list.map(({ name }) => name).concat('__rate_interval'));
  const taken = new Set<string>();
  for (const { title, type, datasource, gridPos, targets } of panels) {
    t.match(type, /^(?:stat|timeseries|state-timeline)$/, title);
    t.match(datasource.uid, /^\$\{datasource\}$/, title);
    const { x, y, w, h } = gridPos;
    t.ok(x >= 0 && w > 0 && x + w <= 24 && h > 0, title);
    for (let column = x; column < x + w; column++)
      for (let row = y; row < y + h; row++) {
        t.notOk(taken.has(`${column} ${row}`), `${title} overlaps`);
        taken.add(`${column} ${row}`);
      }
    t.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    for (const { expr } of targets) t.same(unknownIn(expr), [], title);
    for (const [, name = ''] of JSON.stringify(targets).matchAll(/\$\{?(\w+)/g)) t.ok(variables.has(name), name);
  }
  for (const { expr } of annotations.list) t.same(unknownIn(expr), []);
  if (hasCommand('promtool')) return;
  t.comment('promtool is not installed: queries were not parsed');
});

interface Mapping {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Mapping>>;
}

const ACCEPTS: Readonly<Record<string, (value: unknown) => boolean>> = {
  date: (value) => typeof value === 'string' && new Date(value).toISOString() === value,
  keyword: (value) => typeof value === 'string',
  text: (value) => typeof value === 'string',
  long: (value) => Number.isInteger(value),
};

t.test('Elasticsearch’s template has a place of the right type for every field of real records', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'rondo-elastic-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const logFile = join(directory, 'log');
  const sink = new LogSink();
  sink.configure({
    ...LOGGING_DEFAULTS,
    toStderr: false,
    toSyslog: false,
    file: logFile,
    format: 'json',
    fileline: true,
    functionName: true,
  });
  sink.log('notice', 'TOTEM', 'A new membership (1.2c) was formed. Members joined: 2');
  sink.log('error', 'MAIN', 'a "text" with\u0001 and ünïcode');
  await sink.close();
  const records = read(logFile).trim().split('\n');
  t.equal(records.length, 2);
  const template = JSON.parse(read('conf/elastic/rondo-index-template.json')) as {
    readonly template: { readonly mappings: Mapping };
  };
  const config = readYaml(FILEBEAT);
  if (config === null) return t.comment('python3 has no yaml here: where Filebeat puts the fields was not seen');
  for (const record of records) {
    const out = throughFilebeat(config, record, 'filebeat-host');
    const { msg, host, level, pid, time } = JSON.parse(record) as Readonly<Record<string, unknown>>;
    t.match(Object.fromEntries(out), {
      '@timestamp': time,
      message: msg,
      'host.name': host,
      'log.level': level,
      'process.pid': pid,
      'event.dataset': 'rondo.log',
    });
    for (const [place, value] of out) {
      if (/^(?:log\.offset|log\.file|agent)/.test(place)) continue; // Filebeat's own, of which nothing is indexed
      const mapping = place
        .split('.')
        .reduce<Mapping | undefined>((at, name) => at?.properties?.[name], template.template.mappings);
      t.ok(ACCEPTS[mapping?.type ?? '']?.(value), `${place}: ${mapping?.type} takes ${String(value)}`);
    }
  }
});

t.test('Filebeat’s input has only options that it documents, in places where they act', async (t) => {
  const config = readYaml(FILEBEAT);
  if (config === null) return t.comment('python3 has no yaml here: not parsed');
  t.match(config, {
    'filebeat.inputs': [{ type: 'filestream', id: 'rondo', parsers: [{ ndjson: { target: 'rondo' } }] }],
  });
  t.same(undocumented(config), []);
  const [input] = config['filebeat.inputs'] as readonly YamlMap[];
  t.same(undocumented({ ...config, 'filebeat.inputs': [{ ...input, json: {} }] }), ['filestream: json']);
  // The mistake that a file with the right names can still make.
  const { processors, ...rest } = input as YamlMap & { readonly processors: Yaml };
  const late = throughFilebeat({ ...config, processors, 'filebeat.inputs': [rest] }, '{"host":"node1"}', 'other');
  t.equal(late.get('host.name'), 'other');
});
