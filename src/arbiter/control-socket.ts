import { lchownSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { LogLevel } from '../lib/log.ts';
import { removeOwnFile } from '../os/own-file.ts';
import { controlWords } from './control-words.ts';

export interface ControlSettings {
  readonly path: string;
  /** `null`: that of the process. */
  readonly umask: number | null;
  /** `null`: that of the process. */
  readonly gid: number | null;
  readonly backlog: number;
  readonly clientsMax: number;
  readonly receiveBytesMax: number;
  readonly sendBytesMax: number;
}

/** What a command returns: text that follows `OK`, or an error. `after` is called when the client has it. */
export type ControlReply =
  | { readonly text: string; readonly after?: () => void; readonly error?: undefined }
  | { readonly error: string; readonly text?: undefined; readonly after?: undefined };

/** Who connects and sends no command, or does not take the reply, is cut off after this. */
const SILENCE_MS_MAX = 30_000;

/** The local socket on which the tools ask: one command a connection, a line of words (qnet.md 7). */
export class ControlSocket {
  private readonly clients = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly settings: ControlSettings,
    private readonly command: (words: readonly string[]) => ControlReply,
    private readonly log: (level: LogLevel, message: string) => void,
  ) {}

  /** Rejects when the path cannot be bound. */
  static open(
    settings: ControlSettings,
    command: (words: readonly string[]) => ControlReply,
    log: (level: LogLevel, message: string) => void,
  ): Promise<ControlSocket> {
    const server = createServer();
    const control = new ControlSocket(server, settings, command, log);
    server.on('connection', (socket) => control.accept(socket));
    const { path, umask, gid, backlog } = settings;
    return new Promise((resolve, reject) => {
      control.server.once('error', reject);
      const before = umask === null ? null : process.umask(umask);
      try {
        removeOwnFile(path);
        // The name is bound before this call returns: the mask holds for it.
        control.server.listen({ path, backlog }, () => {
          control.server.off('error', reject);
          control.server.on('error', ({ message }) => log('error', `Control socket: ${message}`));
          resolve(control);
        });
        if (gid !== null) lchownSync(path, process.geteuid?.() ?? 0, gid);
      } catch (error) {
        control.server.close();
        reject(error);
      } finally {
        if (before !== null) process.umask(before);
      }
    });
  }

  close(): void {
    this.server.close();
    for (const client of this.clients) client.destroy();
  }

  private accept(socket: Socket): void {
    const { clientsMax, receiveBytesMax } = this.settings;
    if (clientsMax !== 0 && this.clients.size >= clientsMax) {
      this.log('error', 'Maximum IPC clients reached. Not accepting connection');
      socket.destroy();
      return;
    }
    this.clients.add(socket);
    let line = '';
    socket.setEncoding('utf8');
    socket.setTimeout(SILENCE_MS_MAX, () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => this.clients.delete(socket));
    socket.on('data', (text: string) => {
      line += text;
      if (line.length > receiveBytesMax) {
        this.log('error', "Can't store message from IPC client. Disconnecting client.");
        socket.destroy();
      } else if (/[\r\n]/.test(line)) {
        socket.removeAllListeners('data');
        socket.resume();
        this.reply(socket, this.command(controlWords(line)));
      }
    });
  }

  private reply(socket: Socket, { text, error, after }: ControlReply): void {
    let reply = error === undefined ? `OK\n${text}` : `Error\n${error}\n`;
    if (Buffer.byteLength(reply) > this.settings.sendBytesMax) reply = 'Error\nInternal IPC buffer too small\n';
    socket.end(reply, () => after?.());
  }
}
