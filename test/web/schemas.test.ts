import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

// Grafana's dashboard and Elasticsearch's template against the types that both projects generate from their schemas. Neither program is in
// Debian, and the packages are larger than this project: a directory in which `npm install @grafana/schema @elastic/elasticsearch` ran is given.

const DIRECTORY = process.env['RONDO_SCHEMAS'];
const skip =
  DIRECTORY === undefined && 'needs RONDO_SCHEMAS, a directory with @grafana/schema and @elastic/elasticsearch';
const TSC = join(process.cwd(), 'node_modules/.bin/tsc');
const OPTIONS = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--module', 'nodenext'];

/** Enumerations have names in types and values in JSON. */
const PLAIN = `
type Plain<T> = T extends string ? \`\${T}\` : T extends number | boolean | null | undefined ? T
  : T extends (infer E)[] ? Plain<E>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
`;

/** What the compiler says of values with a type; empty: nothing. */
function complaints(imports: string, values: readonly (readonly [type: string, value: unknown])[]): string {
  const directory = mkdtempSync(join(DIRECTORY ?? '', 'check-'));
  try {
    const lines = values.map(([type, value], at) => `export const v${at}: ${type} = ${JSON.stringify(value)};`);
    writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
    writeFileSync(join(directory, 'check.ts'), `${imports}\n${PLAIN}${lines.join('\n')}\n`);
    return spawnSync(TSC, [...OPTIONS, 'check.ts'], { cwd: directory, encoding: 'utf8' }).stdout;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

interface Panel {
  readonly type: string;
  readonly options: unknown;
}

t.setTimeout(180_000); // two runs of the compiler over large packages

t.test('Grafana’s dashboard', { skip }, async (t) => {
  const dashboard = JSON.parse(readFileSync('conf/grafana/rondo.json', 'utf8')) as {
    readonly panels: readonly Panel[];
    readonly annotations: { readonly list: readonly Readonly<Record<string, unknown>>[] };
  };
  const raw = '../node_modules/@grafana/schema/dist/types/raw/composable';
  const kinds = { stat: 'Stat', timeseries: 'Timeseries', 'state-timeline': 'StateTimeline' } as const;
  const folders = { stat: 'stat', timeseries: 'timeseries', 'state-timeline': 'statetimeline' } as const;
  const imports = [
    "import type { Dashboard } from '@grafana/schema';",
    ...Object.entries(kinds).map(
      ([type, name]) =>
        `import type * as ${name} from '${raw}/${folders[type as keyof typeof folders]}/panelcfg/x/types.gen.d.ts';`,
    ),
  ].join('\n');
  const options = dashboard.panels.map(
    ({ type, options: value }) => [`Plain<Partial<${kinds[type as keyof typeof kinds]}.Options>>`, value] as const,
  );
  // The query of an annotation belongs to the plug-in of its data source, and the schema does not know it.
  const list = dashboard.annotations.list.map(({ expr: _, titleFormat: _title, ...rest }) => rest);
  t.equal(complaints(imports, [['Plain<Dashboard>', { ...dashboard, annotations: { list } }], ...options]), '');
  t.match(
    complaints(imports, [['Plain<Dashboard>', { ...dashboard, graphTooltip: 'x' }]]),
    /not assignable/,
    'it can fail',
  );
});

t.test('Elasticsearch’s template', { skip }, async (t) => {
  const template: unknown = JSON.parse(readFileSync('conf/elastic/rondo-index-template.json', 'utf8'));
  const imports = "import type { estypes } from '@elastic/elasticsearch';";
  const type = "Omit<estypes.IndicesPutIndexTemplateRequest, 'name'>";
  t.equal(complaints(imports, [[type, template]]), '');
  const wrong = { template: { mappings: { properties: { x: { type: 'no such type' } } } } };
  t.match(complaints(imports, [[type, wrong]]), /not assignable/, 'it can fail');
});
