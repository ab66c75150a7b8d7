/** Exit statuses of `rondo`, documented in docs/cli.md. */
export const CliExit = {
  OK: 0,
  /** The daemon refused, or the thing asked for does not exist. */
  FAILED: 1,
  USAGE: 2,
  /** No daemon: not running, not allowed to connect, or not ready in time. */
  UNREACHABLE: 3,
  /** `--check`: the state is not what was asked for (not quorate, a link down, a configuration with problems). */
  CHECK_FAILED: 4,
  INTERRUPTED: 130,
} as const;

/** Wrong arguments; `command` selects the usage line that is shown with it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  constructor(
    message: string,
    readonly command: string | null = null,
  ) {
    super(message);
  }
}
