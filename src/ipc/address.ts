/** A socket name takes 107 bytes behind the leading NUL (libqb-ipc.md 1.1). */
export const SOCKET_NAME_BYTES_MAX = 106;
const PATH_BYTES = 108;

/** Name of a service's socket: the stock name, or `instance-service` for a daemon with an IPC instance of its own. */
export const socketName = (instance: string, service: string): string =>
  instance === '' ? service : `${instance}-${service}`;

/**
 * The abstract address of a socket name. libqb hands all 110 bytes of the address to the kernel, so the name is padded with NULs to
 * its full length; the short form would be another name (libqb-ipc.md 1.1).
 */
export const abstractAddress = (name: string): string => `\0${name}`.padEnd(PATH_BYTES, '\0');
