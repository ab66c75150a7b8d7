import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import * as base from '../../src/services/codec/base.ts';
import * as cfg from '../../src/services/codec/cfg.ts';
import * as cmap from '../../src/services/codec/cmap.ts';
import * as cpg from '../../src/services/codec/cpg.ts';
import * as evs from '../../src/services/codec/evs.ts';
import type { WirePart } from '../../src/services/codec/fields.ts';
import * as pload from '../../src/services/codec/pload.ts';
import * as quorum from '../../src/services/codec/quorum.ts';
import { type Fields, RequestStruct, Struct } from '../../src/services/codec/struct.ts';
import * as sync from '../../src/services/codec/sync.ts';
import * as votequorum from '../../src/services/codec/votequorum.ts';

/** Vectors of stock: layouts of its headers, and messages captured from it. */
interface StructVector {
  readonly name: string;
  readonly size: number;
  readonly fields: readonly { readonly name: string; readonly offset: number; readonly size: number | null }[];
}
interface Capture {
  readonly len: number;
  readonly hex: string;
  readonly zero_tail?: number;
  readonly truncated_to?: number;
  readonly decoded: Readonly<Record<string, unknown>>;
  readonly struct?: string;
}
interface NodeToNode extends Capture {
  readonly kind: string;
}
interface IpcVector {
  readonly struct: string;
  readonly request?: Capture;
  readonly response?: Capture & { readonly struct: string };
  readonly event?: Capture;
}
interface Vectors {
  readonly structs: readonly StructVector[];
  readonly node_to_node: readonly NodeToNode[];
  readonly ipc: readonly IpcVector[];
}
const vectors = JSON.parse(
  readFileSync(new URL('../../../test/vectors/services.json', import.meta.url), 'utf8'),
) as Vectors;

type AnyStruct = Struct<Fields>;
const byName = new Map<string, AnyStruct[]>();
for (const module of [base, cfg, cmap, cpg, pload, quorum, sync, votequorum])
  for (const value of Object.values(module) as unknown[])
    if (value instanceof Struct) byName.set(value.name, [...(byName.get(value.name) ?? []), value as AnyStruct]);
const structOf = (name: string): AnyStruct => {
  const struct = byName.get(name)?.[0];
  if (struct === undefined) throw new Error(`no codec for ${name}`);
  return struct;
};

const partsOf = (struct: AnyStruct): WirePart[] => Object.values(struct.fields).flatMap((field) => [...field.parts]);

t.test('every structure has the offsets and sizes of the C headers', async (t) => {
  for (const vector of vectors.structs) {
    const codecs = byName.get(vector.name);
    if (!codecs) {
      t.fail(`no codec for ${vector.name}`);
      continue;
    }
    for (const codec of codecs) {
      t.equal(codec.bytes, vector.size, `${vector.name}: size`);
      // The generic header structures are also used under their own id; those name the same members `header.…`.
      const ours = new Map(partsOf(codec).map((p) => [p.name.replace(/^header\./, ''), p]));
      for (const field of vector.fields) {
        const label = `${vector.name}.${field.name}`;
        if (field.size === null) {
          t.same(codec.tail, { name: field.name, offset: field.offset }, label);
          continue;
        }
        const part = ours.get(field.name.replace(/^header\./, ''));
        t.ok(part, `${label} exists`);
        t.same([part?.offset, part?.bytes], [field.offset, field.size], label);
      }
    }
  }
  t.equal(vectors.structs.length, 139);
});

function bytesOf(capture: Capture): Uint8Array {
  const bytes = Buffer.from(capture.hex, 'hex');
  return new Uint8Array(Buffer.concat([bytes, Buffer.alloc(capture.zero_tail ?? 0)]));
}

/** Bytes that mean something: members, of texts only what precedes their end, and the tail. */
function meaningful(struct: AnyStruct, bytes: Uint8Array, values: Record<string, unknown>): boolean[] {
  const mask: boolean[] = new Array(bytes.length).fill(false);
  for (const [name, field] of Object.entries(struct.fields))
    for (const part of field.parts) {
      const length = part.text ? textLength(values[name]) : part.bytes;
      for (let i = 0; i < length; i++) mask[part.offset + i] = !isLinkGap(part, i);
    }
  return mask;
}

/** The one array of structures that have a gap themselves: byte 3 of each link record. */
const isLinkGap = (part: WirePart, at: number): boolean => part.name.endsWith('link_status') && at % 520 === 3;

