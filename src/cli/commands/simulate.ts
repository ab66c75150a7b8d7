import { type LoadResult, loadConfiguration } from '../../config/load.ts';
import { counted } from '../../lib/counted.ts';
import { RondoError } from '../../lib/errors.ts';
import type { SimEventPlan, SimPlan } from '../../sim/cluster.ts';
import { type Prediction, predict, type Spread } from '../../sim/predict.ts';
import { checking } from '../checking-environment.ts';
import type { Command, CommandContext } from '../command.ts';
import { configSource } from '../config-source.ts';
import { CliExit, UsageError } from '../exit-codes.ts';
import { emit } from '../output.ts';

const WORDS = 'simulate';
const SEEDS_DEFAULT = 20;
const SEEDS_MAX = 100_000;
const LATENCY_MS_DEFAULT = 0.2;
const RATE_DEFAULT = 1;
/** So long after the last event by default: whatever the timeouts are, it is decided by then. */
const TOKENS_AFTER = 10;
const SECONDS_MAX = 86_400;

async function simulate(context: CommandContext): Promise<number> {
  const source = await configSource(context, context.positionals[0]);
  if (source.file === null)
    throw new RondoError('RONDO_NO_FILE', 'the instance does not run', 'Name a configuration file');
  const result = await loadConfiguration({ file: source.file }, { purpose: 'test', ...checking(source.node) });
  if (!result.ok) throw unusable(result);
  result.key?.wipe();
  const { totem } = result;
  const events = eventsOf(context, new Set(totem.members.map(({ nodeId }) => nodeId)));
  const seeds = numberOf(context, 'seeds', SEEDS_DEFAULT, 1, SEEDS_MAX);
  const lastMs = Math.max(0, ...events.map((event) => event.atMs + (event.kind === 'pause' ? event.forMs : 0)));
  const defaultSeconds = Math.ceil((lastMs + TOKENS_AFTER * totem.timings.tokenMs) / 1000);
  const plan: SimPlan = {
    totem,
    events,
    loss: lossOf(context.values['loss']),
    latencyMs: numberOf(context, 'latency', LATENCY_MS_DEFAULT, 0, 60_000),
    rate: numberOf(context, 'rate', RATE_DEFAULT, 0, 10_000),
    forMs: 1000 * numberOf(context, 'for', defaultSeconds, 0.001, SECONDS_MAX),
  };
  const prediction = await predict(plan, seeds, () => context.io.signal.aborted);
  const { tokenMs, consensusMs } = totem.timings;
  const assumed = { file: source.file, nodes: totem.members.length, transport: totem.transport, tokenMs, consensusMs };
  const { loss, latencyMs, rate, forMs } = plan;
  emit(context, { ...assumed, loss, latencyMs, rate, forMs, events, ...prediction }, () => lines(plan, prediction));
  return context.io.signal.aborted ? CliExit.INTERRUPTED : CliExit.OK;
}

function unusable(result: LoadResult & { readonly ok: false }): RondoError {
  return new RondoError(
    'RONDO_CONFIG',
    result.errors[0]?.message ?? `${result.file} cannot be used`,
    'Run: rondo config check',
  );
}

function numberOf({ values }: CommandContext, name: string, fallback: number, least: number, most: number): number {
  const text = values[name];
  if (text === undefined) return fallback;
  const number = Number(text);
  if (text === '' || !(number >= least && number <= most))
    throw new UsageError(`--${name}: '${String(text)}' is not ${least} to ${most}`, WORDS);
  return number;
}

function lossOf(text: unknown): number {
  if (text === undefined) return 0;
  const [, digits] = /^(\d+(?:\.\d+)?)%$/.exec(String(text)) ?? [];
  const share = Number(digits) / 100;
  if (!(share >= 0 && share < 1)) throw new UsageError(`--loss: '${String(text)}' is no share such as 1%`, WORDS);
  return share;
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000 };
const TIME = String.raw`(\d+(?:\.\d+)?)(ms|s|min)`;
const millisecondsOf = (digits: string, unit: string): number => Number(digits) * UNITS_MS[unit]!;

/** `3@10s`, `1-2@5s`, `2@10s+4s`. */
function eventsOf(context: CommandContext, nodes: ReadonlySet<number>): readonly SimEventPlan[] {
  const all: SimEventPlan[] = [];
  for (const kind of ['kill', 'power', 'pause', 'cut'] as const) {
    const texts = context.values[kind];
    for (const text of Array.isArray(texts) ? texts : []) {
      const event = eventOf(kind, String(text));
      if (event === null) throw new UsageError(`--${kind}: '${String(text)}' is not ${FORMS[kind]}`, WORDS);
      for (const node of event.kind === 'cut' ? [event.a, event.b] : [event.node])
        if (!nodes.has(node))
          throw new UsageError(`--${kind}: there is no node ${node}; nodes: ${[...nodes].join(' ')}`, WORDS);
      all.push(event);
    }
  }
  return all.sort((a, b) => a.atMs - b.atMs);
}

