/**
 * Reassembly by the letter of totem.md 5.3, written for clarity and independently of the core: what a node must deliver
 * for a packet. It also says on which ring the beginning of a message was broadcast.
 */
interface Record {
  data: Uint8Array[];
  lastFragment: number;
  throwAway: boolean;
  startRing: string;
}

export interface ExpectedMessage {
  /** Group header included. */
  readonly bytes: Uint8Array;
  readonly startRing: string;
}

export class ReferenceAssembler {
  private readonly sets = { normal: new Map<number, Record>(), transitional: new Map<number, Record>() };
  private current: 'normal' | 'transitional' = 'transitional';

  use(set: 'normal' | 'transitional'): void {
    this.current = set;
  }

  forget(nodes: readonly number[]): void {
    for (const node of nodes) {
      this.sets.normal.delete(node);
      this.sets.transitional.delete(node);
    }
  }

  packet(from: number, body: Uint8Array, ring: string): ExpectedMessage[] {
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    const fragmented = body[4]!;
    const continuation = body[5]!;
    const count = view.getUint16(6, true);
    const pieces: Uint8Array[] = [];
    let at = 8 + 2 * count;
    for (let i = 0; i < count; i++) {
      const length = view.getUint16(8 + 2 * i, true);
      pieces.push(body.subarray(at, at + length));
      at += length;
    }
    if (at !== body.length) throw new Error('the core sent a malformed packet');

    const set = this.sets[this.current];
    const record: Record = set.get(from) ?? { data: [], lastFragment: 0, throwAway: false, startRing: ring };
    set.set(from, record);
    const expected: ExpectedMessage[] = [];
    const complete = fragmented === 0 ? count : count - 1;
    if (record.throwAway) {
      if (fragmented <= 1) record.throwAway = false;
    } else if (continuation === record.lastFragment) {
      record.lastFragment = fragmented;
      for (let i = 0; i < complete; i++) {
        const startRing = record.data.length > 0 ? record.startRing : ring;
        record.data.push(pieces[i]!);
        expected.push({ bytes: record.data.length === 1 ? pieces[i]! : Buffer.concat(record.data), startRing });
        record.data = [];
      }
    } else record.throwAway = true;
    if (fragmented === 0) set.delete(from);
    else if (count > 1 || record.data.length === 0) {
      record.data = [pieces[count - 1]!.slice()];
      record.startRing = ring;
    } else record.data.push(pieces[0]!.slice());
    return expected;
  }
}
