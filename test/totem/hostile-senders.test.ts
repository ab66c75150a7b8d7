import t from 'tap';
import { ProcessGroups } from '../../src/totem/index.ts';
import { Encapsulated } from '../../src/totem/wire/header.ts';
import { encodeJoin } from '../../src/totem/wire/join.ts';
import { numberMcast, writeMcastHeader } from '../../src/totem/wire/mcast.ts';
import { PG_HEADER_BYTES } from '../../src/totem/wire/pg-packet.ts';
import { coreOptions, nodeMemory, timings } from './bench.ts';

const FRAMES_AT = 70_000;
const REGION_BYTES = 16 << 20;

/** One node alone, with a network in which it hears itself. */
function lonelyNode() {
  const place = nodeMemory(FRAMES_AT, REGION_BYTES);
  const { memory } = place;
  let nowMs = 0;
  const frames: { offset: number; length: number }[] = [];
  const groups = new ProcessGroups(
    coreOptions({
      ...place,
      nodeId: 1,
      timings: timings({ tokenMs: 1000 }),
      network: {
        sendToken: (_to, offset, length) => void frames.push({ offset, length }),
        multicast: (offset, length) => void frames.push({ offset, length }),
      },
    }),
  );
  const { srp } = groups;
  const receive = (write: (view: DataView, at: number) => number) => srp.receive(0, write(memory.view, 0));
  /** Its own frames, and time, until the condition holds. */
  const run = (done: () => boolean): void => {
    for (let step = 0; step < 5000 && !done(); step++) {
      const frame = frames.shift();
      if (frame === undefined) {
        nowMs += 10;
        srp.tick(nowMs);
      } else {
        memory.bytes.copyWithin(0, frame.offset, frame.offset + frame.length);
        srp.receive(0, frame.length);
      }
    }
    if (!done()) throw new Error(`stuck in ${srp.phase}`);
  };
  return { srp, receive, run };
}

t.test('forged JOINs: votes and leavers that nobody asks for are not kept', async (t) => {
  const { srp, receive } = lonelyNode();
  srp.interfaceChanged();
  const { state } = srp;
  for (let node = 1000; node < 3000; node++) {
    receive((view, at) =>
      encodeJoin(view, at, { leave: true, systemFrom: node, ringSeq: 0, proc: state.proc, failed: [node] }),
    );
    receive((view, at) =>
      encodeJoin(view, at, { leave: false, systemFrom: node, ringSeq: 0, proc: state.proc, failed: state.failed }),
    );
  }
  t.ok(state.consensus.length <= 384, `${state.consensus.length} votes`);
  t.ok(state.politeLeavers.length <= 384, `${state.politeLeavers.length} leavers`);
  t.ok(state.proc.length <= 384);
});

t.test('messages of nodes that are not in the ring are not assembled', async (t) => {
  const { srp, receive, run } = lonelyNode();
  srp.interfaceChanged();
  run(() => srp.phase === 'operational');
  const { state } = srp;
  let passed = 0;
  const { deliverPacket } = state.user;
  state.user.deliverPacket = (...packet) => {
    passed++;
    deliverPacket(...packet);
  };
  const before = state.highDelivered;
  for (let index = 1; index <= 200; index++) {
    receive((view, at) => {
      writeMcastHeader(view, at, Encapsulated.ORDINARY, 5000 + index);
      numberMcast(view, at, state.high + 1, index, state.ring.rep, state.ring.seq);
      new Uint8Array(view.buffer, at + 45, PG_HEADER_BYTES + 16).fill(0);
      return 45 + PG_HEADER_BYTES + 16;
    });
  }
  t.equal(state.highDelivered, before + 200, 'they had their turn');
  t.equal(passed, 0);
});