const FORMS = { kill: 'NODE@TIME', power: 'NODE@TIME', pause: 'NODE@TIME+TIME', cut: 'NODE-NODE@TIME' } as const;

function eventOf(kind: keyof typeof FORMS, text: string): SimEventPlan | null {
  if (kind === 'cut') {
    const [, a, b, at, unit] = new RegExp(`^(\\d+)-(\\d+)@${TIME}$`).exec(text) ?? [];
    return a === undefined ? null : { kind, a: Number(a), b: Number(b), atMs: millisecondsOf(at!, unit!) };
  }
  if (kind === 'pause') {
    const [, node, at, unit, long, longUnit] = new RegExp(`^(\\d+)@${TIME}\\+${TIME}$`).exec(text) ?? [];
    if (node === undefined) return null;
    return { kind, node: Number(node), atMs: millisecondsOf(at!, unit!), forMs: millisecondsOf(long!, longUnit!) };
  }
  const [, node, at, unit] = new RegExp(`^(\\d+)@${TIME}$`).exec(text) ?? [];
  return node === undefined ? null : { kind, node: Number(node), atMs: millisecondsOf(at!, unit!) };
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

const spreadText = ({ least, median, p90, most, runs }: Spread): string =>
  `median ${seconds(median)} (${seconds(least)} to ${seconds(most)}, nine of ten within ${seconds(p90)}; ${counted(runs, 'run')})`;

function lines({ totem, forMs, loss, latencyMs }: SimPlan, prediction: Prediction): readonly string[] {
  const { tokenMs, consensusMs } = totem.timings;
  const { runs, forming, failovers, falseRuns, falseChanceMax, reformed } = prediction;
  return [
    `${counted(totem.members.length, 'node')}, ${totem.transport}, token ${tokenMs} ms, consensus ${consensusMs} ms; ${percent(loss)} of packets lost, ${latencyMs} ms one way`,
    forming === null ? 'no ring of all nodes formed' : `a ring of all nodes forms after: ${spreadText(forming)}`,
    ...failovers.map(({ event, failover, missed }) => {
      const what = event.kind === 'kill' ? 'the process ends' : 'the host fails';
      const when =
        event.kind === 'kill' || event.kind === 'power' ? `node ${event.node}, ${what} at ${seconds(event.atMs)}` : '';
      const result =
        failover === null
          ? 'the others never had a ring without it'
          : `the others go on without it after: ${spreadText(failover)}`;
      return `${when}: ${result}${missed === 0 || failover === null ? '' : `; not in ${counted(missed, 'run')}`}`;
    }),
    `nodes removed although they and their links worked: in ${falseRuns} of ${counted(runs, 'run')} of ${seconds(forMs)}; the chance is below ${percent(falseChanceMax)} (95 % confidence)`,
    ...(reformed === 0 ? [] : [`rings that broke and formed anew with nobody gone: ${reformed} in all runs`]),
  ];
}

export const SIMULATE_COMMAND: Command = {
  words: WORDS,
  arguments: '[FILE]',
  summary: 'predict how long a failover takes, and how likely a false one is, with the timeouts of a configuration',
  details:
    "Runs the daemon's own ring protocol, knet and synchronization for all nodes of the file on virtual time, with as many seeds as asked for. Nothing is sent, and no daemon is needed. " +
    'Not in it: busy machines, slow disks, and what applications do after the change. Times count from when the ring has formed. Default: the running daemon’s file.',
  options: {
    kill: { type: 'string', multiple: true },
    power: { type: 'string', multiple: true },
    pause: { type: 'string', multiple: true },
    cut: { type: 'string', multiple: true },
    loss: { type: 'string' },
    latency: { type: 'string' },
    rate: { type: 'string' },
    seeds: { type: 'string' },
    for: { type: 'string' },
    node: { type: 'string' },
  },
  optionHelp: [
    {
      flag: '--kill NODE@TIME',
      text: "the node's daemon ends then, its host lives: 3@10s; may be given again, as all of these",
    },
    { flag: '--power NODE@TIME', text: 'its host fails' },
    { flag: '--pause NODE@TIME+TIME', text: 'it does not run for so long: 2@10s+1500ms' },
    { flag: '--cut NODE-NODE@TIME', text: 'no packet between the two any more' },
    { flag: '--loss SHARE', text: 'of all packets, such as 1%' },
    { flag: '--latency MS', text: `mean, one way (default ${LATENCY_MS_DEFAULT})` },
    { flag: '--rate N', text: `messages a second of each node (default ${RATE_DEFAULT})` },
    { flag: '--seeds N', text: `runs (default ${SEEDS_DEFAULT})` },
    { flag: '--for SECONDS', text: `length of a run (default: ${TOKENS_AFTER} token timeouts after the last event)` },
    { flag: '--node NAME', text: 'read the file as this node of its list (default: this host)' },
  ],
  examples: [
    'rondo simulate --kill 3@10s',
    'rondo simulate new.conf --power 3@10s --loss 1% --seeds 200',
    'rondo simulate --loss 5% --for 3600 --json',
  ],
  positionals: [0, 1],
  run: simulate,
};
