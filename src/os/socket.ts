import { scratch } from './arena.ts';
import { check } from './errno.ts';
import { bind, orErrno } from './libc.ts';

const cSocket = bind<(domain: number, type: number, protocol: number) => number>('socket', 'int', [
  'int',
  'int',
  'int',
]);
const cBind = bind<(fd: number, address: number, bytes: number) => number>('bind', 'int', ['int', 'uintptr_t', 'int']);
const cConnect = bind<(fd: number, address: number, bytes: number) => number>('connect', 'int', [
  'int',
  'uintptr_t',
  'int',
]);
const cListen = bind<(fd: number, backlog: number) => number>('listen', 'int', ['int', 'int']);
const cAccept4 = bind<(fd: number, address: number, length: number, flags: number) => number>('accept4', 'int', [
  'int',
  'uintptr_t',
  'uintptr_t',
  'int',
]);
const cShutdown = bind<(fd: number, how: number) => number>('shutdown', 'int', ['int', 'int']);
const cSetsockopt = bind<(fd: number, level: number, option: number, address: number, bytes: number) => number>(
  'setsockopt',
  'int',
  ['int', 'int', 'int', 'uintptr_t', 'int'],
);
const cGetsockopt = bind<(fd: number, level: number, option: number, address: number, length: number) => number>(
  'getsockopt',
  'int',
  ['int', 'int', 'int', 'uintptr_t', 'uintptr_t'],
);
const cGetsockname = bind<(fd: number, address: number, length: number) => number>('getsockname', 'int', [
  'int',
  'uintptr_t',
  'uintptr_t',
]);
const cSocketpair = bind<(domain: number, type: number, protocol: number, address: number) => number>(
  'socketpair',
  'int',
  ['int', 'int', 'int', 'uintptr_t'],
);
const cSend = bind<(fd: number, address: number, bytes: number, flags: number) => number>('send', 'int64_t', [
  'int',
  'uintptr_t',
  'size_t',
  'int',
]);
const cRecv = bind<(fd: number, address: number, bytes: number, flags: number) => number>('recv', 'int64_t', [
  'int',
  'uintptr_t',
  'size_t',
  'int',
]);
const cSendmsg = bind<(fd: number, header: number, flags: number) => number>('sendmsg', 'int64_t', [
  'int',
  'uintptr_t',
  'int',
]);
const cRecvmsg = bind<(fd: number, header: number, flags: number) => number>('recvmsg', 'int64_t', [
  'int',
  'uintptr_t',
  'int',
]);
const cSendmmsg = bind<(fd: number, headers: number, count: number, flags: number) => number>('sendmmsg', 'int', [
  'int',
  'uintptr_t',
  'uint32_t',
  'int',
]);
const cRecvmmsg = bind<(fd: number, headers: number, count: number, flags: number, timeout: number) => number>(
  'recvmmsg',
  'int',
  ['int', 'uintptr_t', 'uint32_t', 'int', 'uintptr_t'],
);

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

export const MSG_PEEK = 0x02;
/** The real length of a datagram is returned, even if it was cut. */
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;

/** Option levels and names, Linux (asm-generic). */
export const SOL_SOCKET = 1;
export const SocketOption = {
  REUSEADDR: 2,
  ERROR: 4,
  BROADCAST: 6,
  SNDBUF: 7,
  RCVBUF: 8,
  PRIORITY: 12,
  PASSCRED: 16,
  PEERCRED: 17,
  BINDTODEVICE: 25,
  SNDBUFFORCE: 32,
  RCVBUFFORCE: 33,
  BUSY_POLL: 46,
} as const;
export const IPPROTO_IP = 0;
export const IpOption = {
  TOS: 1,
  MTU_DISCOVER: 10,
  RECVERR: 11,
  MTU: 14,
  FREEBIND: 15,
  MULTICAST_IF: 32,
  MULTICAST_TTL: 33,
  MULTICAST_LOOP: 34,
  ADD_MEMBERSHIP: 35,
  DROP_MEMBERSHIP: 36,
} as const;
export const IPPROTO_IPV6 = 41;
export const Ipv6Option = {
  MULTICAST_IF: 17,
  MULTICAST_HOPS: 18,
  MULTICAST_LOOP: 19,
  ADD_MEMBERSHIP: 20,
  DROP_MEMBERSHIP: 21,
  MTU_DISCOVER: 23,
  MTU: 24,
  RECVERR: 25,
  V6ONLY: 26,
  TCLASS: 67,
  FREEBIND: 78,
} as const;
export const IPPROTO_UDP = 17;
export const UdpOption = { SEGMENT: 103, GRO: 104 } as const;

