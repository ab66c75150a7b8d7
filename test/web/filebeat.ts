import { spawnSync } from 'node:child_process';

/** What a YAML file may hold. */
export type Yaml = string | number | boolean | null | readonly Yaml[] | YamlMap;
export interface YamlMap {
  readonly [key: string]: Yaml;
}
/** A record on its way, by place (with dots). */
export type LogEvent = Map<string, unknown>;

/** `null`: Python has no YAML here. */
export function readYaml(path: string): YamlMap | null {
  const script = 'import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))';
  const { status, stdout } = spawnSync('python3', ['-c', script, path], { encoding: 'utf8' });
  return status === 0 ? (JSON.parse(stdout) as YamlMap) : null;
}

/** The options that Filebeat 8 documents, of all that is used here; its program refuses no unknown one. */
const DOCUMENTED: Readonly<Record<string, readonly string[]>> = {
  '': [
    'filebeat.inputs',
    'processors',
    'setup.template.enabled',
    'setup.template.name',
    'setup.template.pattern',
    'setup.ilm.enabled',
    'output.elasticsearch',
  ],
  filestream:
    'type id enabled paths close clean_inactive clean_removed harvester_limit ignore_older ignore_inactive rotation take_over file_identity prospector.scanner backoff buffer_size encoding exclude_lines include_lines line_terminator message_max_bytes parsers tags fields fields_under_root processors pipeline keep_null index publisher_pipeline.disable_host'.split(
      ' ',
    ),
  ndjson: 'target overwrite_keys expand_keys add_error_key message_key document_id ignore_decoding_error'.split(' '),
  timestamp: 'field target_field layouts timezone ignore_missing ignore_failure test id tag'.split(' '),
  rename: 'fields ignore_missing fail_on_error'.split(' '),
  'output.elasticsearch':
    'enabled hosts compression_level escape_html worker loadbalance api_key username password parameters protocol path headers proxy_disable proxy_url index indices pipeline pipelines max_retries bulk_max_size backoff timeout ssl'.split(
      ' ',
    ),
};

const isMap = (value: Yaml | undefined): value is YamlMap =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const maps = (value: Yaml | undefined): readonly YamlMap[] => (Array.isArray(value) ? value.filter(isMap) : []);

function unknown(kind: string, options: Yaml | undefined): string[] {
  const known = DOCUMENTED[kind];
  if (known === undefined) return [`${kind}: not known here`];
  return isMap(options)
    ? Object.keys(options)
        .filter((name) => !known.includes(name))
        .map((name) => `${kind}: ${name}`)
    : [];
}

const named = (list: Yaml | undefined): readonly (readonly [string, Yaml])[] =>
  maps(list).flatMap((entry) => Object.entries(entry));

/** Options that Filebeat does not document. */
export function undocumented(config: YamlMap): readonly string[] {
  const inputs = maps(config['filebeat.inputs']);
  return [
    ...unknown('', config),
    ...unknown('output.elasticsearch', config['output.elasticsearch']),
    ...inputs.flatMap((input) => [
      ...unknown(String(input['type']), input),
      ...[...named(input['parsers']), ...named(input['processors'])].flatMap(([kind, options]) =>
        unknown(kind, options),
      ),
    ]),
    ...named(config['processors']).flatMap(([kind, options]) => unknown(kind, options)),
  ];
}

/**
 * What comes out of Filebeat for a line of a file, in the order of its pipeline: parser, the input's fields, the input's processors, its own
 * fields (which replace nothing), processors of the whole. `beatHost` is the name that it has for its host.
 */
export function throughFilebeat(config: YamlMap, line: string, beatHost: string): LogEvent {
  const [input] = maps(config['filebeat.inputs']);
  if (input === undefined) throw new Error('no input');
  const event: LogEvent = new Map<string, unknown>([
    ['log.offset', 0],
    ['log.file.path', '/var/log/x'],
  ]);
  for (const [kind, options] of named(input['parsers']))
    if (kind === 'ndjson' && isMap(options))
      for (const [field, value] of Object.entries(JSON.parse(line) as object))
        event.set(`${String(options['target'])}.${field}`, value);
  const prefix = input['fields_under_root'] === true ? '' : 'fields.';
  if (isMap(input['fields']))
    for (const [field, value] of Object.entries(input['fields'])) event.set(`${prefix}${field}`, value);
  runProcessors(event, input['processors']);
  for (const [field, value] of [
    ['host.name', beatHost],
    ['agent.type', 'filebeat'],
  ] as const)
    if (!event.has(field)) event.set(field, value);
  runProcessors(event, config['processors']);
  return event;
}

function runProcessors(event: LogEvent, processors: Yaml | undefined): void {
  for (const [kind, options] of named(processors)) {
    if (!isMap(options)) continue;
    if (kind === 'timestamp') event.set('@timestamp', event.get(String(options['field'])));
    if (kind !== 'rename') continue;
    for (const { from, to } of maps(options['fields'])) {
      const value = event.get(String(from));
      if (value === undefined || event.has(String(to))) continue; // a place that is taken stays as it is
      event.delete(String(from));
      event.set(String(to), value);
    }
  }
}
