import type { ClientDescriptor } from '../../lib/client-descriptor.ts';
import type { ServerConnection } from './connection.ts';
import { DatagramConnection } from './datagram-connection.ts';
import type { RingPool } from './pool.ts';
import { RingConnection } from './ring-connection.ts';

/** Takes a client over, with room for its messages. -errno if there is none; then the caller still owns the descriptor. */
export function attachConnection(pool: RingPool, descriptor: ClientDescriptor): ServerConnection | number {
  const slot = pool.take(descriptor.maxMessageBytes);
  if (typeof slot === 'number') return slot;
  const { datagrams } = descriptor;
  return datagrams === null
    ? new RingConnection(pool, slot, descriptor)
    : new DatagramConnection(pool, slot, descriptor, datagrams);
}
