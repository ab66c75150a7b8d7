import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Marks every process of this run, also the grandchildren: the pid of the test, and the process space in which it has that one. */
export const MARK = 'RONDO_LAB';
/** A pid means nothing in another one, where labs of their own may run. */
export const PROCESS_SPACE = `space${/\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? ''}`;
export const MARK_VALUE = `${PROCESS_SPACE}-${process.pid}`;

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** A command that goes on until it is stopped. Dies with the test process. */
export class Running {
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  readonly pid: number;
  output = '';
  errors = '';
  alive = true;
  private readonly listeners = new Set<() => void>();

  constructor(readonly child: ChildProcess) {
    this.pid = child.pid ?? 0;
    child.on('error', (error) => {
      this.errors += String(error);
    });
    child.stdin?.on('error', () => undefined); // it may end while something is written to it
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
      for (const listener of [...this.listeners]) listener();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (this.errors.length < 1_000_000) this.errors += text;
    });
    this.exited = new Promise((resolve) => {
      const ended = (code: number | null, signal: NodeJS.Signals | null) => {
        this.alive = false;
        running.delete(this);
        resolve({ code, signal });
        for (const listener of [...this.listeners]) listener();
      };
      child.on('close', ended);
      // A grandchild may keep the pipes open for longer.
      child.on('exit', (code, signal) => setTimeout(ended, 300, code, signal).unref());
    });
    running.add(this);
  }

  write(text: string): void {
    this.child.stdin?.write(text);
  }

  signal(name: NodeJS.Signals): void {
    if (!this.alive || this.pid <= 0) return;
    try {
      process.kill(this.pid, name);
    } catch {
      // It ended a moment ago, and the event has not come yet.
    }
  }

  /** Sends a signal and waits for the end; SIGKILL follows when it takes too long. */
  async stop(name: NodeJS.Signals = 'SIGTERM', timeoutMs = 10_000): Promise<number | null> {
    this.signal(name);
    const timer = setTimeout(() => this.signal('SIGKILL'), timeoutMs);
    const { code } = await this.exited;
    clearTimeout(timer);
    return code;
  }

  /** Waits until the output matches; returns the match. */
  async waitFor(pattern: RegExp, timeoutMs = 20_000): Promise<RegExpExecArray> {
    const found = pattern.exec(this.output);
    if (found) return found;
    return new Promise((resolve, reject) => {
      const finish = (error: Error | null, match: RegExpExecArray | null) => {
        clearTimeout(timer);
        this.listeners.delete(listener);
        if (match) resolve(match);
        else reject(error);
      };
      const listener = () => {
        const match = pattern.exec(this.output);
        if (match) finish(null, match);
        else if (!this.alive) finish(new Error(`ended before ${pattern}: ${this.output}${this.errors}`), null);
      };
      const timer = setTimeout(
        () => finish(new Error(`no ${pattern} in: ${this.output.slice(-500)}`), null),
        timeoutMs,
      );
      this.listeners.add(listener);
    });
  }
}

const running = new Set<Running>();

/** Starts a command that must not outlive this process. */
export function start(command: string, args: readonly string[], options: SpawnOptions = {}): Running {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...options,
    env: { ...process.env, LC_ALL: 'C', ...options.env, [MARK]: MARK_VALUE },
  });
  return new Running(child);
}

export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const process = start(command, args, { ...(options.env === undefined ? {} : { env: options.env }) });
  process.child.stdin?.end(options.input ?? '');
  const timer = setTimeout(() => {
    process.errors += `\n(killed after ${options.timeoutMs ?? 30_000} ms)`;
    process.signal('SIGKILL');
  }, options.timeoutMs ?? 30_000);
  const { code, signal } = await process.exited;
  clearTimeout(timer);
  return { code: code ?? (signal === null ? -1 : -2), stdout: process.output, stderr: process.errors };
}

/** Like `run`, but a failure throws. */
export async function must(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: status ${code}: ${stderr}${stdout}`);
  return stdout;
}

/** Ids of living processes whose environment carries the mark, with the pid of the test that they belong to. */
export function markedProcesses(): readonly { readonly pid: number; readonly owner: number }[] {
  const found: { pid: number; owner: number }[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      const match = new RegExp(`(?:^|\0)${MARK}=${PROCESS_SPACE}-(\\d+)`).exec(
        readFileSync(`/proc/${name}/environ`, 'latin1'),
      );
      if (match) found.push({ pid: Number(name), owner: Number(match[1]) });
    } catch {
      // Gone meanwhile, or a kernel thread.
    }
  }
  return found;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Ends, by pid, what earlier runs that died have left behind, and with `own` everything of this run, too. */
export function killMarked(own: boolean): void {
  for (const { pid, owner } of markedProcesses()) {
    if (owner === process.pid ? !own : isAlive(owner)) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone meanwhile.
    }
  }
}

process.on('exit', () => {
  if (running.size > 0) killMarked(true);
});

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Calls `check` until it returns something else than `null`; the last error text is part of the complaint. */
export async function until<T>(
  what: string,
  check: () => Promise<T | null> | T | null,
  timeoutMs = 30_000,
  intervalMs = 100,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== null) return value;
    if (Date.now() > end) throw new Error(`timed out after ${timeoutMs} ms: ${what}`);
    await sleep(intervalMs);
  }
}
