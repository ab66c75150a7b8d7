import { ringIdEquals } from '../lib/ring-id.ts';
import { ringSeqNewer } from '../lib/ring-seq.ts';
import { TotemDrop, type TotemDropReason } from './drop-reason.ts';
import { considerCommit } from './membership.ts';
import { sameSet, subtract } from './node-set.ts';
import { startRing } from './orf.ts';
import { mayUse } from './reservation.ts';
import type { RingState } from './state.ts';
import { Stat } from './statistics.ts';
import { enterCommit, enterRecovery } from './transitions.ts';
import { checkCommitToken, readCommitToken } from './wire/commit-token.ts';
import { isLittleEndian } from './wire/header.ts';

/** Commit token (totem.md 4.4). The header was checked. */
export function receiveCommitToken(s: RingState, at: number, length: number, littleEndian: boolean): TotemDropReason {
  s.statistics.add(Stat.memb_commit_token_rx);
  const bad = checkCommitToken(s.memory.view, at, length, littleEndian);
  if (bad !== TotemDrop.NONE) return bad;
  if (s.draining) return TotemDrop.WRONG_STATE;
  switch (s.state) {
    case 'operational':
      return TotemDrop.WRONG_STATE;
    case 'gather':
      return acceptInGather(s, at, length, littleEndian);
    case 'commit': {
      const token = readCommitToken(s.memory.view, at, length, littleEndian);
      if (!ringIdEquals(token.ringId, s.ring) || token.membIndex !== token.addr.length) return TotemDrop.DUPLICATE;
      if (!sameSet(token.addr, s.membership.newMemb)) return TotemDrop.BAD_TOKEN;
      enterRecovery(s, token);
      return TotemDrop.NONE;
    }
    case 'recovery':
      // Stock does not look at the ring id (totem.md trap 19); a token of another ring has no business here.
      if (!s.isRep || s.originated) return TotemDrop.DUPLICATE;
      if (!ringIdEquals(readCommitToken(s.memory.view, at, length, littleEndian).ringId, s.ring))
        return TotemDrop.FOREIGN_RING;
      startRing(s);
      return TotemDrop.NONE;
  }
}

function acceptInGather(s: RingState, at: number, length: number, littleEndian: boolean): TotemDropReason {
  const token = readCommitToken(s.memory.view, at, length, littleEndian);
  if (!ringSeqNewer(token.ringId.seq, s.ring.seq)) return TotemDrop.DUPLICATE;
  if (!sameSet(token.addr, subtract(s.membership.proc, s.membership.failed))) return TotemDrop.WRONG_STATE;
  if (token.addr[token.membIndex] !== s.me || !token.addr.includes(token.ringId.rep)) return TotemDrop.BAD_TOKEN;
  if (!mayUse(s, token.ringId.seq)) {
    s.diskWait.waitingCommit = s.memory.bytes.slice(at, at + length);
    return TotemDrop.NONE;
  }
  enterCommit(s, token);
  return TotemDrop.NONE;
}

/** The disk is done: a commit that had to wait goes on, unless its round is over (GATHER forgets it). */
export function resumeCommit(s: RingState): void {
  if (s.state !== 'gather') return;
  const bytes = s.diskWait.waitingCommit;
  s.diskWait.waitingCommit = null;
  if (bytes !== null) {
    const at = s.nextTokenBuffer();
    s.memory.bytes.set(bytes, at);
    acceptInGather(s, at, bytes.length, isLittleEndian(s.memory.view, at));
  } else if (s.diskWait.commitWaiting) {
    s.diskWait.commitWaiting = false;
    s.diskWait.waits++;
    considerCommit(s);
  }
}
