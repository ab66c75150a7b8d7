import type { ConnectivityView } from '../lib/connectivity.ts';

/** Where the members of a ring stand while its key is changed. */
export interface RotationState {
  /** The new key lies in their key file. */
  readonly copied: readonly number[];
  /** They seal and open packets with it. */
  readonly inForce: readonly number[];
  /** They do not say: they run stock, or have not been heard since they joined. */
  readonly silent: readonly number[];
}

export function rotationState(
  views: readonly ConnectivityView[],
  members: readonly number[],
  id: string,
): RotationState {
  const byNode = new Map(views.map((view) => [view.nodeId, view]));
  const where = (test: (view: ConnectivityView) => boolean): number[] =>
    members.filter((nodeId) => {
      const view = byNode.get(nodeId);
      return view !== undefined && test(view);
    });
  return {
    copied: where(({ keyFile }) => keyFile === id),
    inForce: where(({ key }) => key === id),
    silent: members.filter((nodeId) => !byNode.has(nodeId)),
  };
}
