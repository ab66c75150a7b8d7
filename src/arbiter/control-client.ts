import { connect } from 'node:net';

export const QNETD_SOCKET = '/run/corosync-qnetd/corosync-qnetd.sock';
export const QDEVICE_SOCKET = '/run/corosync-qdevice/corosync-qdevice.sock';

/** What the daemon sent, its status line apart. */
export interface ControlOutcome {
  /** `OK`, `Error`, or whatever else it was. */
  readonly status: string;
  readonly text: string;
}

const REPLY_BYTES_MAX = 32 * 1024 * 1024;

export interface ControlLimits {
  /** A daemon that is stopped takes connections, too. Default: waits for ever. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Sends one command to the socket of a daemon. Rejects with the error of the connection. */
export function controlRequest(
  path: string,
  line: string,
  { timeoutMs = 0, signal }: ControlLimits = {},
): Promise<ControlOutcome> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, ...(signal === undefined ? {} : { signal }) });
    let reply = '';
    socket.setEncoding('utf8');
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`nothing came within ${timeoutMs} ms`)));
    socket.on('error', reject); // more than one can come: a refused client's write fails after its read
    socket.on('data', (text: string) => {
      reply += text;
      if (reply.length > REPLY_BYTES_MAX) socket.destroy(new Error('the reply is too long'));
    });
    socket.once('end', () => {
      const end = reply.indexOf('\n');
      if (end < 0) resolve({ status: reply, text: '' });
      else resolve({ status: reply.slice(0, end).replaceAll('\r', ''), text: reply.slice(end + 1) });
    });
    socket.write(line);
  });
}