function textLength(value: unknown): number {
  if (typeof value === 'string') return value.length;
  const name = value as { text?: string; bytes?: Uint8Array };
  return name.text?.length ?? name.bytes?.length ?? 0;
}

/** What a member is called in the vectors, and its value, for every kind of field. */
function flatten(struct: AnyStruct, values: Record<string, unknown>): Map<string, unknown> {
  const flat = new Map<string, unknown>();
  for (const [name, field] of Object.entries(struct.fields)) {
    const [first, second] = field.parts;
    const value = values[name];
    if (second === undefined) flat.set(first!.name, typeof value === 'bigint' ? Number(value) : value);
    else {
      const [a, b] = compoundParts(value);
      flat.set(first!.name, a);
      flat.set(second.name, b);
    }
  }
  return flat;
}

function compoundParts(value: unknown): [unknown, unknown] {
  const v = value as {
    length?: number;
    text?: string;
    bytes?: Uint8Array;
    rep?: number;
    seq?: number | bigint;
    nodeId?: number;
    conn?: bigint;
  };
  if (v.text !== undefined) return [v.length, v.text];
  if (v.bytes !== undefined) return [v.length, Buffer.from(v.bytes).toString('latin1')];
  if (v.conn !== undefined) return [v.nodeId, Number(v.conn)];
  return [v.rep, Number(v.seq)];
}

/** Decodes, compares with the vector, encodes again, compares the bytes that mean something. */
function roundTrip(t: Test, label: string, struct: AnyStruct, capture: Capture): void {
  const bytes = bytesOf(capture);
  // Long captures are cut; the fixed part is decoded from zero-filled bytes then.
  const whole = new Uint8Array(Math.max(bytes.length, struct.bytes));
  whole.set(bytes);
  const values = struct.decode(whole) as Record<string, unknown> | null;
  if (values === null) return void t.fail(`${label}: not decoded`);
  const flat = flatten(struct, values);
  for (const [name, expected] of Object.entries(capture.decoded)) {
    if (flat.has(name)) compareMember(t, `${label}.${name}`, flat.get(name), expected);
    else if (flat.has(`header.${name}`)) t.equal(flat.get(`header.${name}`), expected, `${label}.${name}`);
  }
  const encoded = new Uint8Array(whole.length);
  struct.encodeInto(encoded, 0, values);
  if (struct.tail !== null && whole.length > struct.bytes)
    encoded.set(whole.subarray(struct.tail.offset), struct.tail.offset);
  const mask = meaningful(struct, whole, values);
  const wrong = [...mask.keys()].filter((at) => mask[at] && encoded[at] !== whole[at]);
  t.same(wrong, [], `${label}: encoded to the same bytes`);
  if (struct instanceof RequestStruct) t.equal(struct.id, values['id'], `${label}: message id`);
}

function compareMember(t: Test, label: string, actual: unknown, expected: unknown): void {
  if (typeof expected === 'string' && typeof actual === 'string') t.equal(actual, expected.replace(/\0$/, ''), label);
  else if (typeof expected === 'string' && Array.isArray(actual)) t.equal(actual[0], expected, label);
  else if (Array.isArray(expected) && Array.isArray(actual)) {
    const normal = expected.map((e) =>
      typeof e === 'object' ? renameKeys(e as Record<string, unknown>) : (e as unknown),
    );
    t.same(actual.slice(0, expected.length), normal, label);
  } else if (typeof expected === 'number' && expected > Number.MAX_SAFE_INTEGER)
    t.ok(Math.abs(Number(actual) - expected) < 4096, label);
  else t.equal(actual, expected, label);
}

const renameKeys = (entry: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(entry).map(([key, value]) => [key === 'nodeid' ? 'nodeId' : key, value]));

