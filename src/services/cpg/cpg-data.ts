import { copyBytes, readU32 } from '../../lib/copy.ts';
import { CsError } from '../../lib/errors.ts';
import type { FrameMemory } from '../../totem/interface.ts';
import { CPG_EXEC_MCAST, CPG_EXEC_PARTIAL_MCAST } from '../codec/cpg.ts';
import { GROUP_NAME_BYTES_MAX, groupNameValue } from '../codec/fields.ts';
import { CpgResponse } from '../codec/ids.ts';
import { type CpgConnection, MCAST_HEAD_BYTES, PARTIAL_HEAD_BYTES } from './cpg-connection.ts';
import type { CpgGroup, CpgGroupTable } from './cpg-groups.ts';
import type { CpgHost } from './cpg-host.ts';

/**
 * The path of the messages (services.md 4.7), without garbage:
 *
 *   request ring    | header 24 | guarantee 8 | msglen 8 | data … |
 *                                                          │ one copy, behind the connection's prepared head
 *   frame           | header 16 | name 136 @16 | msglen @152 | pid @160 | source @168 | data @184 … |
 *                                 │ one copy a listener                                   │
 *   event ring      | header 24 | name 136 @24 | msglen @160 | node @168 | pid @176 |     data @184 … |
 *
 * Fragments have one more word each for their length and type; their data begins at 56, 200 and 200.
 */
const REQUEST = { msglen: 32, fraglen: 40, type: 48, data: 40, fragmentData: 56 } as const;
const EXEC = {
  size: 8,
  name: 16,
  nameBytes: 24,
  msglen: 152,
  pid: 160,
  data: MCAST_HEAD_BYTES,
  fraglen: 160,
  fragmentPid: 168,
  type: 176,
  fragmentData: PARTIAL_HEAD_BYTES,
} as const;
const EVENT = { name: 24, msglen: 160, node: 168, pid: 176, data: 184 } as const;
const FRAGMENT_EVENT = { fraglen: 168, node: 176, pid: 184, type: 192, data: 200 } as const;
const NAME_BYTES = 136;

export class CpgData {
  constructor(
    private readonly host: CpgHost,
    private readonly groups: CpgGroupTable,
  ) {}

  /** Fills in what is the same in all messages of a connection; called at its join. */
  prepareHeads(connection: CpgConnection, group: CpgGroup): void {
    const { bytes } = connection.port.memory;
    const fields = {
      group: groupNameValue(group.name),
      pid: connection.pid,
      source: { nodeId: this.host.nodeId, conn: BigInt(connection.port.id) },
    };
    bytes.set(CPG_EXEC_MCAST.message(fields), connection.port.scratch);
    bytes.set(CPG_EXEC_PARTIAL_MCAST.message(fields), connection.port.scratch + MCAST_HEAD_BYTES);
  }

  /** The asynchronous send. `false`: no room, the request stays in the ring (libqb-ipc.md trap 26). */
  mcast(connection: CpgConnection, at: number, requestBytes: number): boolean {
    if (!connection.maySend) {
      this.host.dropped('notJoined', this.host.nodeId); // silently, as stock: nobody waits for a response
      return true;
    }
    const { memory } = connection.port;
    const length = requestBytes < REQUEST.data ? 0 : memory.view.getUint32(at + REQUEST.msglen, true);
    if (requestBytes < REQUEST.data || length > requestBytes - REQUEST.data) {
      this.host.dropped('badLength', this.host.nodeId);
      return true;
    }
    return this.send(connection, memory.bytes, at + REQUEST.data, length);
  }

  /** Multicasts `length` bytes at `at` of `from` as one message of the connection. */
  send(connection: CpgConnection, from: Uint8Array, at: number, length: number): boolean {
    const { memory, scratch: head } = connection.port;
    const { view } = memory;
    view.setInt32(head + EXEC.size, MCAST_HEAD_BYTES + length, true);
    view.setUint32(head + EXEC.msglen, length, true);
    return this.host.mcastParts(memory.bytes, head, MCAST_HEAD_BYTES, from, at, length);
  }

  /** A fragment of a large message. Returns the status for the client, or `null`: no room yet. */
  partial(connection: CpgConnection, at: number, requestBytes: number): number | null {
    if (!connection.maySend) return CsError.NOT_EXIST;
    if (requestBytes < REQUEST.fragmentData) return CsError.INVALID_PARAM;
    const { bytes, view } = connection.port.memory;
    const length = view.getUint32(at + REQUEST.fraglen, true);
    if (length > requestBytes - REQUEST.fragmentData) return CsError.INVALID_PARAM;
    const type = view.getUint32(at + REQUEST.type, true);
    const first = type === 1;
    if (!first && connection.transitions !== connection.transitionsSaved) return CsError.INTERRUPT;

    const head = connection.port.scratch + MCAST_HEAD_BYTES;
    view.setInt32(head + EXEC.size, PARTIAL_HEAD_BYTES + length, true);
    view.setUint32(head + EXEC.msglen, view.getUint32(at + REQUEST.msglen, true), true);
    view.setUint32(head + EXEC.fraglen, length, true);
    view.setUint32(head + EXEC.type, type, true);
    const body = at + REQUEST.fragmentData;
    if (!this.host.mcastParts(bytes, head, PARTIAL_HEAD_BYTES, bytes, body, length)) return null;
    if (first) connection.transitionsSaved = connection.transitions;
    return CsError.OK;
  }

