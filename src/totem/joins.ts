import { FrameClass } from './interface.ts';
import { TOTEM_LIMITS } from './limits.ts';
import { intersect, subtract, union } from './node-set.ts';
import type { RingState } from './state.ts';
import { Stat } from './statistics.ts';
import { Timer } from './timer-table.ts';
import { encodeJoin, type Join } from './wire/join.ts';

/** With `send_join` the JOIN leaves after a random delay; stock sleeps, the core sets a timer. */
export function sendJoin(s: RingState): void {
  if (s.timings.sendJoinMs === 0) sendJoinNow(s);
  else if (!s.timers.running(Timer.SEND_JOIN)) s.timers.start(Timer.SEND_JOIN, s.random() * s.timings.sendJoinMs);
}

export function sendJoinNow(s: RingState): void {
  s.timers.stop(Timer.SEND_JOIN);
  multicastJoin(s, {
    leave: false,
    systemFrom: s.me,
    ringSeq: s.ring.seq,
    proc: s.membership.proc,
    failed: s.membership.failed,
  });
}

function multicastJoin(s: RingState, join: Join): void {
  const at = s.nextControlBuffer();
  const length = encodeJoin(s.memory.view, at, join);
  s.statistics.add(Stat.memb_join_tx);
  s.network.multicast(at, length, FrameClass.FLUSH, join.leave ? 0 : s.membership.joinRepeat);
}

/** LEAVE (totem.md 4.12): one JOIN with header.nodeid 0 and this node last in the failed list. */
export function sendLeave(s: RingState): void {
  addFailed(s, [s.me]);
  multicastJoin(s, {
    leave: true,
    systemFrom: s.me,
    ringSeq: s.ring.seq,
    proc: subtract(s.membership.proc, [s.me]),
    failed: s.membership.failed,
  });
}

/**
 * Adds to the failed list. A JOIN cannot carry more than `processorsMax`: beyond that, nodes that are no candidates are
 * forgotten, which do not count anyway.
 */
export function addFailed(s: RingState, nodes: readonly number[]): void {
  const failed = union(s.membership.failed, nodes);
  s.membership.failed =
    failed.length <= TOTEM_LIMITS.processorsMax
      ? failed
      : union(intersect(s.membership.failed, s.membership.proc), nodes);
}
