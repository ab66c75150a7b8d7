import type { TotemConfig } from '../config/totem-config.ts';
import { unreachable } from '../lib/assert.ts';
import { DatagramTransport } from './datagram/datagram-transport.ts';
import { UdpSockets } from './datagram/udp-sockets.ts';
import { UdpuSockets } from './datagram/udpu-sockets.ts';
import { KnetTransport } from './knet/knet-transport.ts';
import type { RingKeys, RingTransport, TransportHost } from './transport.ts';

/** A transport, and the keys of one that encrypts. */
export interface MadeTransport {
  readonly transport: RingTransport;
  readonly keys: RingKeys | null;
}

/** The transport that the configuration names. Nothing is opened yet. */
export function makeTransport(host: TransportHost, config: TotemConfig): MadeTransport {
  switch (config.transport) {
    case 'udp':
      return {
        transport: new DatagramTransport(host, config, (...parts) => new UdpSockets(...parts)),
        keys: null,
      };
    case 'udpu':
      return { transport: new DatagramTransport(host, config, (...parts) => new UdpuSockets(...parts)), keys: null };
    case 'knet': {
      const transport = new KnetTransport(host, config);
      return { transport, keys: transport.keys };
    }
    default:
      return unreachable(config.transport);
  }
}
