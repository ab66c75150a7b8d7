import type { ParseArgsConfig } from 'node:util';

/** What a command may do with the outside world; tests pass their own. */
export interface CliIo {
  /** `false`: the reader is slow or gone. */
  out(text: string): boolean;
  err(text: string): void;
  readonly stdin: AsyncIterable<string | Uint8Array>;
  readonly env: NodeJS.ProcessEnv;
  /** Aborted by Ctrl-C, SIGTERM, or a reader that went away. */
  readonly signal: AbortSignal;
  /** Keys as they are typed; `null`: input or output is no terminal. */
  readonly keyboard: Keyboard | null;
}

/** A terminal whose keys are read one by one. */
export interface Keyboard {
  size(): { readonly width: number; readonly height: number };
  /** Until the result is called; then the terminal is as before. */
  listen(key: (key: string) => void): () => void;
}

export type CommandOption = NonNullable<ParseArgsConfig['options']>;
export type OptionValues = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

export interface CommandContext {
  readonly io: CliIo;
  readonly values: OptionValues;
  readonly positionals: readonly string[];
  readonly json: boolean;
  /** For every connection that the command opens. */
  readonly connect: {
    readonly instance?: string;
    readonly signal: AbortSignal;
    readonly waitReadyMs: number;
    readonly timeoutMs: number;
    readonly tryAgainMs?: number;
  };
}

export interface OptionHelp {
  readonly flag: string;
  readonly text: string;
}

/** One command, `words` being what the user types: `cpg join`. */
export interface Command {
  readonly words: string;
  readonly arguments: string;
  readonly summary: string;
  readonly details: string;
  readonly options: CommandOption;
  readonly optionHelp: readonly OptionHelp[];
  readonly examples: readonly string[];
  /** Number of positional arguments: least and most. */
  readonly positionals: readonly [number, number];
  /** Its requests may take long on a healthy daemon, which asks other nodes or programs. */
  readonly slow?: boolean;
  run(context: CommandContext): Promise<number>;
}

/** Options that every command has. */
export const COMMON_OPTIONS = {
  json: { type: 'boolean' },
  instance: { type: 'string', short: 'i' },
  wait: { type: 'string' },
  timeout: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies CommandOption;

export const COMMON_HELP: readonly OptionHelp[] = [
  { flag: '--json', text: 'machine-readable output; streams print one object a line' },
  {
    flag: '-i, --instance NAME',
    text: 'IPC instance of the daemon (default: $RONDO_IPC_INSTANCE, else the stock names)',
  },
  { flag: '--wait SECONDS', text: 'how long to wait for a daemon that is starting (default 0)' },
  {
    flag: '--timeout SECONDS',
    text: 'how long the daemon may take for each response (default 5; reload and shutdown 60)',
  },
  { flag: '-h, --help', text: 'this text' },
];
