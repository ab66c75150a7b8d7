import { receiveMessages, sendMessages } from '../os/socket.ts';
import { findInterface, type InterfaceAddress } from './datagram/interface-address.ts';
import { openUdpSocket } from './udp-socket.ts';

/** What a transport's datagrams travel on. Descriptors belong to who has them opened, and are closed as all others. */
export interface Wire {
  /** The host's address for a configured one, as `findInterface`. */
  readonly find: (wanted: string) => InterfaceAddress | null;
  readonly open: typeof openUdpSocket;
  readonly send: typeof sendMessages;
  readonly receive: typeof receiveMessages;
}

/** The kernel's sockets. */
export const KERNEL_WIRE: Wire = {
  find: (wanted) => findInterface(wanted),
  open: openUdpSocket,
  send: sendMessages,
  receive: receiveMessages,
};
