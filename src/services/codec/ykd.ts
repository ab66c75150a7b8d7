import { type Element, readList, U32_ELEMENT, u32, writeList } from './fields.ts';
import { Struct, viewOf } from './struct.ts';

/** Stands for the process group "ykd" between the threads: its messages have no header (and so no service id) on the wire. */
export const YKD_SERVICE_ID = 14;

/**
 * Messages of the quorum provider "ykd" in a process group of its own. Seen on the wire of stock 3.1.7: no message
 * header, a u32 kind, and for `STATE` this (8856 bytes with the kind):
 *
 *   4          140              4492     4496                  8848     8852
 *   | primary  | formed[32]     | count  | ambiguous[32]       | count  | session |      session: | nodeids[32] | count | id |
 */
export const YkdKind = { STATE: 0, ATTEMPT: 1 } as const;
/** More nodes than this cannot be counted. */
export const YKD_NODES_MAX = 32;
export const YKD_STATE_BYTES = 8856;
export const YKD_ATTEMPT_BYTES = 4;

export interface YkdSession {
  readonly nodeIds: readonly number[];
  readonly sessionId: number;
}

export interface YkdState {
  readonly lastPrimary: YkdSession;
  readonly lastFormed: readonly YkdSession[];
  readonly ambiguous: readonly YkdSession[];
  readonly sessionId: number;
}

const SESSION_BYTES = 136;
const SESSION: Element<YkdSession | null> = {
  bytes: SESSION_BYTES,
  read: (view, at) => {
    const count = view.getUint32(at + 128, true);
    if (count > YKD_NODES_MAX) return null;
    return { nodeIds: readList(view, at, count, U32_ELEMENT), sessionId: view.getUint32(at + 132, true) };
  },
  write: (view, at, session) => {
    if (session === null) return;
    writeList(view, at, session.nodeIds, U32_ELEMENT);
    view.setUint32(at + 128, session.nodeIds.length, true);
    view.setUint32(at + 132, session.sessionId, true);
  },
};

const STATE = new Struct('ykd_state', YKD_STATE_BYTES, {
  kind: u32('kind', 0),
  formedCount: u32('last_formed_entries', 4492),
  ambiguousCount: u32('ambiguous_sessions_entries', 8848),
  sessionId: u32('session_id', 8852),
});
const PRIMARY_AT = 4;
const FORMED_AT = 140;
const AMBIGUOUS_AT = 4496;

export function encodeYkdState(state: YkdState): Uint8Array {
  const { lastPrimary, lastFormed, ambiguous, sessionId } = state;
  const bytes = STATE.encode({
    kind: YkdKind.STATE,
    formedCount: lastFormed.length,
    ambiguousCount: ambiguous.length,
    sessionId,
  });
  const view = viewOf(bytes);
  SESSION.write(view, PRIMARY_AT, lastPrimary);
  writeList(view, FORMED_AT, lastFormed, SESSION);
  writeList(view, AMBIGUOUS_AT, ambiguous, SESSION);
  return bytes;
}

export const encodeYkdAttempt = (): Uint8Array => Uint8Array.of(YkdKind.ATTEMPT, 0, 0, 0);

/** `'attempt'`, a state, or `null` for bytes that are neither. */
export function decodeYkd(payload: Uint8Array): YkdState | 'attempt' | null {
  if (payload.length < YKD_ATTEMPT_BYTES) return null;
  const kind = viewOf(payload).getUint32(0, true);
  if (kind === YkdKind.ATTEMPT) return 'attempt';
  const fixed = kind === YkdKind.STATE ? STATE.decode(payload) : null;
  if (fixed === null || fixed.formedCount > YKD_NODES_MAX || fixed.ambiguousCount > YKD_NODES_MAX) return null;
  const view = viewOf(payload);
  const lastPrimary = SESSION.read(view, PRIMARY_AT);
  const lastFormed = readList(view, FORMED_AT, fixed.formedCount, SESSION);
  const ambiguous = readList(view, AMBIGUOUS_AT, fixed.ambiguousCount, SESSION);
  const sessions = [lastPrimary, ...lastFormed, ...ambiguous];
  if (lastPrimary === null || sessions.includes(null)) return null;
  return {
    lastPrimary,
    lastFormed: lastFormed.filter((session) => session !== null),
    ambiguous: ambiguous.filter((session) => session !== null),
    sessionId: fixed.sessionId,
  };
}
