import { scratch } from './arena.ts';
import { closeFd } from './fd.ts';
import { AF_UNIX, encodeAbstractName, encodeUnixPath, SUN_PATH_BYTES } from './sockaddr.ts';
import { connectSocket, MSG_NOSIGNAL, openSocket, SOCK_DGRAM, sendBytes } from './socket.ts';

/** In `scratch`: the address at 0, the message behind it. */
const MESSAGE_OFFSET = 256;
const MESSAGE_BYTES_MAX = 4096;
const ABSTRACT_FAMILY_BYTES = 2;

/**
 * Tells the service manager (sd_notify): one datagram to the socket that NOTIFY_SOCKET names. `false`: nobody wants to
 * know, or the manager could not be reached, which is never a reason to stop.
 */
export function notifyServiceManager(state: string, env: NodeJS.ProcessEnv = process.env): boolean {
  const target = env['NOTIFY_SOCKET'];
  if (target === undefined || target === '') return false;
  const abstract = target.startsWith('@');
  if (!abstract && !target.startsWith('/')) return false;
  const message = Buffer.from(state);
  if (message.length > MESSAGE_BYTES_MAX || Buffer.byteLength(target) >= SUN_PATH_BYTES - 1) return false;
  try {
    const fd = openSocket(AF_UNIX, SOCK_DGRAM);
    try {
      // The manager binds the name as it is, without libqb's padding.
      if (abstract) encodeAbstractName(scratch.u8, 0, target.slice(1));
      const length = abstract
        ? ABSTRACT_FAMILY_BYTES + Buffer.byteLength(target)
        : encodeUnixPath(scratch.u8, 0, target);
      if (connectSocket(fd, scratch.address, length) < 0) return false;
      scratch.u8.set(message, MESSAGE_OFFSET);
      return sendBytes(fd, scratch.address + MESSAGE_OFFSET, message.length, MSG_NOSIGNAL) === message.length;
    } finally {
      closeFd(fd);
    }
  } catch {
    return false;
  }
}
