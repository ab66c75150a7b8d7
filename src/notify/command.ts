import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { type Notice, noticeDetails, noticeJson, noticeText } from './notice.ts';
import type { Delivery } from './receiver.ts';

/** A command that takes longer is killed, with all that it started in its process group. */
export const COMMAND_MS_MAX = 15_000;
const ENVIRONMENT_PREFIX = 'RONDO_';
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface CommandOptions {
  readonly path: string;
  readonly msMax?: number;
  /** Throws when it must not be run; called before every run. */
  check?(path: string): void;
}

/** `peerId` → `RONDO_PEER_ID`; lists with blanks between. No other variable of this process is handed on, but for a search path. */
export function commandEnvironment(notice: Notice): Readonly<Record<string, string>> {
  const { id, seq, timeMs, host, nodeId, name, priority, event } = notice;
  const fields: Record<string, string | number | readonly number[]> = {
    event: name,
    priority,
    id,
    seq,
    time: new Date(timeMs).toISOString(),
    host,
    nodeId,
    text: noticeText(notice),
    ...noticeDetails(event),
  };
  const environment: Record<string, string> = { PATH, LC_ALL: 'C' };
  for (const [field, value] of Object.entries(fields)) {
    const text = Array.isArray(value) ? value.join(' ') : String(value);
    environment[ENVIRONMENT_PREFIX + field.replace(/[A-Z]/g, '_$&').toUpperCase()] = text;
  }
  return environment;
}

/**
 * Runs a program for each notice, without a shell: its argument is the event's name, its standard input the JSON, its environment the
 * parts. One at a time, so that events come in order.
 */
export function commandDelivery({ path, msMax = COMMAND_MS_MAX, check }: CommandOptions): Delivery {
  return {
    async deliver(notice, dropped, signal) {
      check?.(path);
      const child: ChildProcess = spawn(path, [notice.name], {
        cwd: '/',
        env: { ...commandEnvironment(notice) },
        stdio: ['pipe', 'ignore', 'ignore'],
        detached: true,
      });
      // Listened for before anything else can fail: nobody's `error` would end the daemon.
      const end = ended(child, path, msMax, signal);
      ordinaryPriority(child);
      // Where no descriptor is free there are no streams, only an `error` to come.
      child.stdin?.on('error', () => {}); // it need not read
      child.stdin?.end(`${noticeJson(notice, dropped)}\n`);
      await end;
    },
  };
}

/** The daemon has the strongest nice value; what it starts for others has not. */
function ordinaryPriority({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, 0);
  } catch {
    // It has ended already, or this process has an ordinary priority itself and may not raise one.
  }
}

function ended(child: ChildProcess, path: string, msMax: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let late = false;
    const kill = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // nobody is left
      }
    };
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, msMax);
    signal.addEventListener('abort', kill, { once: true });
    const done = (problem: string | null): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', kill);
      if (problem === null) resolve();
      else reject(new Error(`${path} ${problem}`));
    };
    child.once('error', (error) => done(`cannot be started: ${error.message}`));
    child.once('exit', (code, signalName) => {
      if (late) done(`ran longer than ${msMax / 1000} s and was killed`);
      else if (signalName !== null) done(`was ended by ${signalName}`);
      else done(code === 0 ? null : `ended with status ${code}`);
    });
  });
}
