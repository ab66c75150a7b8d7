import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ConfigEnvironment, nodeEnvironment } from '../../config/environment.ts';
import { type ConfigError, type ConfigWarning, warningText } from '../../config/errors.ts';
import { CONFIG_FILE_DEFAULT, type LoadResult, loadConfiguration } from '../../config/load.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit } from '../exit-codes.ts';
import { emit } from '../output.ts';

async function check(context: CommandContext): Promise<number> {
  const file = context.positionals[0] ?? CONFIG_FILE_DEFAULT;
  const { node } = context.values;
  const result = await loadConfiguration({ file }, { purpose: 'test', environment: checkingEnvironment(node) });
  if (result.ok) result.key?.wipe();
  emit(context, resultJson(result), () => resultLines(result));
  if (!result.ok) return CliExit.CHECK_FAILED;
  return context.values['strict'] === true && result.warnings.length > 0 ? CliExit.CHECK_FAILED : CliExit.OK;
}

/** The machine, seen without touching it: the log file is not created, the state directory may be another machine's. */
function checkingEnvironment(node: unknown): ConfigEnvironment {
  const environment = nodeEnvironment();
  return {
    ...environment,
    ...(typeof node === 'string' ? { hostname: () => node } : {}),
    openForAppend: (path) => access(dirname(path), constants.W_OK),
    enterDirectory: () => Promise.resolve(),
  };
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

/** Commands that need no daemon: what a configuration file says. */
export const CONFIG_COMMANDS: readonly Command[] = [
  {
    words: 'config check',
    arguments: '[FILE]',
    summary: 'check a configuration file, unknown keys included',
    details: `Default file: ${CONFIG_FILE_DEFAULT}. Reports FILE:LINE:COLUMN, what is wrong and what to do. Exit 4 when the file is not usable.`,
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
];
