import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../daemon/loopback-cluster.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** An example that runs, and what it has printed. */
export class Example {
  output = '';
  private readonly child: ChildProcess;
  private readonly closed: Promise<void>;

  constructor(instance: string, name: string, ...args: readonly string[]) {
    const env = { ...process.env, RONDO_IPC_INSTANCE: instance, WORK_MS: '300' };
    this.child = spawn(process.execPath, [join(ROOT, 'examples', `${name}.mjs`), ...args], { cwd: ROOT, env });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    this.closed = new Promise((resolve) => this.child.once('close', () => resolve()));
  }

  count(pattern: RegExp): number {
    return [...this.output.matchAll(new RegExp(pattern, 'g'))].length;
  }

  async prints(pattern: RegExp, times = 1): Promise<void> {
    await until(() => this.count(pattern) >= times, `${pattern} ${times} times in:\n${this.output}`);
  }

  says(text: string): void {
    this.child.stdin?.write(`${text}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.child.kill(signal);
    await this.closed;
  }

  done(): Promise<void> {
    return this.closed;
  }
}
