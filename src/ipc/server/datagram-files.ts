import type { ClientDatagramSockets } from '../../lib/client-descriptor.ts';
import { scratch } from '../../os/arena.ts';
import type { Credentials } from '../../os/credentials.ts';
import { Errno, OsError } from '../../os/errno.ts';
import { closeFd } from '../../os/fd.ts';
import { AF_UNIX, SUN_PATH_BYTES } from '../../os/sockaddr.ts';
import {
  bindSocket,
  openSocket,
  SOCK_DGRAM,
  SOL_SOCKET,
  SocketOption,
  setOptionInt,
  shutdownInput,
} from '../../os/socket.ts';
import { encodeSocketAddress, SHARED_MEMORY_DIRECTORY } from '../names.ts';
import { CONTROL_BYTES, DatagramName, type RingNames } from '../protocol.ts';
import {
  type ConnectionFiles,
  closeDatagramSockets,
  controlFileName,
  createClientFile,
  createConnectionDirectory,
  openToClients,
  removeConnectionFiles,
  sharedMemoryError,
} from './files.ts';

/** Where the directories are on a host without shared memory that the daemon can write: libqb's clients go wherever the response says. */
const WITHOUT_SHARED_MEMORY = '/run';
/** Room beside one message of the largest size: the kernel counts its own part of a datagram, too. */
const SEND_ROOM_BYTES = 4096;

/** Where the control files of connections are kept. */
export function datagramRoot(): string {
  return sharedMemoryError() === 0 ? SHARED_MEMORY_DIRECTORY : WITHOUT_SHARED_MEMORY;
}

/** The sockets' names begin so. */
export const datagramBase = ({ directory, service }: Pick<ConnectionFiles, 'directory' | 'service'>): string =>
  `${directory}/qb-${service}`;

/** What the client is given. */
export const datagramNames = (files: Pick<ConnectionFiles, 'directory' | 'service'>): RingNames => [
  `${files.directory}/${controlFileName(files.service)}`,
  datagramBase(files),
  '',
];

/**
 * The control file and the daemon's two sockets for a client that uses datagrams (libqb-ipc.md 3.9): everything is in place before the
 * client hears of it. Returns -errno; then nothing is left.
 */
export function createDatagramFiles(
  service: string,
  fd: number,
  peer: Credentials,
  maxMessageBytes: number,
): ConnectionFiles | number {
  const place = createConnectionDirectory(datagramRoot(), fd, peer);
  if (typeof place === 'number') return place;
  const datagrams: { -readonly [Name in keyof ClientDatagramSockets]: number } = {
    request: -1,
    event: -1,
    control: -1,
  };
  const files: ConnectionFiles = { ...place, service, datagrams };
  datagrams.control = createClientFile(place.directoryFd, controlFileName(service), CONTROL_BYTES, peer);
  let result = datagrams.control < 0 ? datagrams.control : openToClients(files);
  if (result === 0) {
    datagrams.event = openDatagram(datagramBase(files) + DatagramName.EVENTS_OUT, maxMessageBytes);
    if (datagrams.event >= 0) shutdownInput(datagrams.event); // anybody could fill it
    datagrams.request = openDatagram(datagramBase(files) + DatagramName.REQUESTS_IN, maxMessageBytes);
    if (datagrams.request >= 0) setOptionInt(datagrams.request, SOL_SOCKET, SocketOption.PASSCRED, 1);
    result = Math.min(datagrams.event, datagrams.request, 0);
  }
  if (result === 0) return files;
  removeConnectionFiles(files);
  closeDatagramSockets(datagrams);
  return result;
}

/** A datagram socket of that abstract name, with room for messages of the agreed size; -errno. */
function openDatagram(name: string, maxMessageBytes: number): number {
  if (name.length >= SUN_PATH_BYTES - 1) return -Errno.ENAMETOOLONG;
  let fd: number;
  try {
    fd = openSocket(AF_UNIX, SOCK_DGRAM);
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    return -error.errnoNumber;
  }
  // The kernel doubles it. Root gets more than net.core.wmem_max allows others, so that large events arrive (stock's do not).
  const half = Math.ceil((maxMessageBytes + SEND_ROOM_BYTES) / 2);
  if (setOptionInt(fd, SOL_SOCKET, SocketOption.SNDBUFFORCE, half) < 0)
    setOptionInt(fd, SOL_SOCKET, SocketOption.SNDBUF, half);
  const bound = bindSocket(fd, scratch.address, encodeSocketAddress(scratch.u8, 0, name, null));
  if (bound === 0) return fd;
  closeFd(fd);
  return bound;
}
