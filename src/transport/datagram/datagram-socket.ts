import type { Arena } from '../../os/arena.ts';
import { check } from '../../os/errno.ts';
import { SOL_SOCKET, SocketOption, setOptionInt } from '../../os/socket.ts';
import { openUdpSocket, setTrafficClass, type UdpSocketOptions } from '../udp-socket.ts';

export interface DatagramSocketOptions extends Omit<UdpSocketOptions, 'configure'> {
  readonly broadcast: boolean;
  readonly ipDscp: number;
}

/** A socket of udp or udpu with the options that stock sets. Throws OsError. */
export const openDatagramSocket = (arena: Arena, scratchName: number, options: DatagramSocketOptions): number =>
  openUdpSocket(arena, scratchName, {
    ...options,
    configure: (fd, v6) => {
      if (options.broadcast) check(setOptionInt(fd, SOL_SOCKET, SocketOption.BROADCAST, 1), 'SO_BROADCAST');
      if (options.ipDscp > 0) setTrafficClass(fd, v6, options.ipDscp << 2);
    },
  });
