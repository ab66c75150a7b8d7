import { readFileSync } from 'node:fs';

/** Every daemon has this service, so its socket stands for the daemon. */
const SERVICE_OF_ALL = 'cmap';
const UNIX_SOCKETS = '/proc/net/unix';
/** `__SO_ACCEPTCON`: the socket listens. */
const FLAG_LISTENS = 0x10000;
/** Where socket files are, when the host uses them instead of abstract names. */
const FILE_DIRECTORIES = ['/var/run/', '/run/', '/tmp/'] as const;

/**
 * Names of the sockets that listen in this network namespace, as they stand in the text of /proc/net/unix: of an abstract name
 * without the padding of libqb (the kernel prints each NUL as `@`), of a socket file the name alone.
 */
export function listeningNames(text: string): Set<string> {
  const names = new Set<string>();
  for (const line of text.split('\n')) {
    const [, flags, path] = /^\S+ \S+ \S+ (\S+) \S+ \S+ +\S+ (.*)$/.exec(line) ?? [];
    if (flags === undefined || path === undefined || (Number.parseInt(flags, 16) & FLAG_LISTENS) === 0) continue;
    if (path.startsWith('@')) names.add(path.slice(1).replace(/@+$/, ''));
    const directory = FILE_DIRECTORIES.find((prefix) => path.startsWith(prefix));
    if (directory !== undefined) names.add(path.slice(directory.length));
  }
  return names;
}

/** IPC instances among the names of listening sockets, in order; `''` is the daemon with the stock names. */
export function instancesAmong(names: Iterable<string>): string[] {
  const found: string[] = [];
  for (const name of names) {
    if (name === SERVICE_OF_ALL) found.push('');
    else if (/^[A-Za-z0-9._-]+$/.test(name) && name.endsWith(`-${SERVICE_OF_ALL}`)) {
      found.push(name.slice(0, -SERVICE_OF_ALL.length - 1));
    }
  }
  return found.sort();
}

function unixSockets(): string {
  try {
    return readFileSync(UNIX_SOCKETS, 'latin1');
  } catch {
    return ''; // without /proc nothing is known
  }
}

/** IPC instances of the daemons that run in this network namespace; `''` is the one with the stock names. */
export const runningInstances = (): string[] => instancesAmong(listeningNames(unixSockets()));

/** Whether a daemon listens on the socket of a service now. */
export const isListening = (socket: string): boolean => listeningNames(unixSockets()).has(socket);
