import { type ChildProcess, spawn } from 'node:child_process';
import type { LogLevel } from '../../lib/log.ts';
import { Heuristics } from '../../qnet/ids.ts';
import { controlWords } from '../control-words.ts';

export interface HeuristicCommand {
  readonly name: string;
  readonly line: string;
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Runs the commands of heuristics, side by side and without a shell: all must end with 0 in time. One that does not is killed with all that it
 * started; so are those of a run that another one supersedes. Their number is bounded, those that are being killed included.
 */
export class HeuristicsRunner {
  private run = 0;
  private readonly running = new Map<ChildProcess, number>();
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly limits: { readonly processesMax: number; readonly searchesPath: boolean },
    private readonly log: (level: LogLevel, message: string, kind?: string) => void,
  ) {}

  /** `done` gets a `Heuristics`, unless another run supersedes this one. No commands: UNDEFINED. */
  start(commands: readonly HeuristicCommand[], timeoutMs: number, done: (result: number) => void): void {
    this.stop();
    const run = ++this.run;
    const end = (result: number): void => {
      if (this.run !== run) return;
      this.run += 1;
      this.stop();
      done(result);
    };
    if (commands.length === 0) {
      setImmediate(() => end(Heuristics.UNDEFINED));
      return;
    }
    if (this.running.size + commands.length > this.limits.processesMax) {
      this.log(
        'error',
        `${this.running.size} heuristics processes are still being killed: no more are started`,
        'being killed',
      );
      setImmediate(() => end(Heuristics.FAIL));
      return;
    }
    this.timer = setTimeout(() => {
      this.log('warning', `Not all heuristics execs finished within ${timeoutMs} ms`);
      end(Heuristics.FAIL);
    }, timeoutMs);
    let left = commands.length;
    for (const command of commands) {
      this.spawn(command, run, (passed) => {
        left -= 1;
        if (!passed) end(Heuristics.FAIL);
        else if (left === 0) end(Heuristics.PASS);
      });
      if (this.run !== run) return; // one could not be started: nobody waits for the others
    }
  }

  /** Kills what runs. */
  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    for (const child of this.running.keys()) killGroup(child);
  }

  /** Ends for good: nothing is reported any more. */
  close(): void {
    this.run += 1;
    this.stop();
  }

  private spawn({ name, line }: HeuristicCommand, run: number, ended: (passed: boolean) => void): void {
    const [program = '', ...args] = controlWords(line);
    if (!program.startsWith('/') && !this.limits.searchesPath) {
      this.log('error', `Heuristics exec ${name}: ${program} is not an absolute path`, 'not absolute');
      ended(false);
      return;
    }
    const env = { PATH, LC_ALL: 'C' };
    let child: ChildProcess;
    try {
      child = spawn(program, args, { cwd: '/', env, stdio: 'ignore', detached: true });
    } catch (error) {
      // A line that is no command, or a system at its end.
      this.log(
        'error',
        `Heuristics exec ${name} cannot be started: ${error instanceof Error ? error.message : error}`,
        'not started',
      );
      ended(false);
      return;
    }
    this.running.set(child, run);
    child.once('error', ({ message }) => {
      this.running.delete(child);
      this.log('error', `Heuristics exec ${name} cannot be started: ${message}`, 'not started');
      ended(false);
    });
    child.once('exit', (code) => {
      this.running.delete(child);
      if (code !== 0 && this.run === run)
        this.log('warning', `Heuristics exec ${name} exited with status ${code ?? 'of a signal'}`, 'failed');
      ended(code === 0);
    });
  }
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // nobody is left
  }
}
