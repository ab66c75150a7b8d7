import { markAsUntransferable } from 'node:worker_threads';
import { readU32 } from '../lib/copy.ts';
import { type CpgAddress, listAt } from '../services/codec/base.ts';
import { CPG_TOTEM_CONFIGURATION, decodeCpgConfigurationChange, FragmentType } from '../services/codec/cpg.ts';
import { U32_ELEMENT } from '../services/codec/fields.ts';
import { CpgResponse } from '../services/codec/ids.ts';
import { ConnectionError } from './errors.ts';
import type { RingIdentity } from './quorum.ts';

/** A process of a group: the node and pid identify it. */
export interface CpgProcess {
  readonly nodeId: number;
  readonly pid: number;
}

/** Why a process joined or left. */
export type CpgReason = 'undefined' | 'join' | 'leave' | 'node down' | 'node up' | 'process down';
const REASONS: readonly CpgReason[] = ['undefined', 'join', 'leave', 'node down', 'node up', 'process down'];

export interface CpgChange extends CpgProcess {
  readonly reason: CpgReason;
}

/** A message of the group, in the one order that all members see. */
export interface CpgMessageEvent extends CpgProcess {
  readonly type: 'message';
  readonly group: string;
  readonly data: Uint8Array;
}

/** The group has other members now; in order with the messages. */
export interface CpgMembershipEvent {
  readonly type: 'membership';
  readonly group: string;
  readonly members: readonly CpgProcess[];
  readonly joined: readonly CpgChange[];
  readonly left: readonly CpgChange[];
}

/** The ring of the nodes changed. */
export interface CpgRingEvent {
  readonly type: 'ring';
  readonly ringId: RingIdentity;
  readonly members: readonly number[];
}

/** In the place of a message that is longer than `CpgOptions.messageBytesMax`, and was skipped. */
export interface CpgOversizeEvent extends CpgProcess {
  readonly type: 'oversize';
  readonly group: string;
  readonly bytes: number;
}

export type CpgEvent = CpgMessageEvent | CpgMembershipEvent | CpgRingEvent | CpgOversizeEvent;

/** Offsets of the two events that carry data, read by hand: they are the hot path. */
const OFFSET = { groupLength: 24, group: 32, messageBytes: 160 } as const;
const DELIVER = { nodeId: 168, pid: 176, data: 184 } as const;
const FRAGMENT = { bytes: 168, nodeId: 176, pid: 184, type: 192, data: 200 } as const;
const ID_BYTES = 4;
const GROUP_BYTES_MAX = 128;

/** Half-sent messages of all senders together, in messages of the longest kind. */
const ASSEMBLED_MESSAGES_MAX = 4;

interface Assembly {
  readonly totalBytes: number;
  /** What came of the message so far, in its place: joined in the end, 256 MiB would stop the program for a tenth of a second. `null`: too long to be kept. */
  readonly data: Uint8Array | null;
  haveBytes: number;
}

/** Decodes the events of a connection, and puts fragmented messages together. */
export class CpgEventDecoder {
  private readonly assemblies = new Map<string, Assembly>();
  /** What the assemblies keep, or will. */
  private reservedBytes = 0;
  private readonly text = new TextDecoder();
  private groupBytes: Uint8Array = new Uint8Array(0);
  private groupText = '';

  /** `keep`: what becomes of the event's own memory, which is used again, as data of a message in one piece. */
  constructor(
    private readonly messageBytesMax: number,
    private readonly keep: (data: Uint8Array) => Uint8Array = copied,
  ) {}

  /** What was begun by another connection is not completed by this one. */
  reset(): void {
    this.assemblies.clear();
    this.reservedBytes = 0;
  }

  /** `null`: nothing to report yet (a fragment, or an event of a later version). */
  decode(event: Uint8Array): CpgEvent | null {
    checkLength(event, ID_BYTES);
    switch (readU32(event, 0)) {
      case CpgResponse.DELIVER:
        return this.message(event);
      case CpgResponse.PARTIAL_DELIVER:
        return this.fragment(event);
      case CpgResponse.CONFIGURATION_CHANGE:
        return this.membership(event);
      case CpgResponse.TOTEM_CONFIGURATION:
        return ring(event);
      default:
        return null;
    }
  }

  private message(event: Uint8Array): CpgEvent {
    checkLength(event, DELIVER.data);
    const bytes = readU32(event, OFFSET.messageBytes);
    const group = this.group(event);
    const nodeId = readU32(event, DELIVER.nodeId);
    const pid = readU32(event, DELIVER.pid);
    if (bytes > this.messageBytesMax) return { type: 'oversize', group, nodeId, pid, bytes };
    return { type: 'message', group, nodeId, pid, data: this.keep(part(event, DELIVER.data, bytes)) };
  }

