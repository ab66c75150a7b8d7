import type { QuotaLimits } from '../../lib/user-quota.ts';

/** What a user's clients may hold open at once in the maps. The difference between `users` and `all` is kept for root. */
export const CMAP_LIMITS = {
  /** A change is an event for every tracker of its key: these bound what one change costs. */
  trackers: { perUser: 2_048, users: 8_192, all: 131_072 },
  iterators: { perUser: 1_024, users: 4_096, all: 65_536 },
} as const satisfies Readonly<Record<string, QuotaLimits>>;

/** The same for one connection of a user that is not privileged. */
export const CMAP_CONNECTION_LIMITS = { trackers: 1_024, iterators: 256 } as const;

/** Refusals of one user are logged this often. */
export const REFUSALS_PERIOD_MS = 5_000;
