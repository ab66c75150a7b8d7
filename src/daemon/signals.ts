import type { LogFunction } from '../lib/log.ts';

/** What signals make the daemon do. */
export interface SignalPorts {
  readonly log: LogFunction;
  stop(reason: string): void;
  dumpState(): void;
  /** Writes the flight recorder, and what the log still holds. */
  lastWords(): void;
}

export interface SignalOptions {
  readonly stopOnStdinEnd: boolean;
  /** Runs in the foreground of a terminal: a hang-up means that the user closed it. */
  readonly terminal: boolean;
}

/**
 * Signals (services.md 11.3). HUP and USR1 kill stock; here HUP without a terminal and USR1 are ignored with a word in the
 * log (config-and-tools.md 8, T11). USR1 must have a listener: without one Node.js opens its debugger port. ABRT ends the process as ever, with its
 * core dump, after the flight recorder was written (SEGV cannot: what failed would fail again and again).
 */
export function handleSignals(ports: SignalPorts, options: SignalOptions): void {
  const stop = (): void => {
    ports.log('notice', 'MAIN', 'Node was shut down by a signal');
    ports.stop('signal');
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) process.on(signal, stop);
  process.on('SIGUSR2', () => ports.dumpState());
  process.on('SIGPIPE', () => {});
  process.once('SIGABRT', () => {
    ports.lastWords();
    process.kill(process.pid, 'SIGABRT'); // nobody listens any more
  });
  const ignore = (signal: NodeJS.Signals): void =>
    ports.log(
      'notice',
      'MAIN',
      `${signal} is ignored. To reload the configuration: corosync-cfgtool -R, or rondo reload`,
    );
  process.on('SIGUSR1', ignore);
  process.on('SIGHUP', options.terminal ? stop : ignore);
  if (!options.stopOnStdinEnd) return;
  process.stdin.on('end', stop).on('error', stop).resume();
}
