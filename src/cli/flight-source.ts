import { homedir } from 'node:os';
import { join } from 'node:path';
import { Cmap } from '../client/cmap.ts';
import { ConnectionError } from '../client/errors.ts';
import { STATE_DIRECTORY_DEFAULT } from '../config/options/system.ts';
import { FLIGHT_FILE } from '../observe/flight/index.ts';
import type { CommandContext } from './command.ts';

/** Where the daemon says that its recorder is; empty: it has none. */
export const FLIGHT_FILE_KEY = 'rondo.flight.file';

/** The recorder's file: the one that is named, the running daemon's, or the one that a daemon would have used. */
export async function flightPath(context: CommandContext, named: string | null): Promise<string> {
  if (named !== null) return named;
  return (await askDaemon(context)) || defaultFlightPath(context);
}

async function askDaemon(context: CommandContext): Promise<string | null> {
  try {
    const stats = await Cmap.connect({ ...context.connect, map: 'stats' });
    try {
      return await stats.getString(FLIGHT_FILE_KEY, { signal: context.io.signal });
    } finally {
      stats.close();
    }
  } catch (error) {
    if (error instanceof ConnectionError) return null; // the daemon is gone, and its file is not
    throw error;
  }
}

function defaultFlightPath({ connect, io }: CommandContext): string {
  const instance = connect.instance ?? io.env['RONDO_IPC_INSTANCE'] ?? '';
  if (process.geteuid?.() === 0)
    return join(instance === '' ? STATE_DIRECTORY_DEFAULT : join('/var/lib/rondo', instance), FLIGHT_FILE);
  const state = io.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state');
  return join(state, 'rondo', instance, FLIGHT_FILE);
}

/** Whether a process with this id is there, whoever it belongs to. */
export function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
