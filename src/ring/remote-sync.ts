import type { FromRing } from '../bridge/messages.ts';
import type { RingId } from '../lib/ring-id.ts';
import type { SyncParticipant, SyncProgress } from '../services/sync/sync-core.ts';

/**
 * The engines of the main thread as participants of sync: their hooks are messages, their process phase ends with `syncDone`. The
 * init hooks of all of them are one message, sent for the first one of the round.
 */
export function remoteParticipants(
  serviceIds: readonly number[],
  send: (message: FromRing) => void,
): readonly SyncParticipant[] {
  let announced: RingId | null = null;
  return serviceIds.map((serviceId) => {
    let current: RingId | null = null;
    return {
      serviceId,
      init(transitional: readonly number[], members: readonly number[], ringId: RingId): void {
        current = ringId;
        if (announced === ringId) return;
        announced = ringId;
        send({ op: 'sync', step: { kind: 'init', serviceIds, transitional, members, ringId } });
      },
      process(): SyncProgress {
        if (current === null) return 'done';
        send({ op: 'sync', step: { kind: 'process', serviceId, ringId: current } });
        return 'later';
      },
      activate: (): void => send({ op: 'sync', step: { kind: 'activate', serviceId } }),
      abort: (): void => send({ op: 'sync', step: { kind: 'abort', serviceId } }),
    };
  });
}
