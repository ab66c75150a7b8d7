import { TotemDrop, type TotemDropReason } from '../drop-reason.ts';
import { TOTEM_LIMITS } from '../limits.ts';
import { Encapsulated, FrameType, HEADER, readU64, writeFrameHeader, writeU64 } from './header.ts';

/**
 * MEMB_JOIN and LEAVE (totem.md 1.8), packed:
 *   0        13            17                  21                    25         33
 *   | header | system_from | proc_list_entries | failed_list_entries | ring_seq | proc_list … failed_list …
 * header.nodeid 0 marks a LEAVE; system_from is then the real leaver (totem.md trap 7).
 */
export const JOIN_FIXED_BYTES = 33;
const AT = { systemFrom: 13, procCount: 17, failedCount: 21, ringSeq: 25, lists: 33 } as const;

/** A decoded JOIN; lists in the sender's order, without repetitions. */
export interface Join {
  readonly leave: boolean;
  readonly systemFrom: number;
  readonly ringSeq: number;
  readonly proc: readonly number[];
  readonly failed: readonly number[];
}

export const joinBytes = (procCount: number, failedCount: number): number =>
  JOIN_FIXED_BYTES + 4 * (procCount + failedCount);

/** The largest JOIN that can be accepted. */
export const JOIN_BYTES_MAX = joinBytes(TOTEM_LIMITS.processorsMax, TOTEM_LIMITS.processorsMax);

/** The lists are bounded before they are multiplied or read (CVE-2026-35092). */
export function checkJoin(view: DataView, at: number, length: number, littleEndian: boolean): TotemDropReason {
  if (length < JOIN_FIXED_BYTES) return TotemDrop.SHORT;
  const procCount = view.getUint32(at + AT.procCount, littleEndian);
  const failedCount = view.getUint32(at + AT.failedCount, littleEndian);
  if (procCount > TOTEM_LIMITS.processorsMax || failedCount > TOTEM_LIMITS.processorsMax) return TotemDrop.BAD_COUNT;
  if (length < joinBytes(procCount, failedCount)) return TotemDrop.SHORT;
  if (view.getUint32(at + AT.systemFrom, littleEndian) === 0) return TotemDrop.BAD_NODE;
  if (readU64(view, at + AT.ringSeq, littleEndian) > TOTEM_LIMITS.ringSeqMax) return TotemDrop.BAD_RING_SEQ;
  for (let i = 0; i < procCount + failedCount; i++)
    if (view.getUint32(at + AT.lists + 4 * i, littleEndian) === 0) return TotemDrop.BAD_NODE;
  return TotemDrop.NONE;
}

function readNodes(view: DataView, at: number, count: number, littleEndian: boolean): number[] {
  const nodes: number[] = [];
  for (let i = 0; i < count; i++) {
    const node = view.getUint32(at + 4 * i, littleEndian);
    if (!nodes.includes(node)) nodes.push(node);
  }
  return nodes;
}

/** Only after `checkJoin` returned `TotemDrop.NONE`. */
export function readJoin(view: DataView, at: number, littleEndian: boolean): Join {
  const procCount = view.getUint32(at + AT.procCount, littleEndian);
  const failedCount = view.getUint32(at + AT.failedCount, littleEndian);
  return {
    leave: view.getUint32(at + HEADER.nodeId, littleEndian) === 0,
    systemFrom: view.getUint32(at + AT.systemFrom, littleEndian),
    ringSeq: readU64(view, at + AT.ringSeq, littleEndian),
    proc: readNodes(view, at + AT.lists, procCount, littleEndian),
    failed: readNodes(view, at + AT.lists + 4 * procCount, failedCount, littleEndian),
  };
}

/** Returns the length. */
export function encodeJoin(view: DataView, at: number, join: Join): number {
  writeFrameHeader(view, at, FrameType.JOIN, Encapsulated.NONE, join.leave ? 0 : join.systemFrom);
  view.setUint32(at + AT.systemFrom, join.systemFrom, true);
  view.setUint32(at + AT.procCount, join.proc.length, true);
  view.setUint32(at + AT.failedCount, join.failed.length, true);
  writeU64(view, at + AT.ringSeq, join.ringSeq);
  let item = at + AT.lists;
  for (const node of join.proc) {
    view.setUint32(item, node, true);
    item += 4;
  }
  for (const node of join.failed) {
    view.setUint32(item, node, true);
    item += 4;
  }
  return item - at;
}
