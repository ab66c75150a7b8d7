import type { RingId } from './ring-id.ts';

/** A step of synchronisation for the engines of the main thread (services.md 3), in the order of the ring. */
export type SyncStep =
  | {
      readonly kind: 'init';
      readonly serviceIds: readonly number[];
      readonly transitional: readonly number[];
      readonly members: readonly number[];
      readonly ringId: RingId;
    }
  | { readonly kind: 'process'; readonly serviceId: number; readonly ringId: RingId }
  | { readonly kind: 'activate' | 'abort'; readonly serviceId: number };
