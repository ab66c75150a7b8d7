import { Cfg } from '../../client/cfg.ts';
import { Cmap } from '../../client/cmap.ts';
import { CsError, CsStatusError } from '../../lib/errors.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit, UsageError } from '../exit-codes.ts';
import { emit } from '../output.ts';
import { CONFIG_COMMANDS } from './config.ts';

async function withCfg(context: CommandContext, use: (cfg: Cfg) => Promise<number>): Promise<number> {
  const cfg = await Cfg.connect(context.connect);
  try {
    return await use(cfg);
  } finally {
    cfg.close();
  }
}

const reload = (context: CommandContext): Promise<number> =>
  withCfg(context, async (cfg) => {
    try {
      await cfg.reload({ signal: context.io.signal });
    } catch (error) {
      if (!(error instanceof CsStatusError) || error.status !== CsError.INVALID_PARAM) throw error;
      throw new CsStatusError(
        error.status,
        'reload: this node refused its configuration file',
        'Run: rondo config check; the log has the reason',
      );
    }
    const partial = await reloadErrors(context);
    emit(context, { reloaded: true, error: partial }, () =>
      partial === null ? ['Configuration reloaded'] : [`Configuration reloaded, but: ${partial}. See the log`],
    );
    return partial === null ? CliExit.OK : CliExit.FAILED;
  });

/** What could not be applied, as the daemon reports it (3.1.9 and later). */
async function reloadErrors(context: CommandContext): Promise<string | null> {
  const cmap = await Cmap.connect(context.connect);
  try {
    return await cmap.getString('config.reload_error_message');
  } finally {
    cmap.close();
  }
}

const shutdown = (context: CommandContext): Promise<number> =>
  withCfg(context, async (cfg) => {
    const how = context.values['force'] === true ? 'regardless' : 'ask';
    try {
      await cfg.shutdown(how, { signal: context.io.signal });
    } catch (error) {
      if (!(error instanceof CsStatusError) || error.status !== CsError.BUSY) throw error;
      throw new CsStatusError(
        error.status,
        'shutdown: a program objected',
        'rondo shutdown --force asks without the right to object',
      );
    }
    emit(context, { stopping: true }, () => ['Stopping']);
    return CliExit.OK;
  });

const kill = (context: CommandContext): Promise<number> =>
  withCfg(context, async (cfg) => {
    const nodeId = Number(context.positionals[0]);
    if (!Number.isInteger(nodeId) || nodeId < 1)
      throw new UsageError(`'${context.positionals[0]}' is not a node id`, 'kill');
    await cfg.killNode(nodeId, context.positionals[1] ?? 'Killed by rondo', { signal: context.io.signal });
    emit(context, { killed: nodeId }, () => [`Node ${nodeId} gets the order to end at once`]);
    return CliExit.OK;
  });

const reopen = (context: CommandContext): Promise<number> =>
  withCfg(context, async (cfg) => {
    await cfg.reopenLogs({ signal: context.io.signal });
    emit(context, { reopened: true }, () => []);
    return CliExit.OK;
  });

export const CONTROL_COMMANDS: readonly Command[] = [
  {
    words: 'reload',
    arguments: '',
    summary: 'make every node read its configuration file again',
    details: 'The result is that of the local node.',
    options: {},
    optionHelp: [],
    examples: ['rondo config check && rondo reload'],
    positionals: [0, 0],
    slow: true,
    run: reload,
  },
  {
    words: 'shutdown',
    arguments: '',
    summary: 'stop the daemon of this node in order',
    details: 'Programs that registered for it may object.',
    options: { force: { type: 'boolean' } },
    optionHelp: [{ flag: '--force', text: 'ask nobody twice: objections do not count' }],
    examples: ['rondo shutdown'],
    positionals: [0, 0],
    slow: true,
    run: shutdown,
  },
  {
    words: 'kill',
    arguments: 'NODE [REASON]',
    summary: 'make a member end at once, without leaving in order',
    details: '',
    options: {},
    optionHelp: [],
    examples: ['rondo kill 3'],
    positionals: [1, 2],
    run: kill,
  },
  {
    words: 'reopen-logs',
    arguments: '',
    summary: 'make the daemon open its log files again, after rotation',
    details: '',
    options: {},
    optionHelp: [],
    examples: [],
    positionals: [0, 0],
    run: reopen,
  },
  ...CONFIG_COMMANDS,
];