  private fragment(event: Uint8Array): CpgEvent | null {
    checkLength(event, FRAGMENT.data);
    const nodeId = readU32(event, FRAGMENT.nodeId);
    const pid = readU32(event, FRAGMENT.pid);
    const type = readU32(event, FRAGMENT.type);
    const bytes = readU32(event, FRAGMENT.bytes);
    const key = `${nodeId}.${pid}`;
    if (type === FragmentType.FIRST) this.begin(key, readU32(event, OFFSET.messageBytes));
    const assembly = this.assemblies.get(key);
    if (assembly === undefined) return null; // joined in the middle of a message
    const at = assembly.haveBytes;
    assembly.haveBytes += bytes;
    if (assembly.haveBytes > assembly.totalBytes) {
      this.forget(key); // the sender does not do what it announced: the message is not one
      return null;
    }
    assembly.data?.set(part(event, FRAGMENT.data, bytes), at);
    if (type !== FragmentType.LAST) return null;
    this.forget(key);
    if (assembly.haveBytes !== assembly.totalBytes) return null;
    const group = this.group(event);
    if (assembly.data === null) return { type: 'oversize', group, nodeId, pid, bytes: assembly.totalBytes };
    return { type: 'message', group, nodeId, pid, data: assembly.data };
  }

  /** A process sends one message at a time: a first fragment ends what was begun. */
  private begin(key: string, totalBytes: number): void {
    this.forget(key);
    const fits =
      totalBytes <= this.messageBytesMax &&
      this.reservedBytes + totalBytes <= ASSEMBLED_MESSAGES_MAX * this.messageBytesMax;
    const data = fits ? memoryOf(totalBytes) : null;
    if (data !== null) this.reservedBytes += totalBytes;
    this.assemblies.set(key, { totalBytes, data, haveBytes: 0 });
  }

  private forget(key: string): void {
    const assembly = this.assemblies.get(key);
    if (assembly === undefined) return;
    if (assembly.data !== null) this.reservedBytes -= assembly.totalBytes;
    this.assemblies.delete(key);
  }

  private membership(event: Uint8Array): CpgEvent {
    const change = decodeCpgConfigurationChange(event);
    if (change === null) throw malformed('configuration change');
    for (const { nodeId, pid } of change.left) this.forget(`${nodeId}.${pid}`);
    return {
      type: 'membership',
      group: this.text.decode(change.group),
      members: change.members.map(({ nodeId, pid }) => ({ nodeId, pid })),
      joined: change.joined.map(withReason),
      left: change.left.map(withReason),
    };
  }

  /** A connection has one group, so its name is decoded once. Compared without a view of it, which would be garbage of every message. */
  private group(event: Uint8Array): string {
    const length = Math.min(readU32(event, OFFSET.groupLength), GROUP_BYTES_MAX);
    let isKnown = length === this.groupBytes.length;
    for (let index = 0; index < length && isKnown; index++)
      isKnown = event[OFFSET.group + index] === this.groupBytes[index];
    if (!isKnown) {
      this.groupBytes = event.slice(OFFSET.group, OFFSET.group + length);
      this.groupText = this.text.decode(this.groupBytes);
    }
    return this.groupText;
  }
}

const withReason = ({ nodeId, pid, reason }: CpgAddress): CpgChange => ({
  nodeId,
  pid,
  reason: REASONS[reason] ?? 'undefined',
});

function ring(event: Uint8Array): CpgEvent {
  // The list starts 4 bytes before the rounded end of the fixed part.
  const fixed = CPG_TOTEM_CONFIGURATION.decode(event);
  const members = fixed === null ? null : listAt(event, 44, fixed.memberCount, U32_ELEMENT);
  if (fixed === null || members === null) throw malformed('totem membership');
  return { type: 'ring', ringId: fixed.ringId, members };
}

function checkLength(event: Uint8Array, bytesMin: number): void {
  if (event.length < bytesMin) throw malformed(`event of ${event.length} bytes`);
}

/** Shorter messages share memory: one that is kept keeps its slab. */
const POOLED_BYTES_MAX = 2048;
const SLAB_BYTES = 16 * 1024;
let slab = new ArrayBuffer(0);
let slabUsed = 0;

/**
 * A copy that belongs to the program. A buffer of its own for each short message costs five times its bytes: the allocator, and the garbage
 * collector, which stops the program until it has freed them one by one.
 */
function copied(data: Uint8Array): Uint8Array {
  const { length } = data;
  if (length > POOLED_BYTES_MAX) return new Uint8Array(data);
  if (slabUsed + length > slab.byteLength) {
    slab = sharedSlab();
    slabUsed = 0;
  }
  const copy = new Uint8Array(slab, slabUsed, length);
  copy.set(data);
  slabUsed += (length + 7) & -8;
  return copy;
}

/** One of its messages cannot be given to another thread with the memory of all. */
function sharedSlab(): ArrayBuffer {
  const { buffer } = Buffer.allocUnsafeSlow(SLAB_BYTES);
  try {
    markAsUntransferable(buffer);
  } catch {
    // Runtimes that are not Node.js may not have it.
  }
  return buffer;
}

/** The system makes the pages when they are written. Only a message that is complete is handed out, so nothing of what was in them before. */
function memoryOf(bytes: number): Uint8Array | null {
  try {
    const { buffer } = Buffer.allocUnsafeSlow(bytes);
    return new Uint8Array(buffer, 0, bytes);
  } catch {
    return null; // others can announce what this process has no room for
  }
}

function part(event: Uint8Array, offset: number, bytes: number): Uint8Array {
  if (bytes > event.length - offset) throw malformed(`${bytes} bytes announced in an event of ${event.length}`);
  return event.subarray(offset, offset + bytes);
}

const malformed = (what: string): ConnectionError =>
  new ConnectionError('RONDO_PROTOCOL', `cpg: malformed event: ${what}`);
