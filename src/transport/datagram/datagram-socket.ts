import type { Arena } from '../../os/arena.ts';
import { check } from '../../os/errno.ts';
import { IPPROTO_IP, IpOption, SOL_SOCKET, SocketOption, setOptionInt } from '../../os/socket.ts';
import { setTrafficClass, type UdpSocketOptions } from '../udp-socket.ts';
import { KERNEL_WIRE, type Wire } from '../wire.ts';

export interface DatagramSocketOptions extends Omit<UdpSocketOptions, 'configure'> {
  readonly broadcast: boolean;
  readonly ipDscp: number;
}

/**
 * IP_PMTUDISC_OMIT: the kernel does not believe "fragmentation needed", which anybody can forge, and which would have it cut every packet into
 * pieces of a few hundred bytes for ten minutes. Routers with a smaller MTU cut packets themselves. IPv6 routers do not, so there the kernel has to
 * believe them.
 */
const PMTUDISC_OMIT = 5;

/** A socket of udp or udpu with the options that stock sets. Throws OsError. */
export const openDatagramSocket = (
  arena: Arena,
  scratchName: number,
  options: DatagramSocketOptions,
  wire: Wire = KERNEL_WIRE,
): number =>
  wire.open(arena, scratchName, {
    ...options,
    configure: (fd, v6) => {
      if (!v6) setOptionInt(fd, IPPROTO_IP, IpOption.MTU_DISCOVER, PMTUDISC_OMIT);
      if (options.broadcast) check(setOptionInt(fd, SOL_SOCKET, SocketOption.BROADCAST, 1), 'SO_BROADCAST');
      if (options.ipDscp > 0) setTrafficClass(fd, v6, options.ipDscp << 2);
    },
  });
