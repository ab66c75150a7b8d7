/**
 * Reassembly by the letter of totem.md 5.3, written for clarity and independently of the core: what a node must deliver
 * for a packet.
 */
interface Record {
  data: Uint8Array[];
  lastFragment: number;
  throwAway: boolean;
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

  /** Whole messages, group header included. */
  packet(from: number, body: Uint8Array): Uint8Array[] {
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
    const record: Record = set.get(from) ?? { data: [], lastFragment: 0, throwAway: false };
    set.set(from, record);
    const expected: Uint8Array[] = [];
    const complete = fragmented === 0 ? count : count - 1;
    if (record.throwAway) {
      if (fragmented <= 1) record.throwAway = false;
    } else if (continuation === record.lastFragment) {
      record.lastFragment = fragmented;
      for (let i = 0; i < complete; i++) {
        record.data.push(pieces[i]!);
        expected.push(record.data.length === 1 ? pieces[i]! : Buffer.concat(record.data));
        record.data = [];
      }
    } else record.throwAway = true;
    if (fragmented === 0) set.delete(from);
    else if (count > 1 || record.data.length === 0) record.data = [pieces[count - 1]!.slice()];
    else record.data.push(pieces[0]!.slice());
    return expected;
  }
}
