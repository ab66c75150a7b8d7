import { Cmap } from '../client/cmap.ts';
import { ConnectionError } from '../client/errors.ts';
import { CONFIG_FILE_DEFAULT } from '../config/load.ts';
import { CsStatusError } from '../lib/errors.ts';
import type { CommandContext } from './command.ts';

/** Where the daemon says which file it has read, and as which node of its list. */
const FILE_KEY = 'rondo.config.file';
const NODE_KEY = 'rondo.config.node';

/** A configuration file, and the name of the node to read it as; `undefined`: this host. */
export interface ConfigSource {
  /** `null`: of a named instance that does not run, only who starts it knows. */
  readonly file: string | null;
  readonly node: string | undefined;
}

/** The file that is named, else the running daemon's, else the one that a daemon would read. */
export async function configSource(context: CommandContext, named: unknown): Promise<ConfigSource> {
  const { node } = context.values;
  const asked = typeof node === 'string' ? node : undefined;
  if (typeof named === 'string' && asked !== undefined) return { file: named, node: asked };
  const running = await askDaemon(context);
  const instance = context.connect.instance ?? context.io.env['RONDO_IPC_INSTANCE'] ?? '';
  const fallback = instance === '' ? CONFIG_FILE_DEFAULT : null;
  return {
    file: typeof named === 'string' ? named : (running?.file ?? fallback),
    node: asked ?? running?.node,
  };
}

/** `null`: no daemon, stock's, or one that does not serve this user. */
async function askDaemon(context: CommandContext): Promise<ConfigSource | null> {
  const { signal } = context.io;
  try {
    const stats = await Cmap.connect({ ...context.connect, map: 'stats' });
    try {
      const file = await stats.getString(FILE_KEY, { signal });
      const node = await stats.getString(NODE_KEY, { signal });
      return file === null || file === '' ? null : { file, node: node === null || node === '' ? undefined : node };
    } finally {
      stats.close();
    }
  } catch (error) {
    if (!signal.aborted && (error instanceof ConnectionError || error instanceof CsStatusError)) return null;
    throw error;
  }
}
