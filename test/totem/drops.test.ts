import t from 'tap';
import { dropKey } from '../../src/lib/drop-key.ts';
import { TOTEM_STATISTICS } from '../../src/ring/totem-statistics.ts';
import { Capability } from '../../src/totem/capabilities.ts';
import { DROP_NAMES, TotemDrop, type TotemDropReason } from '../../src/totem/drop-reason.ts';
import { TOTEM_LIMITS } from '../../src/totem/limits.ts';
import { Encapsulated } from '../../src/totem/wire/header.ts';
import { numberMcast, writeMcastHeader } from '../../src/totem/wire/mcast.ts';
import type { OrfToken } from '../../src/totem/wire/orf-token.ts';
import { mapOver, shownDrops } from '../ring/shown-counters.ts';
import { LoneNode } from './lone-node.ts';

type Act = (node: LoneNode) => TotemDropReason | null;

const frame = (...bytes: readonly number[]): Uint8Array => Uint8Array.of(...bytes, ...new Uint8Array(80));
/** A frame for group "a" on the node's own ring, with a body of one's own. */
function mcast(node: LoneNode, body: readonly number[]): TotemDropReason {
  const bytes = new Uint8Array(45 + body.length);
  const view = new DataView(bytes.buffer);
  writeMcastHeader(view, 0, Encapsulated.ORDINARY, 2);
  const { ring, high } = node.groups.srp.state;
  numberMcast(view, 0, high + 1, 0, ring.rep, ring.seq);
  bytes.set(body, 45);
  return node.receive(bytes);
}

/** The same, for what is only counted: the frame is taken. */
function inside(node: LoneNode, body: readonly number[]): null {
  mcast(node.toOperational(), body);
  return null;
}

/** One bad frame of each kind. `null`: the frame itself is taken, what is in it is not. */
const FRAMES: Readonly<Record<Exclude<keyof typeof TotemDrop, 'NONE'>, Act>> = {
  SHORT: (node) => node.receive(Uint8Array.of(0x70, 0xc0, 3, 0)),
  BAD_MAGIC: (node) => node.toOperational().receive(frame(1, 2, 3, 0)),
  BAD_VERSION: (node) => node.receive(frame(0x70, 0xc0, 4, 0)),
  UNKNOWN_TYPE: (node) => node.receive(frame(0x70, 0xc0, 3, 7)),
  TOO_LONG: (node) => {
    const bytes = new Uint8Array(TOTEM_LIMITS.orfTokenBytesMax + 100);
    bytes.set([0x70, 0xc0, 3, 0]);
    return node.receive(bytes);
  },
  BAD_COUNT: (node) => node.join({ systemFrom: 3, proc: Array.from({ length: 385 }, (_, i) => i + 1), failed: [] }),
  BAD_NODE: (node) => node.join({ systemFrom: 0 }),
  BAD_RING_SEQ: (node) => node.toOperational().join({ systemFrom: 3, proc: [3], ringSeq: TOTEM_LIMITS.ringSeqMax * 2 }),
  BAD_TOKEN: (node) => {
    const { ring } = node.toOperational().groups.srp.state;
    return node.orfToken({ ringRep: ring.rep, ringSeq: ring.seq, tokenSeq: 1000, seq: 500_000 } as Partial<OrfToken>);
  },
  FOREIGN_RING: (node) => node.toOperational().orfToken({ ringRep: 9, ringSeq: 77, tokenSeq: 1000 }),
  DUPLICATE: (node) => {
    const { ring } = node.toOperational().groups.srp.state;
    return node.orfToken({ ringRep: ring.rep, ringSeq: ring.seq, tokenSeq: 0 });
  },
  WRONG_STATE: (node) => node.toCommit().join({ systemFrom: 1, proc: [1, 2], ringSeq: 4 }),
  OUT_OF_WINDOW: (node) => {
    const { ring } = node.toOperational().groups.srp.state;
    return node.mcast(2, ring, 400_000);
  },
  NO_MEMORY: (node) => {
    const { srp } = node.toOperational().groups;
    const { ring } = srp.state;
    let reason: TotemDropReason = TotemDrop.NONE;
    for (let seq = srp.state.high + 2; seq < 16_000 && reason === TotemDrop.NONE; seq++)
      reason = node.mcast(2, ring, seq);
    return reason;
  },
  UNHEARD: (node) => {
    const { state } = node.toOperational().groups.srp;
    state.capabilities = Capability.SUSPICION;
    state.suspicion.set(3, node.nowMs);
    return node.join({ systemFrom: 3, proc: [3], ringSeq: 100 });
  },
  TOO_EARLY: (node) => {
    node.toRecovery();
    for (let tokenSeq = 1; node.state.state === 'recovery'; tokenSeq++)
      node.orfToken({ ringRep: 1, ringSeq: 9, tokenSeq, seq: 0, aru: 0 });
    return node.join({ systemFrom: 3, proc: [3], ringSeq: 100 });
  },
  STALE_JOIN: (node) => {
    node.toOperational().groups.srp.state.draining = true;
    return node.join({ systemFrom: 3, proc: [3], ringSeq: 100 });
  },
  TOO_MANY_NODES: (node) => {
    node.toGather();
    node.join({ systemFrom: 3, proc: Array.from({ length: 300 }, (_, i) => i + 10), failed: [], ringSeq: 100 });
    return node.join({
      systemFrom: 4,
      proc: Array.from({ length: 300 }, (_, i) => i + 1000),
      failed: [],
      ringSeq: 100,
    });
  },
  PAST_RING: (node) => {
    const past = { ...node.toOperational().groups.srp.ringId };
    node.groups.srp.forceGather();
    node.pass(60_000);
    node.hearItself(40);
    return node.mergeDetect(2, past);
  },
  BAD_PACKET: (node) => inside(node, [0, 0, 0, 0, 0, 0, 9, 0, 5, 0]),
  BAD_MESSAGE: (node) => inside(node, [0, 0, 0, 0, 0, 0, 1, 0, 4, 0, 1, 0, 99, 0]),
  THROWN_AWAY: (node) => inside(node, [0, 0, 0, 0, 0, 7, 1, 0, 5, 0, 1, 0, 1, 0, 0x61]),
};

for (const [name, act] of Object.entries(FRAMES)) {
  t.test(`${name}: ${dropKey('totem', name)}`, async (t) => {
    const node = new LoneNode({}, name === 'NO_MEMORY' ? 700_000 : undefined);
    const reason = TotemDrop[name as keyof typeof TotemDrop];
    const returned = act(node);
    if (returned !== null) t.equal(DROP_NAMES[returned], name);
    t.ok(node.groups.srp.state.statistics.drops(reason) >= 1, 'counted');
    const map = mapOver(
      node.groups.srp.state.statistics.values,
      TOTEM_STATISTICS.map((key, slot) => [key, slot] as const),
    );
    t.ok((shownDrops(map, 'totem', name) ?? 0) >= 1, 'and in the statistics map');
  });
}

t.test('another generation is reported, at most once a minute', async (t) => {
  const node = new LoneNode().toOperational();
  const stranger = frame(0xfe, 0xfe, 1, 0);
  node.receive(stranger);
  node.receive(stranger);
  t.same(node.strangers, ['Corosync 2.3+']);
  node.pass(60_001);
  node.receive(frame(0x70, 0xc0, 9, 0));
  t.same(node.strangers, ['Corosync 2.3+', '9']);
});
