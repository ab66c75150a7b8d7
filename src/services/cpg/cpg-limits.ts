import { quotaOf } from '../../lib/user-quota.ts';

/**
 * Bounds on what other nodes and local users can make the process list hold. All of ours count the same messages, so they agree on what
 * they take; stock has no bounds. (libcpg's own programs take events of at most 128 members.)
 */
export const CPG_LIMITS = {
  /** Processes of all nodes and groups: peers that announce more of them lie or are broken. */
  processesMax: 100_000,
  /** Of one node. */
  nodeProcessesMax: 16_384,
  /** Of one group: every change of it is an event that lists them all. */
  groupProcessesMax: 4_096,
  /**
   * Of one user who is not privileged, in one group, on one node: half of what libcpg's own programs have room for (CPG_MEMBERS_MAX 128), so
   * that he alone cannot make a group of others larger than that. Each join is an event to all members with all members in it.
   */
  groupUserMax: 64,
  /** Open iterations of one connection; a client that finalizes none of its own gets NO_RESOURCES beyond. */
  iterationsMax: 256,
  /** Entries that all open iterations hold. */
  iterationEntries: quotaOf(4_000_000, { user: 1 / 4, users: 3 / 4 }),
} as const;
