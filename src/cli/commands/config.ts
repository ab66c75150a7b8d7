import { Cfg } from '../../client/cfg.ts';
import { Cmap } from '../../client/cmap.ts';
import { type ConfigError, type ConfigWarning, warningText } from '../../config/errors.ts';
import { CONFIG_FILE_DEFAULT, type LoadResult, loadConfiguration } from '../../config/load.ts';
import { RondoError } from '../../lib/errors.ts';
import { checking } from '../checking-environment.ts';
import type { Command, CommandContext } from '../command.ts';
import { type ConfigPlan, liveMap, planConfiguration } from '../config-plan.ts';
import { configSource } from '../config-source.ts';
import { CliExit } from '../exit-codes.ts';
import { emit } from '../output.ts';
import { nodeViews } from '../views.ts';

async function sourceOf(
  context: CommandContext,
): Promise<{ readonly file: string; readonly node: string | undefined }> {
  const { file, node } = await configSource(context, context.positionals[0]);
  if (file === null)
    throw new RondoError(
      'RONDO_NO_FILE',
      'the instance does not run, so nobody knows its configuration file',
      'Name the file',
    );
  return { file, node };
}

async function check(context: CommandContext): Promise<number> {
  const { file, node } = await sourceOf(context);
  const result = await loadConfiguration({ file }, { purpose: 'test', ...checking(node) });
  if (result.ok) result.key?.wipe();
  emit(context, resultJson(result), () => resultLines(result));
  if (!result.ok) return CliExit.CHECK_FAILED;
  return context.values['strict'] === true && result.warnings.length > 0 ? CliExit.CHECK_FAILED : CliExit.OK;
}

const problemJson = (problem: ConfigError | ConfigWarning): unknown => ({
  code: problem.code,
  file: problem.position?.file ?? null,
  line: problem.position?.line ?? null,
  column: problem.position?.column ?? null,
  key: problem.key ?? null,
  message: problem.message,
  hint: problem.hint,
});

function resultJson(result: LoadResult): unknown {
  return {
    file: result.file,
    ok: result.ok,
    errors: result.ok ? [] : result.errors.map(problemJson),
    warnings: result.warnings.map(problemJson),
    summary: result.ok ? summary(result) : null,
  };
}

function summary(result: LoadResult & { readonly ok: true }): unknown {
  const { totem } = result;
  return {
    nodeId: totem.nodeId,
    clusterName: totem.clusterName,
    transport: totem.transport,
    nodes: totem.members.length,
    links: totem.links.length,
    cryptoCipher: totem.crypto.cipher,
    cryptoHash: totem.crypto.hash,
    tokenMs: totem.timings.tokenMs,
    consensusMs: totem.timings.consensusMs,
  };
}

function resultLines(result: LoadResult): string[] {
  const warnings = result.warnings.map((warning) => `warning: ${warningText(warning)}`);
  if (!result.ok) return [...warnings, ...result.errors.map((error) => `error: ${error.message}`)];
  const { totem } = result;
  const crypto =
    totem.crypto.cipher === 'none' && totem.crypto.hash === 'none'
      ? 'not encrypted'
      : `${totem.crypto.cipher}/${totem.crypto.hash}`;
  return [
    ...warnings,
    `${result.file}: usable. Node ${totem.nodeId} of ${totem.members.length}, ${totem.transport}, ${crypto}, token ${totem.timings.tokenMs} ms, consensus ${totem.timings.consensusMs} ms`,
  ];
}

/** What a reload would do here, and which nodes have what now. */
async function plan(context: CommandContext): Promise<number> {
  const { file, node } = await sourceOf(context);
  const cmap = await Cmap.connect(context.connect);
  const stats = await Cmap.connect({ ...context.connect, map: 'stats' });
  const cfg = await Cfg.connect(context.connect);
  try {
    const own = await cfg.localNodeId();
    const planned = await planConfiguration(file, node, await liveMap(cmap));
    const views = await nodeViews(stats);
    const here = views.find(({ nodeId }) => nodeId === own)?.configuration;
    const nodes = views.map(({ nodeId, configuration }) => ({
      nodeId,
      asHere: configuration === here,
      asFile: configuration === planned.configuration,
    }));
    emit(context, { file, ok: planned.refusals.length === 0, ...planned, nodes }, () =>
      planLines(file, planned, nodes),
    );
    return planned.refusals.length === 0 ? CliExit.OK : CliExit.CHECK_FAILED;
  } finally {
    for (const connection of [cmap, stats, cfg]) connection.close();
  }
}

interface NodeState {
  readonly nodeId: number;
  readonly asHere: boolean;
  readonly asFile: boolean;
}

function planLines(file: string, planned: ConfigPlan, nodes: readonly NodeState[]): string[] {
  const lines = planned.refusals.map((text) => `refused: ${text}`);
  for (const effect of ['at once', 'links that are added', 'next start', 'never while it runs'] as const) {
    const changes = planned.changes.filter((change) => change.effect === effect);
    if (changes.length > 0) lines.push(`${effect}:`, ...changes.map(({ text }) => `  ${text}`));
  }
  if (planned.refusals.length + planned.changes.length === 0) lines.push(`${file} says what is in force`);
  lines.push(...planned.warnings.map((text) => `warning: ${text}`));
  const other = nodes.filter(({ asHere }) => !asHere).map(({ nodeId }) => nodeId);
  if (other.length > 0) lines.push(`nodes with other values in force than here: ${other.join(' ')}`);
  const done = nodes.filter(({ asFile }) => asFile).map(({ nodeId }) => nodeId);
  if (planned.changes.length > 0 && done.length > 0)
    lines.push(`nodes that have the file's values in force already: ${done.join(' ')}`);
  return lines;
}

/** What a configuration file says, and what a daemon would make of it. */
export const CONFIG_COMMANDS: readonly Command[] = [
  {
    words: 'config check',
    arguments: '[FILE]',
    summary: 'check a configuration file, unknown keys included',
    details: `Default: the running daemon's file, else ${CONFIG_FILE_DEFAULT}. Reports FILE:LINE:COLUMN, what is wrong and what to do. Exit 4 when the file is not usable.`,
    options: { node: { type: 'string' }, strict: { type: 'boolean' } },
    optionHelp: [
      { flag: '--node NAME', text: 'check it as this node of its list (default: this host)' },
      { flag: '--strict', text: 'exit 4 also when there are warnings' },
    ],
    examples: [
      'rondo config check',
      'rondo config check --node node2 new.conf && cp new.conf /etc/corosync/corosync.conf',
    ],
    positionals: [0, 1],
    run: check,
  },
  {
    words: 'config plan',
    arguments: '[FILE]',
    summary: 'show what a reload of a file would change, when each key acts, and which nodes differ',
    details: `Default: the running daemon's file, else ${CONFIG_FILE_DEFAULT}. Changes nothing. Each node reads its own file at a reload; what they have in force now is compared. Exit 4 when the reload would be refused.`,
    options: { node: { type: 'string' } },
    optionHelp: [{ flag: '--node NAME', text: 'read it as this node of its list (default: this host)' }],
    examples: ['rondo config plan', 'rondo config plan new.conf --json'],
    positionals: [0, 1],
    run: plan,
  },
];
