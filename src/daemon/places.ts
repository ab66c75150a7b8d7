import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DaemonExit, ExitCode } from './exit-codes.ts';

/**
 * Where the daemon keeps its files. Stock has two compiled-in places; here a daemon without privileges, or with an IPC
 * instance, gets places of its own and says so, so that several can run on one host.
 */
export const DEFAULT_STATE_DIRECTORY = '/var/lib/corosync';
export const DEFAULT_LOCK_FILE = '/run/corosync.pid';

export interface PlaceRequest {
  /** From `--state-dir`, then `system.state_dir`, then `STATE_DIRECTORY`. */
  readonly stateDirectory: string | null;
  readonly lockFile: string | null;
  readonly instance: string;
  readonly privileged: boolean;
  readonly env: NodeJS.ProcessEnv;
}

export interface Places {
  readonly stateDirectory: string;
  readonly lockFile: string;
  /** What is not where stock has it, and why; for the log. */
  readonly notices: readonly string[];
}

export function choosePlaces(request: PlaceRequest): Places {
  const notices: string[] = [];
  const stateDirectory = chooseState(request, notices);
  const lockFile = chooseLock(request, stateDirectory, notices);
  return { stateDirectory, lockFile, notices };
}

function chooseState(request: PlaceRequest, notices: string[]): string {
  if (request.stateDirectory !== null) return usableState(request.stateDirectory);
  if (request.privileged && request.instance === '') return usableState(DEFAULT_STATE_DIRECTORY);
  if (request.instance === '' && isWritableDirectory(DEFAULT_STATE_DIRECTORY)) return DEFAULT_STATE_DIRECTORY;
  const base = request.privileged ? '/var/lib/rondo' : join(homeState(request.env), 'rondo');
  const directory = request.instance === '' ? base : join(base, request.instance);
  mkdirOrExit(directory);
  notices.push(
    `State directory is ${directory} (${request.privileged ? 'IPC instance' : 'no privileges'}; --state-dir overrides)`,
  );
  return directory;
}

function chooseLock(request: PlaceRequest, stateDirectory: string, notices: string[]): string {
  if (request.lockFile !== null) return request.lockFile;
  if (request.privileged) return request.instance === '' ? DEFAULT_LOCK_FILE : `/run/corosync-${request.instance}.pid`;
  const file = join(stateDirectory, 'corosync.pid');
  notices.push(`Lock file is ${file} (no privileges; --lock-file overrides)`);
  return file;
}

/** Stock wants the directory to exist and ends with status 16 otherwise. */
function usableState(directory: string): string {
  try {
    if (statSync(directory).isDirectory()) return directory;
  } catch (error) {
    throw new DaemonExit(
      ExitCode.STATE_DIRECTORY,
      `Cannot chdir to state directory ${directory}. ${error instanceof Error ? error.message : ''}`,
      { cause: error },
    );
  }
  throw new DaemonExit(ExitCode.STATE_DIRECTORY, `Cannot chdir to state directory ${directory}. Not a directory`);
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

function homeState(env: NodeJS.ProcessEnv): string {
  return env['XDG_STATE_HOME'] || join(env['HOME'] || '/tmp', '.local', 'state');
}