const EXEC_STRUCTS: Readonly<Record<string, AnyStruct>> = {
  SYNC_BARRIER: sync.SYNC_BARRIER,
  SYNC_SERVICE_BUILD: sync.SYNC_SERVICE_BUILD,
  CMAP_MCAST: cmap.CMAP_MCAST,
  CFG_RELOAD_CONFIG: cfg.CFG_EXEC_RELOAD,
  CFG_SHUTDOWN: cfg.CFG_EXEC_SHUTDOWN,
  CFG_KILLNODE: cfg.CFG_EXEC_KILL_NODE,
  CFG_CRYPTO_RECONFIG: cfg.CFG_EXEC_CRYPTO_RECONFIGURE,
  CPG_PROCJOIN: cpg.CPG_EXEC_JOIN,
  CPG_PROCLEAVE: cpg.CPG_EXEC_LEAVE,
  CPG_JOINLIST: cpg.CPG_EXEC_JOIN_LIST,
  CPG_MCAST: cpg.CPG_EXEC_MCAST,
  CPG_DOWNLIST: cpg.CPG_EXEC_DOWN_LIST,
  CPG_PARTIAL_MCAST: cpg.CPG_EXEC_PARTIAL_MCAST,
  VOTEQUORUM_NODEINFO: votequorum.VQ_NODE_INFO,
  VOTEQUORUM_RECONFIGURE: votequorum.VQ_RECONFIGURE,
  VOTEQUORUM_QDEVICE_REG: votequorum.VQ_EXEC_QDEVICE_REGISTER,
  VOTEQUORUM_QDEVICE_RECONFIGURE: votequorum.VQ_EXEC_QDEVICE_RENAME,
  PLOAD_START: pload.PLOAD_START,
  PLOAD_MCAST: pload.PLOAD_MCAST,
};

t.test('captured node-to-node messages', async (t) => {
  t.equal(vectors.node_to_node.length, 44);
  for (const [index, vector] of vectors.node_to_node.entries()) {
    const struct = EXEC_STRUCTS[vector.kind];
    if (struct === undefined) t.fail(`no codec for ${vector.kind}`);
    else roundTrip(t, `${index} ${vector.kind}`, struct, vector);
  }
});

t.test('captured requests, responses and events', async (t) => {
  t.equal(vectors.ipc.length, 111);
  for (const [index, vector] of vectors.ipc.entries()) {
    const label = `${index} ${vector.struct}`;
    if (vector.request) roundTrip(t, `${label} request`, structOf(vector.struct), vector.request);
    if (vector.response)
      roundTrip(t, `${label} response`, structOf(vector.response.struct), {
        ...vector.response,
        zero_tail: (vector.response.zero_tail ?? 0) as number,
      });
    if (vector.event) roundTrip(t, label, structOf(vector.struct), vector.event);
  }
});

t.test('lists after the fixed part', async (t) => {
  const events = vectors.ipc.filter((v) => v.event !== undefined);
  const check = (name: string, compare: (bytes: Uint8Array, decoded: Record<string, unknown>) => void): void => {
    const found = events.filter((v) => v.struct === name);
    t.ok(found.length > 0, name);
    for (const vector of found) compare(bytesOf(vector.event!), vector.event!.decoded as Record<string, unknown>);
  };
  const address = (e: unknown) => renameKeys(e as Record<string, unknown>);
  check('res_lib_cpg_confchg_callback', (bytes, decoded) => {
    const change = cpg.decodeCpgConfigurationChange(bytes)!;
    t.same(change.members, (decoded['member_list'] as unknown[]).map(address));
    t.same(change.left, (decoded['left_list'] as unknown[]).map(address));
    t.same(change.joined, (decoded['joined_list'] as unknown[]).map(address));
    t.equal(cpg.encodeCpgConfigurationChange(change).length, bytes.length);
  });
  check('res_lib_quorum_notification', (bytes, decoded) => {
    const change = quorum.decodeQuorumChangeV0(bytes)!;
    t.same(change.view, decoded['view_list']);
    t.equal(quorum.encodeQuorumChange(0, change).length, bytes.length);
  });
  check('res_lib_quorum_v1_quorum_notification', (bytes, decoded) => {
    const change = quorum.decodeQuorumChangeV1(bytes)!;
    t.same(change.view, decoded['view_list']);
    t.same(quorum.decodeQuorumChangeV1(quorum.encodeQuorumChange(1, change)), change);
    t.equal(quorum.encodeQuorumChange(1, change).length, bytes.length);
  });
  check('res_lib_quorum_v1_nodelist_notification', (bytes, decoded) => {
    const change = quorum.decodeNodeListChange(bytes)!;
    t.same(
      [change.members, change.joined, change.left],
      [decoded['member_list'], decoded['joined_list'], decoded['left_list']],
    );
    t.equal(quorum.encodeNodeListChange(change).length, bytes.length);
  });
  check('res_lib_votequorum_quorum_notification', (bytes, decoded) => {
    const event = votequorum.decodeVotequorumQuorum(bytes)!;
    t.same(event.nodes, (decoded['node_list'] as unknown[]).map(address));
    t.same(votequorum.encodeVotequorumQuorum(event).length, bytes.length);
  });
  check('res_lib_votequorum_nodelist_notification', (bytes, decoded) => {
    const event = votequorum.decodeVotequorumNodeList(bytes)!;
    t.same(event.nodes, decoded['node_list']);
    t.same(votequorum.encodeVotequorumNodeList(event).length, bytes.length);
  });
  check('res_lib_cpg_totem_confchg_callback', (bytes, decoded) => {
    const count = decoded['member_list_entries'] as number;
    t.same(
      cpg.CPG_TOTEM_CONFIGURATION.tailBytes(bytes, count * 4)?.length,
      (decoded['member_list'] as unknown[]).length * 4,
    );
  });
});

