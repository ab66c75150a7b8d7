import type { RingId } from '../../../src/lib/ring-id.ts';
import {
  type FlightFields,
  type FlightKind,
  type FlightRecord,
  FlightWriter,
  flightLayout,
  readFlight,
  writeFlightHeader,
} from '../../../src/observe/flight/index.ts';

/** Writes the records of one node by hand, at times of its own clock. */
export class Story {
  private readonly bytes: Uint8Array;
  private readonly writers: Readonly<Record<'ring' | 'main', FlightWriter>>;
  private nowMs: number;

  constructor(startMs = 1_000_000, life = 1) {
    const layout = flightLayout([200, 100, 10]);
    this.bytes = new Uint8Array(layout.bytes);
    this.bytes.set(writeFlightHeader({ nodeId: 1, id: '00'.repeat(16), livePath: '', layout }));
    this.nowMs = startMs;
    const clock = { monotonicMs: () => this.nowMs, wallMs: () => Date.UTC(2026, 10, 26, 19) + this.nowMs - startMs };
    const writer = (part: 'ring' | 'main'): FlightWriter =>
      new FlightWriter(this.bytes, { part, layout, life, lastSequence: 0, clock });
    this.writers = { ring: writer('ring'), main: writer('main') };
  }

  after(ms: number): this {
    this.nowMs += ms;
    return this;
  }

  ring<K extends FlightKind>(kind: K, fields: FlightFields<K>): this {
    this.writers.ring.write(kind, fields);
    return this;
  }

  main<K extends FlightKind>(kind: K, fields: FlightFields<K>): this {
    this.writers.main.write(kind, fields);
    return this;
  }

  /** COMMIT, RECOVERY, OPERATIONAL, synchronization and the decision about quorum. */
  forms(ring: RingId, now: FlightFields<'operational'>, quorum: Partial<FlightFields<'quorum'>> = {}): this {
    this.writers.ring.ring = ring;
    this.writers.main.ring = ring;
    this.ring('commit', {}).after(1).ring('recovery', { transitional: now.members }).after(2).ring('operational', now);
    this.after(1).ring('synced', { service: 2, processMs: 0.5, barrierMs: 0.5 });
    this.after(2).ring('synced', { service: 5, processMs: 1, barrierMs: 1 });
    this.main('quorum', {
      quorate: 1,
      rule: 0,
      votes: now.members.length,
      needed: 2,
      expected: 3,
      members: now.members,
      ...quorum,
    });
    return this.ring('syncDone', { totalMs: 3 });
  }

  /** The daemon starts, and a ring of three forms. */
  begins(): this {
    this.main('start', { nodeId: 1, pid: 100, transport: 2, version: '3.1' });
    this.ring('timings', {
      tokenMs: 1000,
      tokenRetransmitMs: 238,
      consensusMs: 1200,
      joinMs: 50,
      holdMs: 180,
      failRecvConst: 2500,
      seqnoUnchangedConst: 30,
    });
    this.gathers({ reason: 15, members: [] });
    return this.after(10).forms({ rep: 1, seq: 4 }, { members: [1, 2, 3], joined: [1, 2, 3], left: [], lost: [] });
  }

  gathers(fields: Partial<FlightFields<'gather'>>): this {
    return this.ring('gather', {
      reason: 2,
      from: 0,
      node: 0,
      silentMs: 0,
      members: [1, 2, 3],
      candidates: [1, 2, 3],
      failed: [],
      ...fields,
    });
  }

  records(): readonly FlightRecord[] {
    return readFlight(this.bytes)?.records ?? [];
  }
}
