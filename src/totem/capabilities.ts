import type { SrpTimings } from './timings.ts';
import type { CommitToken } from './wire/commit-token.ts';

/**
 * What all members of a ring can do beyond stock's protocol (totem.md 12): bits of the commit token's trailer. Whoever does not know the
 * trailer, every stock node, drops it from the token, so a trailer that names all members proves that all of them wrote it.
 */
export const Capability = {
  /** Asks for a message a rotation after it was numbered, and may use a wider window while packets are small. */
  QUICK_RETRANSMISSION: 1,
  /** Reports members that it does not hear, and goes on without those that nobody hears (suspicion.ts). */
  SUSPICION: 2,
  /** Does not ask for a message at the first visit of a token that has its number: it may come behind that token (accelerated-release.ts). */
  LATE_MESSAGES: 4,
} as const;

const ALWAYS = Capability.QUICK_RETRANSMISSION | Capability.SUSPICION;

const own = ({ missCountConst }: SrpTimings): number =>
  missCountConst > 1 ? ALWAYS | Capability.LATE_MESSAGES : ALWAYS;

/** This node's turn in the first rotation, before its entry is filled in: it joins in if all before it have. */
export function addOwnCapabilities(token: CommitToken, timings: SrpTimings): void {
  const unbroken = token.trailerMembers === token.membIndex;
  token.capabilities = unbroken ? own(timings) & (token.membIndex === 0 ? ~0 : token.capabilities) : 0;
  token.trailerMembers = unbroken ? token.membIndex + 1 : 0;
}

/** From the complete token: what every member of the new ring can do. */
export const commonCapabilities = (token: CommitToken): number =>
  token.trailerMembers === token.addr.length ? token.capabilities : 0;