// ---- set-up: throw OsError -------------------------------------------------------------------------------------------

/** A socket, non-blocking and close-on-exec. */
export function openSocket(domain: number, type: number, protocol = 0): number {
  return check(orErrno(cSocket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)), 'socket');
}

/** A connected pair of unix stream sockets, non-blocking and close-on-exec. */
export function openSocketPair(type: number = SOCK_STREAM): readonly [number, number] {
  check(orErrno(cSocketpair(1, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, scratch.address)), 'socketpair');
  return [scratch.i32[0]!, scratch.i32[1]!];
}

// ---- values: >= 0 or -errno ------------------------------------------------------------------------------------------

/** Binds to the address at `address` in memory. */
export const bindSocket = (fd: number, address: number, bytes: number): number => orErrno(cBind(fd, address, bytes));
export const connectSocket = (fd: number, address: number, bytes: number): number =>
  orErrno(cConnect(fd, address, bytes));
export const listenSocket = (fd: number, backlog: number): number => orErrno(cListen(fd, backlog));
/** The new descriptor, non-blocking and close-on-exec. */
export const acceptSocket = (fd: number): number => orErrno(cAccept4(fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC));
/** Ends both directions: the peer sees the end of the stream. -errno when there is no peer. */
export const shutdownSocket = (fd: number): number => orErrno(cShutdown(fd, 2));
/** Nothing can be sent to this socket any more. */
export const shutdownInput = (fd: number): number => orErrno(cShutdown(fd, 0));

export function setOptionInt(fd: number, level: number, option: number, value: number): number {
  scratch.i32[0] = value;
  return orErrno(cSetsockopt(fd, level, option, scratch.address, 4));
}

/** For options whose value is a structure, such as `ip_mreqn`. */
export function setOptionBytes(fd: number, level: number, option: number, value: Uint8Array): number {
  scratch.u8.set(value, 0);
  return orErrno(cSetsockopt(fd, level, option, scratch.address, value.length));
}

/** Reads an option into `scratch` from offset 0; returns its length or -errno. */
export function getOption(fd: number, level: number, option: number, bytesMax = 1024): number {
  scratch.i32[4096] = bytesMax;
  const result = orErrno(cGetsockopt(fd, level, option, scratch.address, scratch.address + 16384));
  return result < 0 ? result : scratch.i32[4096]!;
}

/** An integer option that is not negative; -errno on failure. */
export function getOptionInt(fd: number, level: number, option: number): number {
  const result = getOption(fd, level, option, 4);
  return result < 0 ? result : scratch.i32[0]!;
}

/** Writes the bound address to `scratch` from offset 0; returns its length or -errno. */
export function boundAddress(fd: number): number {
  scratch.i32[4096] = 128;
  const result = orErrno(cGetsockname(fd, scratch.address, scratch.address + 16384));
  return result < 0 ? result : scratch.i32[4096]!;
}

export const sendBytes = (fd: number, address: number, bytes: number, flags: number): number =>
  orErrno(cSend(fd, address, bytes, flags));
export const receiveBytes = (fd: number, address: number, bytes: number, flags: number): number =>
  orErrno(cRecv(fd, address, bytes, flags));
/** `header` is the address of a msghdr, laid out with `message.ts`. */
export const sendMessage = (fd: number, header: number, flags: number): number => orErrno(cSendmsg(fd, header, flags));
export const receiveMessage = (fd: number, header: number, flags: number): number =>
  orErrno(cRecvmsg(fd, header, flags));
/** `headers` is the address of an array of mmsghdr; returns how many were sent. */
export const sendMessages = (fd: number, headers: number, count: number, flags: number): number =>
  orErrno(cSendmmsg(fd, headers, count, flags));
export const receiveMessages = (fd: number, headers: number, count: number, flags: number): number =>
  orErrno(cRecvmmsg(fd, headers, count, flags, 0));
