import { closeSync } from 'node:fs';
import { type ControlReply, ControlSocket } from './control-socket.ts';
import { takeLock, writePid } from './lock.ts';
import { ProcessLog } from './process-log.ts';
import type { CommonSettings } from './settings.ts';

/** How either program was called. */
export interface ProcessOptions {
  readonly foreground: boolean;
  readonly debug: boolean;
  /** Debug lines have the priority info. */
  readonly bump: boolean;
}

/** What the arbiter and the device are alike in: a log, a lock, a socket for their tools, and all of it given back at the end. */
export class ArbiterProcess {
  private readonly parts: { close(): void }[] = [];
  private lockFd: number | null = null;

  private constructor(readonly log: ProcessLog) {}

  /** Runs `body`; returns the exit status. What it throws is logged, and what it opened is closed, the latest first. */
  static async run(
    ident: string,
    { foreground, debug, bump }: ProcessOptions,
    body: (daemon: ArbiterProcess) => Promise<number>,
  ): Promise<number> {
    const log = new ProcessLog({ ident, toStderr: foreground, debug, bump });
    const daemon = new ArbiterProcess(log);
    try {
      return await body(daemon);
    } catch (error) {
      log.log('crit', error instanceof Error ? error.message : String(error), 'ended by');
      return 1;
    } finally {
      for (const part of daemon.parts.reverse()) part.close();
      log.close();
    }
  }

  /** Closed at the end. */
  owns<T extends { close(): void }>(part: T): T {
    this.parts.push(part);
    return part;
  }

  /** `false`, with a word in the log: another instance has it. */
  lock({ lock_file: path }: CommonSettings): boolean {
    const fd = takeLock(path);
    if (fd === null) this.log.log('error', 'Another instance is running');
    else this.owns({ close: () => closeSync(fd) });
    this.lockFd = fd;
    return fd !== null;
  }

  /** The tools of the program are served from here on, and the lock file names the process. */
  async openControl(settings: CommonSettings, command: (words: readonly string[]) => ControlReply): Promise<void> {
    this.owns(
      await ControlSocket.open(
        {
          path: settings.local_socket_file,
          umask: settings.local_socket_umask,
          gid: settings.local_socket_gid,
          backlog: settings.local_socket_backlog,
          clientsMax: settings.ipc_max_clients,
          receiveBytesMax: settings.ipc_max_receive_size,
          sendBytesMax: settings.ipc_max_send_size,
        },
        command,
        this.log.log,
      ),
    );
    if (this.lockFd !== null) writePid(this.lockFd);
  }
}
