import { isIPv4, isIPv6 } from 'node:net';

/** Where something of ours listens: a numeric address and a port, or a path in the file system. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly ip: string; readonly port: number; readonly loopback: boolean }
  | { readonly kind: 'unix'; readonly path: string };

const UNIX_PREFIX = 'unix:';
/** What `sockaddr_un` holds, with its NUL. */
const PATH_BYTES_MAX = 107;

/** `127.0.0.1:9180`, `[::1]:9180` or `unix:/run/…`; a string is what is wrong with it. */
export function parseListenAddress(text: string): ListenAddress | string {
  if (text.startsWith(UNIX_PREFIX)) {
    const path = text.slice(UNIX_PREFIX.length);
    if (!path.startsWith('/')) return 'the path behind unix: does not begin with /';
    if (Buffer.byteLength(path) > PATH_BYTES_MAX) return `the path is longer than ${PATH_BYTES_MAX} bytes`;
    return { kind: 'unix', path };
  }
  const [, v6, v4, digits = ''] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const ip = v6 ?? v4;
  if (ip === undefined) return 'it is no ADDRESS:PORT, [IPV6]:PORT or unix:/PATH';
  if (v6 === undefined ? !isIPv4(ip) : !isIPv6(ip)) return `${ip} is no numeric address`;
  const port = Number(digits);
  if (port < 1 || port > 65_535) return `port ${digits} is not from 1 to 65535`;
  return { kind: 'tcp', ip, port, loopback: isLoopback(ip) };
}

const isLoopback = (ip: string): boolean => (isIPv4(ip) ? ip.startsWith('127.') : ip === '::1');

/** As a browser writes it in front of a path, without a scheme. */
export const listenAddressText = (address: ListenAddress): string =>
  address.kind === 'unix'
    ? `${UNIX_PREFIX}${address.path}`
    : `${address.ip.includes(':') ? `[${address.ip}]` : address.ip}:${address.port}`;

export const sameListenAddress = (a: ListenAddress, b: ListenAddress): boolean =>
  listenAddressText(a) === listenAddressText(b);
