import { type ChildProcess, fork } from 'node:child_process';
import { monotonicNs } from '../../os/clock.ts';
import { Cmap } from '../cmap.ts';
import { Quorum } from '../quorum.ts';
import type { ConnectOptions } from '../session.ts';
import { CHILD_VARIABLE, isSamMessage, type ToChild } from './messages.ts';
import { MonitorCore, type MonitorEnd, type SamPolicy } from './monitor-core.ts';
import { type KeyStore, ProcessKeys } from './process-keys.ts';

/** Whether the node is quorate, now and later. */
export interface QuorumWatch {
  readonly quorate: boolean;
  onChange(callback: (quorate: boolean) => void): void;
  close(): void;
}

export interface SuperviseOptions extends SamPolicy {
  readonly connect?: ConnectOptions;
  /** Connections of their own for tests. */
  readonly openKeys?: () => Promise<KeyStore>;
  readonly openQuorum?: () => Promise<QuorumWatch>;
  /** Arguments of Node itself; default: those of this process. */
  readonly execArgv?: readonly string[];
}

/**
 * Runs a module in a child process and keeps it running. Resolves with the exit status of the last
 * child. The child uses `Sam` to say how it is.
 */
export async function supervise(
  modulePath: string,
  args: readonly string[],
  options: SuperviseOptions,
): Promise<number> {
  const store = options.cmap ? await (options.openKeys ?? (() => Cmap.connect(options.connect)))() : null;
  const keys = store === null ? null : new ProcessKeys(store, process.pid, monotonicNs);
  const quorum = options.quorum ? await (options.openQuorum ?? (() => watchQuorum(options.connect)))() : null;
  const ignore = (): void => {};
  const terminals: readonly NodeJS.Signals[] = ['SIGINT'];
  for (const signal of terminals) process.on(signal, ignore); // the terminal signals the child as well; when it ends, so does this process
  try {
    await keys?.create(options);
    return await new Supervisor(modulePath, args, options, keys, quorum).run();
  } finally {
    for (const signal of terminals) process.off(signal, ignore);
    quorum?.close();
    await keys?.close();
  }
}

class Supervisor {
  private instance = 0;
  /** Both survive the child that set them. */
  private data: Uint8Array = new Uint8Array(0);
  private warnSignal: NodeJS.Signals = 'SIGTERM';

  constructor(
    private readonly modulePath: string,
    private readonly args: readonly string[],
    private readonly options: SuperviseOptions,
    private readonly keys: ProcessKeys | null,
    private readonly quorum: QuorumWatch | null,
  ) {}

  async run(): Promise<number> {
    for (;;) {
      this.keys?.setState('stopped');
      const { end, code } = await this.runChild();
      if (end === 'restart') continue;
      if (end === 'quit') await this.keys?.remove();
      return code;
    }
  }

  private runChild(): Promise<{ readonly end: MonitorEnd; readonly code: number }> {
    this.instance++;
    const child = fork(this.modulePath, [...this.args], {
      env: { ...process.env, [CHILD_VARIABLE]: String(process.pid) },
      serialization: 'advanced',
      ...(this.options.execArgv === undefined ? {} : { execArgv: [...this.options.execArgv] }),
    });
    const core = this.coreFor(child);
    let timer: NodeJS.Timeout | null = null;
    const rearm = (): void => {
      if (timer !== null) clearTimeout(timer);
      const { timeoutMs } = core;
      timer = timeoutMs === null ? null : setTimeout(() => act(() => core.timeout()), timeoutMs);
    };
    const act = (event: () => void): void => {
      event();
      rearm();
    };
    this.quorum?.onChange((quorate) => act(() => core.quorum(quorate)));
    child.on('message', (message) => act(() => this.handle(child, core, message)));
    const { instance, data, warnSignal } = this;
    send(child, { sam: 'hello', instance, data, warnSignal });
    return new Promise((resolve) => {
      const ended = (code: number | null): void => {
        if (timer !== null) clearTimeout(timer);
        resolve({ end: core.childGone(), code: code ?? 1 });
      };
      child.once('error', () => ended(1));
      child.once('exit', ended);
    });
  }

  private coreFor(child: ChildProcess): MonitorCore {
    return new MonitorCore(this.options, this.quorum?.quorate ?? true, {
      reply: () => send(child, { sam: 'reply' }),
      sendWarnSignal: () => child.kill(this.warnSignal),
      killChild: () => child.kill('SIGKILL'),
      setState: (state) => this.keys?.setState(state),
      touch: () => this.keys?.touch(),
    });
  }

  private handle(child: ChildProcess, core: MonitorCore, message: unknown): void {
    if (!isSamMessage(message)) return;
    if (message.sam === 'command') core.command(message.command);
    else if (message.sam === 'store') {
      this.data = message.data;
      send(child, { sam: 'reply' });
    } else if (message.sam === 'warnSignal') {
      this.warnSignal = message.signal;
      send(child, { sam: 'reply' });
    }
  }
}

function send(child: ChildProcess, message: ToChild): void {
  if (child.connected) child.send(message, () => {}); // a child that is going does not read it any more
}

async function watchQuorum(connect: ConnectOptions | undefined): Promise<QuorumWatch> {
  const quorum = await Quorum.connect(connect);
  let quorate = await quorum.isQuorate();
  let listener: (quorate: boolean) => void = () => {};
  const follow = async (): Promise<void> => {
    for await (const event of await quorum.watch()) {
      if (event.type !== 'quorum') continue;
      ({ quorate } = event);
      listener(quorate);
    }
  };
  follow().catch(() => {
    quorate = false; // the daemon is gone
    listener(false);
  });
  return {
    get quorate() {
      return quorate;
    },
    onChange: (callback) => {
      listener = callback;
    },
    close: () => quorum.close(),
  };
}
