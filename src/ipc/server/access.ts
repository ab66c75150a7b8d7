import type { Credentials } from '../../os/credentials.ts';
import { Errno } from '../../os/errno.ts';
import { getLimit } from '../../os/schedule.ts';

/** What the decision depends on, besides the client (services.md 2.1). */
export interface AccessState {
  /** The first synchronisation since start has completed; never withdrawn. */
  readonly firstSyncDone: boolean;
  readonly serviceLoaded: boolean;
  readonly descriptorsLow: boolean;
  /** Whether a cmap key exists as u8 with the value 1. */
  isKeyOne(key: string): boolean;
}

/** May this client connect? 0, or the errno that it gets, by stock's rules in stock's order. */
export function authorizeClient(client: Pick<Credentials, 'uid' | 'gid'>, state: AccessState): number {
  if (!state.firstSyncDone) return Errno.EAGAIN;
  if (!state.serviceLoaded) return Errno.ENOSYS;
  if (state.descriptorsLow) return Errno.EMFILE;
  if (client.uid === 0 || client.gid === 0) return 0;
  const keys = [
    `uidgid.uid.${client.uid}`,
    `uidgid.config.uid.${client.uid}`,
    `uidgid.gid.${client.gid}`,
    `uidgid.config.gid.${client.gid}`,
  ];
  return keys.some((key) => state.isKeyOne(key)) ? 0 : Errno.EACCES;
}

/** Descriptors that stock keeps back for itself (libqb-ipc.md 4.3). */
const DESCRIPTORS_RESERVED = 50;
/** Kept back for root's clients: the others have none left earlier. */
export const DESCRIPTORS_FOR_ROOT = 64;

/**
 * Descriptors that clients may still use: soft limit − 50 − open now. Stock refuses at 1 or less, and accepts again above 2. `lowest` is one
 * that the kernel has just given, the lowest that was free: all below it are open, which costs no look at all of them.
 */
export const descriptorsLeft = (lowest: number): number =>
  getLimit('NOFILE').soft - DESCRIPTORS_RESERVED - (lowest + 1);
