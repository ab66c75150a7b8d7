import { seqDistance, seqLte } from '../lib/seq.ts';
import { TOTEM_LIMITS } from './limits.ts';
import { isSubset } from './node-set.ts';
import type { RingState } from './state.ts';
import { Timer } from './timer-table.ts';

/**
 * What holds between two events of the core, whatever was received: the sentences at the fields of `RingState` and its parts,
 * as code. For the simulator, the stories and the fuzzer, which call it after every event; it allocates, so a daemon does not.
 * Returns the sentences that do not hold.
 */
export function checkInvariants(s: RingState): readonly string[] {
  const broken: string[] = [];
  const expect = (holds: boolean, sentence: string): void => {
    if (!holds) broken.push(sentence);
  };
  if (s.left) return broken; // deaf and mute: what it holds matters to nobody
  checkOrder(s, expect);
  checkMembership(s, expect);
  checkRound(s, expect);
  checkTimers(s, expect);
  return broken;
}

/** As `checkInvariants`: every slot of the pool has one owner. It looks at every slot of the queues, so not after every event. */
export function checkOwnership(s: RingState): readonly string[] {
  const owned = new Set<number>();
  let claims = 0;
  const own = (offset: number): void => {
    owned.add(offset);
    claims++;
  };
  for (const queue of [s.regular, s.recovery.queue])
    for (let slot = 0; slot < TOTEM_LIMITS.sortQueueSlots; slot++) if (queue.owns(slot)) own(queue.offsetOf(slot));
  for (const queue of [s.newQueue, s.transQueue]) for (let i = 0; i < queue.length; i++) own(queue.offsetAt(i));
  for (const offset of s.limbo) own(offset);
  const broken: string[] = [];
  if (claims !== owned.size) broken.push('a slot has one owner: a sort queue, a send queue or limbo');
  if (owned.size > s.pool.slotsUsed) broken.push('what somebody owns is in use in the pool');
  if (owned.size + PACKER_SLOTS < s.pool.slotsUsed) broken.push('what is in use in the pool has an owner');
  return broken;
}

/** The packer holds the slot that it is filling. */
const PACKER_SLOTS = 1;

type Expect = (holds: boolean, sentence: string) => void;

function checkOrder(s: RingState, expect: Expect): void {
  expect(seqLte(s.aru, s.high), 'aru <= high');
  expect(seqDistance(s.high, s.aru) <= TOTEM_LIMITS.sortQueueSlots, 'high is at most a sort queue ahead of aru');
  if (s.state === 'operational' && s.membership.memb.length > 0) {
    expect(seqLte(s.released, s.highDelivered), 'released <= highDelivered');
    expect(seqLte(s.highDelivered, s.high), 'highDelivered <= high');
    expect(seqLte(s.highDelivered, s.aru), 'highDelivered <= aru: nothing is passed up behind a hole');
    expect(s.regular.head === (s.released + 1) >>> 0 || s.regular.head === 0, 'the window begins behind released');
  }
  expect(s.regular.size <= TOTEM_LIMITS.sortQueueSlots, 'the regular queue has no more messages than slots');
  expect(!s.tokenWaits || s.state === 'operational', 'a token waits in OPERATIONAL only');
  expect(s.tokenWaits === s.timers.running(Timer.TOKEN_WAIT), 'a token waits as long as its timer runs');
  expect(s.accelerated.count === 0, 'what follows the token is gone when the event is over');
  expect(!s.draining, 'draining is over when the event is');
}

