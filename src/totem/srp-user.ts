import type { ConfigurationChange } from '../lib/ring-id.ts';

/** What the ring protocol needs from the layer above it; `ProcessGroups` implements it. */
export interface SrpUser {
  /** The body of an ordinary MCAST, in total order. */
  deliverPacket(nodeId: number, offset: number, length: number, littleEndian: boolean): void;
  configurationChange(change: ConfigurationChange): void;
  /** Nothing is to be sent now, and something will be in a moment: a token that nobody else needs may wait for it. */
  sendsSoon(): boolean;
  /** A valid token arrived: everything that waits to be packed is handed to `TotemSrp.enqueue` now (totem.md 5.2). */
  tokenReceived(): void;
  /** The token was sent on. */
  tokenSent(): void;
  /** New packets go to the transitional queue from now on; flush the packing buffer into the old one (totem.md 5.5). */
  beforeQueueSwitch(): void;
  /** Received packets are assembled in the transitional set from now on. */
  switchAssembly(): void;
  reserveRingSeq(upTo: number): void;
}
