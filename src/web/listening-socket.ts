import { closeSync, lstatSync, unlinkSync } from 'node:fs';
import type { ListenAddress } from '../lib/listen-address.ts';
import { scratch } from '../os/arena.ts';
import { check } from '../os/errno.ts';
import { changeModeFd, closeFd } from '../os/fd.ts';
import { AF_INET, AF_INET6, AF_UNIX, encodeSockaddr, encodeUnixPath } from '../os/sockaddr.ts';
import {
  bindSocket,
  IPPROTO_IPV6,
  Ipv6Option,
  listenSocket,
  openSocket,
  SOCK_STREAM,
  SOL_SOCKET,
  SocketOption,
  setOptionInt,
} from '../os/socket.ts';
import { findPlace, inDirectory } from '../os/trusted-path.ts';
import { WEB_LIMITS } from './limits.ts';

/** Who may write a socket's file may connect: its owner. */
const OWN_MODE = 0o600;

/** A listening socket, or an error that says why not. A unix socket that an earlier daemon left is replaced; only the daemon's user may connect to it. */
export function openListeningSocket(address: ListenAddress): number {
  const domain = address.kind === 'unix' ? AF_UNIX : address.ip.includes(':') ? AF_INET6 : AF_INET;
  const fd = openSocket(domain, SOCK_STREAM);
  try {
    if (address.kind === 'unix') bindUnix(fd, address.path);
    else bindIp(fd, address);
    check(listenSocket(fd, WEB_LIMITS.backlog), 'listen');
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

function bindIp(fd: number, { ip, port }: Extract<ListenAddress, { kind: 'tcp' }>): void {
  setOptionInt(fd, SOL_SOCKET, SocketOption.REUSEADDR, 1);
  if (ip.includes(':')) setOptionInt(fd, IPPROTO_IPV6, Ipv6Option.V6ONLY, 1);
  check(bindSocket(fd, scratch.address, encodeSockaddr(scratch.u8, 0, ip, port)), 'bind');
}

function bindUnix(fd: number, path: string): void {
  const { directory, name, trusted } = findPlace(path);
  try {
    if (!trusted) throw new Error('other users can write into its directory');
    const inside = inDirectory(directory, name);
    const left = lstatSync(inside, { throwIfNoEntry: false });
    if (left?.isSocket() === true) unlinkSync(inside);
    else if (left !== undefined) throw new Error('there is something that is no socket');
    changeModeFd(fd, OWN_MODE); // the file gets it, whatever the umask
    check(bindSocket(fd, scratch.address, encodeUnixPath(scratch.u8, 0, inside)), 'bind');
  } finally {
    closeSync(directory);
  }
}
