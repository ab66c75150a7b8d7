import { quotaOf, UserQuota } from '../../lib/user-quota.ts';

/** Bounds on zero-copy buffers. Each is one descriptor of the daemon; stock's are mappings, of which it has 65,530 for everything. */
export const ZERO_COPY_LIMITS = {
  /** All together: this share of the daemon's descriptors, and no more than that many. */
  descriptorShare: 1 / 4,
  regionsMax: 65_536,
  /** Stock serves 2,000 of a client: so does this, from 16,000 descriptors on. */
  shares: { user: 1 / 2, users: 3 / 4 },
} as const;

/** What all clients may have together, in a process with so many descriptors. */
export function zeroCopyQuota(descriptors: number): UserQuota {
  const { descriptorShare, regionsMax, shares } = ZERO_COPY_LIMITS;
  return new UserQuota(quotaOf(Math.min(regionsMax, Math.floor(descriptors * descriptorShare)), shares));
}
