import { Arena } from './arena.ts';
import { closeFd } from './fd.ts';
import { AF_UNIX, encodeUnixPath } from './sockaddr.ts';
import { connectSocket, MSG_DONTWAIT, MSG_NOSIGNAL, openSocket, SOCK_DGRAM, sendBytes } from './socket.ts';

export const SYSLOG_PATH = '/dev/log';
const DATAGRAM_BYTES_MAX = 8192;
const ADDRESS_BYTES = 128;

/** A connected datagram socket to the system's logger. Sending never waits: with a full queue it returns `false`. */
export interface SyslogConnection {
  send(datagram: Uint8Array): boolean;
  close(): void;
}

let memory: { readonly arena: Arena; readonly at: number } | null = null;

/** `null`: nobody listens at the path. */
export function openSyslog(path: string = SYSLOG_PATH): SyslogConnection | null {
  if (memory === null) {
    const arena = Arena.map(64 * 1024);
    memory = { arena, at: arena.allocate(ADDRESS_BYTES + DATAGRAM_BYTES_MAX) };
  }
  const { arena, at } = memory;
  const fd = openSocket(AF_UNIX, SOCK_DGRAM);
  if (connectSocket(fd, arena.address + at, encodeUnixPath(arena.u8, at, path)) < 0) {
    closeFd(fd);
    return null;
  }
  const body = at + ADDRESS_BYTES;
  return {
    send: (datagram) => {
      const bytes = Math.min(datagram.length, DATAGRAM_BYTES_MAX);
      arena.u8.set(datagram.subarray(0, bytes), body);
      return sendBytes(fd, arena.address + body, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
    },
    close: () => closeFd(fd),
  };
}