t.test('variable node-to-node messages', async (t) => {
  for (const vector of vectors.node_to_node) {
    const bytes = bytesOf(vector);
    if (vector.kind === 'CMAP_MCAST') {
      const message = cmap.decodeCmapMcast(bytes)!;
      const expected = (vector.decoded['items'] as Record<string, unknown>[])[0]!;
      t.equal(message.items[0]!.key, expected['key_name.value']);
      t.equal(Buffer.from(message.items[0]!.value).toString('hex'), expected['value_hex']);
      const again = cmap.encodeCmapMcast(message.reason, message.items);
      t.equal(again.length, bytes.length);
      t.same(cmap.decodeCmapMcast(again), message);
    }
    if (vector.kind === 'CPG_JOINLIST') {
      const entries = cpg.decodeJoinList(bytes)!;
      const expected = vector.decoded['entries'] as Record<string, unknown>[];
      t.same(
        entries.map((e) => [e.pid, Buffer.from(e.group.bytes).toString('latin1')]),
        expected.map((e) => [e['pid'], e['group_name.value']]),
      );
      t.same(cpg.decodeJoinList(cpg.encodeJoinList(entries)), entries);
    }
  }
});

t.test('ring numbers that programs see are exact', async (t) => {
  const ringId = { rep: 7, seq: 2n ** 64n - 1n };
  const change = quorum.encodeQuorumChange(1, { quorate: true, ringId, view: [7] });
  t.strictSame(quorum.decodeQuorumChangeV1(change)?.ringId, ringId);
  const old = quorum.encodeQuorumChange(0, { quorate: true, ringId, view: [7] });
  t.equal(quorum.decodeQuorumChangeV0(old)?.ringId.seq, ringId.seq);
  const nodes = quorum.encodeNodeListChange({ ringId, members: [7], joined: [], left: [] });
  t.strictSame(quorum.decodeNodeListChange(nodes)?.ringId, ringId);
  const list = votequorum.encodeVotequorumNodeList({ context: 0n, ringId, nodes: [7] });
  t.strictSame(votequorum.decodeVotequorumNodeList(list)?.ringId, ringId);
  const configuration = { kind: 'regular', ringId, members: [7], left: [], joined: [] } as const;
  t.strictSame(evs.decodeEvsConfiguration(evs.encodeEvsConfiguration(configuration))?.ringId, ringId);
});

t.test('lengths are not believed', async (t) => {
  const empty = cmap.encodeCmapMcast(0, [{ key: 'a.b', type: 0, value: new Uint8Array(0) }]);
  t.equal(empty.length, 328, 'a key that does not exist');
  t.equal(cmap.decodeCmapMcast(empty.subarray(0, 320)), null, 'item cut off');
  const lying = empty.slice();
  new DataView(lying.buffer).setUint32(48 + 272 + 4, 0xffff_ffff, true);
  t.equal(cmap.decodeCmapMcast(lying), null, 'value longer than the message');
  const list = cpg.encodeJoinList([{ pid: 1, group: { length: 1, bytes: Uint8Array.of(65) } }]);
  new DataView(list.buffer).setUint32(8, 24 + 144 * 2, true);
  t.equal(cpg.decodeJoinList(list), null, 'more entries than bytes');
  const event = quorum.encodeQuorumChange(1, { quorate: true, ringId: { rep: 1, seq: 4n }, view: [1] });
  new DataView(event.buffer).setUint32(48, 0xffff_ffff, true);
  t.equal(quorum.decodeQuorumChangeV1(event), null, 'huge count');
});
