import { GatherReason } from '../lib/gather-reason.ts';
import { addFailed } from './joins.ts';
import type { RingState } from './state.ts';
import { enterGather } from './transitions.ts';

/**
 * The transport has proof that a process has ended although its host lives. Without that, its ring would wait for the token timeout, and then
 * for the consensus timeout until it is put on the failed list; both grow with the ring. Here it is put on the failed list at once, which a JOIN
 * carries to the others: members of one ring adopt each other's failed lists (totem.md 4.5), stock ones, too, so one witness is enough, and the
 * survivors agree as soon as they have heard each other. Who is no candidate of the round concerns nobody.
 */
export function memberDied(s: RingState, nodeId: number): void {
  if (nodeId === s.me || !candidates(s).includes(nodeId)) return;
  addFailed(s, [nodeId]);
  s.observer.report({ kind: 'memberDied', nodeId });
  enterGather(s, GatherReason.MEMBER_DIED, nodeId);
}

/** Whom this node waits for, now or as soon as something happens. */
function candidates(s: RingState): readonly number[] {
  const { membership } = s;
  switch (s.state) {
    case 'operational':
      return membership.memb;
    case 'gather':
      return membership.proc.filter((node) => !membership.failed.includes(node));
    case 'commit':
    case 'recovery':
      return membership.newMemb;
  }
}
