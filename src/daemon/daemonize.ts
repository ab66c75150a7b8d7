import { spawn } from 'node:child_process';
import { redirectStdioToNull } from '../os/stdio.ts';
import { programName } from './program-name.ts';

/**
 * Starting in the background. Stock forks before it takes the lock and loads the engines, so later failures are
 * invisible to the caller (config-and-tools.md 8, T10). Here the parent waits for the child's word:
 *
 *   parent: spawn child detached ──── relays its stderr ──── 'up' → exit 0
 *                                                      └──── child ended → exit with its status
 *
 * "Up" is the first completed synchronisation: from then on clients are served. A daemon whose interface is down gets
 * there later; after `UP_WAIT_MS` the parent leaves it in the background and prints that.
 */
export const UP_WAIT_MS = 60_000;
/** Tells the child that it is one, through the environment; not for users. */
export const BACKGROUND_MARK = 'RONDOD_BACKGROUND';
export const UP_MESSAGE = 'up';

/** Runs this program again in the background. Resolves with the status that the caller shall exit with. */
export function startInBackground(
  argv: readonly string[],
  write: (text: string) => void,
  upWaitMs = UP_WAIT_MS,
): Promise<number> {
  const entry = process.argv[1];
  if (entry === undefined) return Promise.reject(new Error('cannot tell which program this is'));
  const child = spawn(process.execPath, [...process.execArgv, entry, ...argv], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, [BACKGROUND_MARK]: '1' },
  });
  child.stderr?.setEncoding('utf8').on('data', write);
  return new Promise((resolve) => {
    const done = (status: number): void => {
      clearTimeout(timer);
      child.stderr?.destroy();
      if (child.connected) child.disconnect();
      child.unref();
      resolve(status);
    };
    const timer = setTimeout(() => {
      write(
        `${programName()}: pid ${child.pid} runs, but no ring has formed in ${upWaitMs / 1000} s; it goes on trying. See its log\n`,
      );
      done(0);
    }, upWaitMs);
    child.once('message', (message) => {
      if (message === UP_MESSAGE) done(0);
    });
    child.once('error', (error) => {
      write(`${programName()}: cannot start in the background: ${error.message}\n`);
      done(4);
    });
    // 'close' rather than 'exit': what the child wrote last must be relayed too.
    child.once('close', (code, signal) => done(code ?? (signal === null ? 1 : 128)));
  });
}

/** The child's side: lets the parent go. Without a parent that waits it does nothing. */
export function reportUp(): void {
  if (process.env[BACKGROUND_MARK] !== '1' || process.send === undefined || !process.connected) return;
  process.send(UP_MESSAGE, () => {
    if (process.connected) process.disconnect();
  });
}

export const isBackgroundChild = (): boolean => process.env[BACKGROUND_MARK] === '1';

/** The child's last step: nothing of the caller is held any more, neither its terminal nor its pipe. */
export function leaveTerminal(stopUsingStderr: () => void): void {
  stopUsingStderr();
  redirectStdioToNull();
}
