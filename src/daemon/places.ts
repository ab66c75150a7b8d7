import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DaemonExit, ExitCode } from './exit-codes.ts';

/**
 * Where the daemon keeps its files. Stock has two compiled-in places; here a daemon without privileges, or with an IPC
 * instance, gets places of its own and logs them, so that several can run on one host.
 */
export const DEFAULT_LOCK_FILE = '/run/corosync.pid';

export interface Places {
  readonly directory: string;
  /** What is not where stock has it, and why; for the log. */
  readonly notices: readonly string[];
}

interface InstanceOptions {
  readonly ipcInstance: string | null;
  readonly ipcInstanceEnv: string | null;
  readonly stateDirectoryEnv: string | null;
}

/** The state directory where neither an option nor the configuration names one. */
export function stateFallback(
  standard: string,
  options: InstanceOptions,
  privileged: boolean,
  env: NodeJS.ProcessEnv,
): Places {
  if (options.stateDirectoryEnv !== null) return { directory: options.stateDirectoryEnv, notices: [] };
  const instance = options.ipcInstance ?? options.ipcInstanceEnv ?? '';
  if (instance === '' && (privileged || isWritableDirectory(standard))) return { directory: standard, notices: [] };
  const base = privileged ? '/var/lib/rondo' : join(homeState(env), 'rondo');
  const directory = instance === '' ? base : join(base, instance);
  mkdirOrExit(directory);
  const reason = privileged ? 'IPC instance' : 'no privileges';
  return { directory, notices: [`State directory is ${directory} (${reason}; --state-dir overrides)`] };
}

export interface LockRequest {
  /** From `-l`. */
  readonly lockFile: string | null;
  readonly instance: string;
  readonly privileged: boolean;
  readonly stateDirectory: string;
}

export function placeOfLock(request: LockRequest): { readonly lockFile: string; readonly notices: readonly string[] } {
  const { lockFile, instance, privileged, stateDirectory } = request;
  if (lockFile !== null) return { lockFile, notices: [] };
  if (privileged)
    return { lockFile: instance === '' ? DEFAULT_LOCK_FILE : `/run/corosync-${instance}.pid`, notices: [] };
  const file = join(stateDirectory, 'corosync.pid');
  return { lockFile: file, notices: [`Lock file is ${file} (no privileges; --lock-file overrides)`] };
}

function mkdirOrExit(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new DaemonExit(
      ExitCode.STATE_DIRECTORY,
      `Cannot make state directory ${directory}: ${error instanceof Error ? error.message : String(error)}. Give one with --state-dir`,
      { cause: error },
    );
  }
}

function isWritableDirectory(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    return statSync(directory).isDirectory();
  } catch {
    return false;
  }
}

/** Never a place where others can make directories. */
function homeState(env: NodeJS.ProcessEnv): string {
  return env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local', 'state');
}
