/** Exit statuses of the daemon; the numbers are stock's (config-and-tools.md 3.1, services.md 11.2). */
export const ExitCode = {
  OK: 0,
  USAGE: 1,
  FORK: 4,
  LOG_CONFIG: 7,
  MAIN_CONFIG: 8,
  LOG_SETUP: 9,
  CMAP: 12,
  SERVICES: 13,
  FATAL: 15,
  STATE_DIRECTORY: 16,
  LOCK_FILE: 17,
  ALREADY_RUNNING: 18,
  STDIO: 19,
  SERVICE_INIT: 20,
  RING_ID: 21,
  STATISTICS: 22,
  PLOAD_DONE: 99,
  KILLED: 255,
} as const;
export type ExitCodeValue = (typeof ExitCode)[keyof typeof ExitCode];

/** Ends the start or the run of the daemon with a status; `message` is for the operator. */
export class DaemonExit extends Error {
  override readonly name = 'DaemonExit';
  constructor(
    readonly status: ExitCodeValue,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
