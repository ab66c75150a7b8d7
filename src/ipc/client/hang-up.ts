import { RondoError } from '../../lib/errors.ts';
import { processIsEnding } from '../../os/credentials.ts';
import { isListening } from '../instances.ts';

/** Whom a connection leads to. */
export interface Peer {
  readonly socketName: string;
  /** As the daemon sees itself; `null`: unknown. */
  readonly pid: number | null;
}

/**
 * Why a connection ended without a `close()` of this side. The socket says nothing about it, so it is found out: a daemon that still
 * listens has cut this connection alone.
 */
export function hangUpReason({ socketName, pid }: Peer, held: boolean, cause: Error | null): RondoError {
  const options = cause === null ? {} : { cause };
  const who = pid === null ? 'the daemon' : `the daemon (pid ${pid})`;
  if (!isListening(socketName) || (pid !== null && processIsEnding(pid))) {
    return new RondoError('RONDO_IPC_HANGUP', `${who} ended`, 'Connect again with waitReadyMs', options);
  }
  const hint = held
    ? 'This program did not read its events, and the daemon keeps a limited number of them; its log has the figures'
    : "The daemon's log has the reason; programs that do not read their events are cut, for example";
  return new RondoError('RONDO_IPC_HANGUP', `${who} cut this connection`, hint, options);
}
