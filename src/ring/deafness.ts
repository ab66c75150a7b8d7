import { dropDatagramsFrom } from '../os/socket-filter.ts';

/** For tests of what stands on a ring: its sockets hear nothing of some nodes, as if the network had parted. */
export class Deafness {
  private readonly sockets = new Set<number>();
  private addresses: readonly number[] = [];

  opened(fd: number): void {
    this.sockets.add(fd);
    if (this.addresses.length > 0) dropDatagramsFrom(fd, this.addresses);
  }

  closed(fd: number): void {
    this.sockets.delete(fd);
  }

  /** IPv4 addresses; none: everybody is heard again. A descriptor that is no socket hears nobody anyway. */
  set(addresses: readonly string[]): void {
    this.addresses = addresses.map(addressNumber);
    for (const fd of this.sockets) dropDatagramsFrom(fd, this.addresses);
  }
}

const addressNumber = (address: string): number =>
  address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
