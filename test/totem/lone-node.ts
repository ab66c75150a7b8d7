import { type FrameMemory, frameMemory } from '../../src/lib/frame-memory.ts';
import type { ConfigurationChange, RingId } from '../../src/lib/ring-id.ts';
import { ProcessGroups, type SrpTimings, type TotemDropReason } from '../../src/totem/index.ts';
import { type CommitToken, encodeCommitToken, readCommitToken } from '../../src/totem/wire/commit-token.ts';
import { Encapsulated } from '../../src/totem/wire/header.ts';
import { encodeHoldCancel } from '../../src/totem/wire/hold-cancel.ts';
import { encodeJoin, type Join } from '../../src/totem/wire/join.ts';
import { MCAST_HEADER_BYTES, numberMcast, writeMcastHeader } from '../../src/totem/wire/mcast.ts';
import { encodeMergeDetect, MergeDetect } from '../../src/totem/wire/merge-detect.ts';
import { decodeOrfToken, encodeOrfToken, OrfToken } from '../../src/totem/wire/orf-token.ts';
import { coreOptions, nodeMemory, timings } from './bench.ts';

const INPUT_BYTES = 66_000;
const REGION_BYTES = 4_000_000;

const NO_TRAILER = { trailerMembers: 0, capabilities: 0 };

const commitTokenOf = (frame: Uint8Array): CommitToken =>
  readCommitToken(frameMemory(frame).view, 0, frame.length, true);

/** Node 2, alone with a test that plays nodes 1 and 3: what it sends is kept, what it gets is made by hand. */
export class LoneNode {
  readonly memory: FrameMemory;
  readonly groups: ProcessGroups;
  sent: { readonly to: number | 'all'; readonly frame: Uint8Array }[] = [];
  readonly gathers: number[] = [];
  readonly strangers: string[] = [];
  readonly changes: ConfigurationChange[] = [];
  readonly delivered: number[] = [];
  nowMs = 1000;

  constructor(changes: Partial<SrpTimings> = {}, regionBytes = REGION_BYTES) {
    const place = nodeMemory(INPUT_BYTES, regionBytes);
    this.memory = place.memory;
    const keep = (to: number | 'all', offset: number, length: number) =>
      void this.sent.push({ to, frame: this.memory.bytes.slice(offset, offset + length) });
    this.groups = new ProcessGroups(
      coreOptions({
        ...place,
        nodeId: 2,
        timings: timings({ tokenWarningPercent: 0, ...changes }),
        reservedRingSeq: 10_000,
        nowMs: this.nowMs,
        network: { sendToken: keep, multicast: (offset, length) => keep('all', offset, length) },
        observer: {
          report: (event) => {
            if (event.kind === 'gather') this.gathers.push(event.reason);
            if (event.kind === 'frameDropped') this.strangers.push(event.detail);
          },
        },
        user: {
          deliver: (_group, from) => void this.delivered.push(from),
          configurationChange: (change) => void this.changes.push(change),
        },
      }),
    );
  }

  get state() {
    return this.groups.srp.state;
  }

  take() {
    const sent = this.sent;
    this.sent = [];
    return sent;
  }

  /** Lets a frame arrive. */
  receive(frame: Uint8Array): TotemDropReason {
    this.memory.bytes.set(frame, 0);
    this.groups.srp.setNow(this.nowMs);
    return this.groups.srp.receive(0, frame.length);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.groups.srp.tick(this.nowMs);
  }

  /** Hears itself, until nothing of its own is left. */
  hearItself(rounds: number): void {
    for (let i = 0; i < rounds; i++)
      for (const { to, frame } of this.take()) if (to === 'all' || to === 2) this.receive(frame);
  }

  join(join: Partial<Join>): TotemDropReason {
    return this.receive(
      make((view) =>
        encodeJoin(view, 0, { leave: false, systemFrom: 1, ringSeq: 5, proc: [1, 2], failed: [], ...join }),
      ),
    );
  }

  mergeDetect(from: number, ring: RingId): TotemDropReason {
    const merge = Object.assign(new MergeDetect(), { systemFrom: from, ringRep: ring.rep, ringSeq: ring.seq });
    return this.receive(make((view) => encodeMergeDetect(view, 0, merge)));
  }

  holdCancel(ring: RingId): TotemDropReason {
    return this.receive(make((view) => encodeHoldCancel(view, 0, 1, { ringRep: ring.rep, ringSeq: ring.seq })));
  }

  mcast(from: number, ring: RingId, seq: number, encapsulated: number = Encapsulated.ORDINARY): TotemDropReason {
    return this.receive(
      make((view) => {
        writeMcastHeader(view, 0, encapsulated, from);
        numberMcast(view, 0, seq, 0, ring.rep, ring.seq);
        // A packet with one empty message for group "a".
        const body = new Uint8Array(view.buffer, MCAST_HEADER_BYTES);
        body.set([0, 0, 0, 0, 0, 0, 1, 0, 5, 0, 1, 0, 1, 0, 0x61]);
        return MCAST_HEADER_BYTES + 15;
      }),
    );
  }

  commitToken(token: Partial<CommitToken>): TotemDropReason {
    const addr = token.addr ?? [1, 2];
    const entries = addr.map(() => ({ ringId: { rep: 0, seq: 0 }, aru: 0, highDelivered: 0, receivedFlg: 0 }));
    const whole = {
      tokenSeq: 1,
      ringId: { rep: 1, seq: 9 },
      retransFlg: 0,
      membIndex: 1,
      addr,
      entries,
      ...NO_TRAILER,
      ...token,
    };
    return this.receive(make((view) => encodeCommitToken(view, 0, 1, whole)));
  }

  orfToken(fields: Partial<OrfToken>): TotemDropReason {
    const token = Object.assign(new OrfToken(), fields);
    return this.receive(make((view) => encodeOrfToken(view, 0, 1, token)));
  }

  /** A ring of one: `2.5`. */
  toOperational(): this {
    this.groups.srp.interfaceChanged();
    this.hearItself(12);
    this.take();
    this.gathers.length = 0;
    return this;
  }

  /** In GATHER with node 1, from the ring of one. */
  toGather(): this {
    this.toOperational().join({ proc: [1] }); // not for both: that would be a vote
    this.take();
    this.gathers.length = 0;
    return this;
  }

  /** In COMMIT for ring 1.9 with node 1. */
  toCommit(): this {
    this.toGather().commitToken({});
    this.take();
    return this;
  }

  /** In RECOVERY on ring 1.9. */
  toRecovery(): this {
    this.toGather().commitToken({});
    const token = commitTokenOf(this.take().at(-1)!.frame);
    this.commitToken({ ...token, membIndex: 2 });
    this.take();
    return this;
  }
}

function make(encode: (view: DataView) => number): Uint8Array {
  const memory = frameMemory(new Uint8Array(12_000));
  return memory.bytes.slice(0, encode(memory.view));
}

export function decodedToken(frame: Uint8Array): OrfToken {
  const token = new OrfToken();
  decodeOrfToken(frameMemory(frame).view, 0, frame.length, true, token);
  return token;
}
