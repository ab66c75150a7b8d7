import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { sweepStaleDirectories } from '../../ipc/server/sweep.ts';
import type { DemoNode } from './generate.ts';
import type { ProcessState } from './model.ts';

/** As bin/rondod starts it; the second says where a debugger could listen: nowhere. */
const NODE_FLAGS = ['--single-threaded', '--inspect-port=[ff02::1]:9229'];
const STDERR_KEPT_CHARS = 2000;

/** One daemon as a child process, started as often as wanted. */
export class DaemonProcess {
  private child: ChildProcess | null = null;
  private wish: 'run' | 'stop' | 'kill' = 'stop';
  private stderrText = '';
  state: ProcessState = 'stopped';

  constructor(
    readonly node: DemoNode,
    /** Path of the daemon's entry point. */
    private readonly entry: string,
    private readonly onChange: (text: string) => void,
    /** Options of Node.js besides, such as those of its profiler. */
    private readonly nodeFlags: readonly string[] = [],
  ) {}

  get pid(): number | null {
    return this.child?.pid ?? null;
  }

  get running(): boolean {
    return this.child !== null;
  }

  start(): void {
    if (this.child !== null) return;
    const { node } = this;
    const options = ['--node', node.name, '--ipc-instance', node.instance, '--state-dir', node.stateDirectory];
    const argv = [
      ...NODE_FLAGS,
      ...this.nodeFlags,
      this.entry,
      '-f',
      '-c',
      node.configFile,
      '-l',
      node.lockFile,
      ...options,
      '--stop-on-stdin-end',
    ];
    // A session of its own: Ctrl-C is for the demonstration, which then stops its daemons in order. Should it die
    // without doing so, the end of their standard input stops them.
    const child = spawn(process.execPath, argv, { detached: true, stdio: ['pipe', 'ignore', 'pipe'] });
    this.child = child;
    this.wish = 'run';
    this.stderrText = '';
    this.state = 'starting';
    child.stdin?.on('error', () => {}); // the daemon ended before its input was closed
    child.stderr?.setEncoding('utf8').on('data', (text: string) => this.keepStderr(text));
    child.once('error', (error) => this.ended(`cannot be started: ${error.message}`));
    child.once('exit', (code, signal) =>
      this.ended(signal === null ? `ended with status ${code}` : `ended by ${signal}`),
    );
    this.onChange(`started, pid ${child.pid}`);
  }

  /** Marks the process as serving; its observer has seen it. */
  ready(): void {
    if (this.child !== null && this.state === 'starting') this.state = 'running';
  }

  stop(): void {
    if (this.child === null) return;
    this.wish = 'stop';
    this.state = 'stopping';
    this.child.kill('SIGTERM');
  }

  kill(): void {
    if (this.child === null) return;
    this.wish = 'kill';
    this.child.kill('SIGKILL');
  }

  /** Resolves when the process is gone; kills it when that takes longer than `waitMs`. */
  async gone(waitMs: number): Promise<void> {
    const { child } = this;
    if (child === null) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), waitMs);
      child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** For an exit handler: nothing asynchronous. */
  destroy(): void {
    if (this.pid === null) return;
    this.child?.kill('SIGKILL');
    sweepStaleDirectories();
  }

  private ended(text: string): void {
    this.child = null;
    this.state = this.wish === 'kill' ? 'killed' : this.wish === 'stop' ? 'stopped' : 'failed';
    sweepStaleDirectories(); // of a killed daemon's connections
    const reason = this.state === 'failed' ? this.stderrText.trim().split('\n').at(-1) : undefined;
    this.onChange(reason === undefined || reason === '' ? text : `${text}: ${reason}`);
  }

  private keepStderr(text: string): void {
    this.stderrText = (this.stderrText + text).slice(-STDERR_KEPT_CHARS);
    try {
      appendFileSync(`${this.node.logFile}.stderr`, text);
    } catch {
      // The directory is being removed.
    }
  }
}