  /** An exec mcast in total order; the bytes are not trusted. */
  deliverMcast(nodeId: number, memory: FrameMemory, offset: number, length: number): void {
    const group = this.receivers(nodeId, memory, offset, length, EXEC.data);
    if (group === null) return;
    const dataBytes = memory.view.getUint32(offset + EXEC.msglen, true);
    if (dataBytes > length - EXEC.data) {
      this.host.dropped('badLength', nodeId);
      return;
    }
    const total = EVENT.data + dataBytes;
    const { listeners } = group;
    for (let index = 0; index < listeners.length; index++) {
      const { port } = listeners[index]!;
      const at = port.claim(total);
      if (at < 0) continue;
      writeMcastEvent(port.claimed, at, memory, offset, nodeId, dataBytes);
      port.commit();
    }
  }

  deliverPartial(nodeId: number, memory: FrameMemory, offset: number, length: number): void {
    const group = this.receivers(nodeId, memory, offset, length, EXEC.fragmentData);
    if (group === null) return;
    const dataBytes = memory.view.getUint32(offset + EXEC.fraglen, true);
    if (dataBytes > length - EXEC.fragmentData) {
      this.host.dropped('badLength', nodeId);
      return;
    }
    const total = FRAGMENT_EVENT.data + dataBytes;
    for (const { port } of group.listeners) {
      const at = port.claim(total);
      if (at < 0) continue;
      writeFragmentEvent(port.claimed, at, memory, offset, nodeId, dataBytes);
      port.commit();
    }
  }

  /** The group of a message if somebody here listens to it and the sending node has a process in it (services.md 4.7). */
  private receivers(
    nodeId: number,
    memory: FrameMemory,
    offset: number,
    length: number,
    fixedBytes: number,
  ): CpgGroup | null {
    if (length < fixedBytes) {
      this.host.dropped('short', nodeId);
      return null;
    }
    const nameBytes = readU32(memory.bytes, offset + EXEC.name);
    if (nameBytes > GROUP_NAME_BYTES_MAX) {
      this.host.dropped('badName', nodeId);
      return null;
    }
    const group = this.groups.find(memory.bytes, offset + EXEC.nameBytes, nameBytes);
    if (group === null || group.listeners.length === 0) return null;
    if (group.hasNode(nodeId)) return group;
    this.host.dropped('senderNotInGroup', nodeId);
    return null;
  }
}

function writeHeader(view: DataView, at: number, id: number, bytes: number): void {
  view.setInt32(at, id, true);
  view.setInt32(at + 4, 0, true);
  view.setInt32(at + 8, bytes, true);
  view.setInt32(at + 12, 0, true);
  view.setInt32(at + 16, CsError.OK, true);
  view.setInt32(at + 20, 0, true);
}

/** A number and the gap behind it, in which an earlier event might show. */
function writeWord(view: DataView, at: number, value: number): void {
  view.setUint32(at, value, true);
  view.setUint32(at + 4, 0, true);
}

function writeMcastEvent(
  to: FrameMemory,
  at: number,
  from: FrameMemory,
  offset: number,
  nodeId: number,
  dataBytes: number,
): void {
  const { view } = to;
  writeHeader(view, at, CpgResponse.DELIVER, EVENT.data + dataBytes);
  copyBytes(from.bytes, offset + EXEC.name, to.bytes, at + EVENT.name, NAME_BYTES);
  writeWord(view, at + EVENT.msglen, dataBytes);
  writeWord(view, at + EVENT.node, nodeId);
  writeWord(view, at + EVENT.pid, from.view.getUint32(offset + EXEC.pid, true));
  copyBytes(from.bytes, offset + EXEC.data, to.bytes, at + EVENT.data, dataBytes);
}

function writeFragmentEvent(
  to: FrameMemory,
  at: number,
  from: FrameMemory,
  offset: number,
  nodeId: number,
  dataBytes: number,
): void {
  const { view } = to;
  writeHeader(view, at, CpgResponse.PARTIAL_DELIVER, FRAGMENT_EVENT.data + dataBytes);
  copyBytes(from.bytes, offset + EXEC.name, to.bytes, at + EVENT.name, NAME_BYTES);
  writeWord(view, at + EVENT.msglen, from.view.getUint32(offset + EXEC.msglen, true));
  writeWord(view, at + FRAGMENT_EVENT.fraglen, dataBytes);
  writeWord(view, at + FRAGMENT_EVENT.node, nodeId);
  writeWord(view, at + FRAGMENT_EVENT.pid, from.view.getUint32(offset + EXEC.fragmentPid, true));
  writeWord(view, at + FRAGMENT_EVENT.type, from.view.getUint32(offset + EXEC.type, true));
  copyBytes(from.bytes, offset + EXEC.fragmentData, to.bytes, at + FRAGMENT_EVENT.data, dataBytes);
}