function checkMembership(s: RingState, expect: Expect): void {
  const m = s.membership;
  for (const list of [m.proc, m.failed, m.memb, m.newMemb, m.transMemb, m.deliverMemb, m.consensus, m.politeLeavers]) {
    expect(list.length <= TOTEM_LIMITS.processorsMax, 'no list is longer than a JOIN can carry');
    expect(
      list.every((node, i) => node > 0 && list.indexOf(node) === i),
      'no list names a node twice, or node 0',
    );
  }
  expect(isSubset(m.deliverMemb, m.transMemb), 'deliverMemb is part of transMemb');
  expect(isSubset(m.politeLeavers, m.memb), 'politeLeavers were members');
  if (s.state === 'gather') {
    expect(m.proc.includes(s.me), 'in GATHER this node is a candidate');
    expect(m.consensus.includes(s.me), 'in GATHER this node agrees with itself');
    expect(isSubset(m.consensus, m.proc), 'in GATHER only candidates vote');
  }
  if (s.state === 'commit' || s.state === 'recovery') {
    expect(m.newMemb.includes(s.me), 'this node is in the ring that it forms');
    expect(m.newMemb.includes(s.ring.rep), 'the representative is in the ring');
    expect(
      m.newMemb.every((node, i) => i === 0 || m.newMemb[i - 1]! < node),
      'newMemb is ascending',
    );
  }
  if (s.state === 'recovery') {
    expect(isSubset(m.transMemb, m.memb) && isSubset(m.transMemb, m.newMemb), 'transMemb were and will be members');
  }
  if (s.state === 'operational' && m.memb.length > 0) {
    expect(m.memb.includes(s.me), 'in OPERATIONAL this node is a member');
    expect(isSubset(m.memb, m.proc), 'in OPERATIONAL all members are candidates');
    expect(!m.failed.includes(s.me), 'in OPERATIONAL this node has not failed');
    expect(!m.failedToReceive, 'in OPERATIONAL this node receives');
  }
}

/** Which timers may run in which state: what cannot go off there needs no rule for what it would do. */
function checkTimers(s: RingState, expect: Expect): void {
  const { timers, state } = s;
  if (state !== 'gather')
    expect(
      !(timers.running(Timer.JOIN) || timers.running(Timer.SEND_JOIN) || timers.running(Timer.CONSENSUS)),
      'JOINs are sent and votes waited for in GATHER only',
    );
  if (state !== 'operational')
    expect(
      !(timers.running(Timer.SUSPICION) || timers.running(Timer.WATCH) || timers.running(Timer.TOKEN_WAIT)),
      'members are watched, and a token waits, in OPERATIONAL only',
    );
  if (state === 'gather' || state === 'commit')
    expect(
      !(timers.running(Timer.MERGE) || timers.running(Timer.HEARTBEAT)),
      'in GATHER and COMMIT there is no rotation to measure by',
    );
}

function checkRound(s: RingState, expect: Expect): void {
  const { old, recovery, diskWait } = s;
  if (s.state === 'operational') expect(!old.saved, 'in OPERATIONAL there is no old ring');
  if (s.state === 'commit' || s.state === 'recovery') expect(old.saved, 'COMMIT and RECOVERY have an old ring');
  expect(seqLte(old.aru, old.high), 'aru <= high of the old ring');
  expect(old.receivedFlg === 0 || old.receivedFlg === 1, 'received_flg is a flag');
  expect(
    s.discardOrf === (s.state === 'gather' || s.state === 'commit'),
    'ORF tokens count in RECOVERY and OPERATIONAL only',
  );
  if (s.originated) expect(s.state === 'recovery' && s.isRep, 'only the representative starts the ring, in RECOVERY');
  expect(recovery.retransFirst <= recovery.retransCount, 'no more old messages are sent again than were queued');
  expect(recovery.retransCount <= TOTEM_LIMITS.sortQueueSlots, 'the old messages fit into a sort queue');
  expect(recovery.rotationCount < 2, 'the second complete rotation ends RECOVERY');
  if (s.state === 'operational') expect(recovery.queue.size === 0, 'in OPERATIONAL nothing of a recovery is left');
  if (s.state !== 'gather')
    expect(diskWait.waitingCommit === null && !diskWait.commitWaiting, 'a commit waits for the disk in GATHER only');
}
