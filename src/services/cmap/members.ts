import type { Icmap } from '../../config/icmap/index.ts';
import type { ConfigurationChange } from '../../lib/ring-id.ts';

/** Index = link; `null` where the node has no address. */
export type AddressesOf = (nodeId: number) => readonly (string | null)[];

/** `r(0) ip(10.0.0.1) r(1) ip(10.0.1.1) `, with the final blank of stock. */
export function linkAddressesText(addresses: readonly (string | null)[]): string {
  return addresses.map((address, link) => (address === null ? '' : `r(${link}) ip(${address}) `)).join('');
}

/** Keeps `runtime.members.` (services.md 3.2 step 2). */
export function recordMembers(cmap: Icmap, change: ConfigurationChange, addressesOf: AddressesOf): void {
  for (const nodeId of change.left) cmap.setString(`runtime.members.${nodeId}.status`, 'left');
  for (const nodeId of change.joined) {
    const key = `runtime.members.${nodeId}`;
    if (cmap.has(`${key}.ip`)) cmap.inc(`${key}.join_count`);
    else {
      cmap.setString(`${key}.ip`, linkAddressesText(addressesOf(nodeId)));
      cmap.setU32(`${key}.join_count`, 1);
    }
    cmap.setString(`${key}.status`, 'joined');
  }
}
