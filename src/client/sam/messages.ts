import type { SamCommand } from './monitor-core.ts';

/** Between a child and its monitor, over Node's own channel of forked processes. */
export type ToMonitor =
  | { readonly sam: 'command'; readonly command: SamCommand }
  | { readonly sam: 'store'; readonly data: Uint8Array }
  | { readonly sam: 'warnSignal'; readonly signal: NodeJS.Signals };

export type ToChild =
  | {
      readonly sam: 'hello';
      /** 1 for the first child, 2 for the next one, … */
      readonly instance: number;
      readonly data: Uint8Array;
      readonly warnSignal: NodeJS.Signals;
    }
  /** The response to `start`, `stop`, `store` and `warnSignal`, in order. */
  | { readonly sam: 'reply' };

export function isSamMessage(message: unknown): message is ToMonitor | ToChild {
  return typeof message === 'object' && message !== null && 'sam' in message;
}

/** Set in the environment of a child. */
export const CHILD_VARIABLE = 'RONDO_SAM_CHILD';
