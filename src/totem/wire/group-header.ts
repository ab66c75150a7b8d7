import { assert } from '../../lib/assert.ts';
import { TOTEM_LIMITS } from '../limits.ts';

/** Result of `GroupTable.read`: which groups are addressed (bit i for index i), and where the payload begins. */
export class GroupHeader {
  addressed = 0;
  bytes = 0;
}

const GROUPS_MAX = 8;
const NAME_BYTES_MAX = 32;

/**
 * The process groups that are registered here, and the header of their messages (totem.md 5.1):
 *
 *   u16 group count │ u16 length of each name │ names │ payload
 *
 * A message of ours names one group, so each header is a constant.
 */
export class GroupTable {
  /** The whole header of a message to each group, by index. */
  readonly headers: readonly Uint8Array[];
  private readonly names: readonly Uint8Array[];

  constructor(names: readonly string[]) {
    assert(names.length <= GROUPS_MAX && new Set(names).size === names.length, 'process groups');
    this.names = names.map((name) => new TextEncoder().encode(name));
    assert(
      this.names.every(({ length }) => length > 0 && length <= NAME_BYTES_MAX),
      'names of process groups',
    );
    this.headers = this.names.map((name) => Uint8Array.of(1, 0, name.length, 0, ...name));
  }

  get count(): number {
    return this.names.length;
  }

  /** False if the message is too short for what its header says. Groups that nobody registered are passed over. */
  read(bytes: Uint8Array, at: number, length: number, littleEndian: boolean, into: GroupHeader): boolean {
    into.addressed = 0;
    if (length < 2) return false;
    const count = u16(bytes, at, littleEndian);
    if (count > TOTEM_LIMITS.groupsPerMessageMax) return false;
    let name = 2 + 2 * count;
    if (length < name) return false;
    for (let i = 0; i < count; i++) {
      const nameBytes = u16(bytes, at + 2 + 2 * i, littleEndian);
      if (name + nameBytes > length) return false;
      const index = this.find(bytes, at + name, nameBytes);
      if (index >= 0) into.addressed |= 1 << index;
      name += nameBytes;
    }
    into.bytes = name;
    return true;
  }

  private find(bytes: Uint8Array, at: number, nameBytes: number): number {
    for (let index = 0; index < this.names.length; index++) {
      const name = this.names[index]!;
      if (name.length !== nameBytes) continue;
      let same = 0;
      while (same < nameBytes && bytes[at + same] === name[same]) same++;
      if (same === nameBytes) return index;
    }
    return -1;
  }
}

function u16(bytes: Uint8Array, at: number, littleEndian: boolean): number {
  return littleEndian ? bytes[at]! | (bytes[at + 1]! << 8) : (bytes[at]! << 8) | bytes[at + 1]!;
}
