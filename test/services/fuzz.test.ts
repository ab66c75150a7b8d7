import { readFileSync } from 'node:fs';
import t from 'tap';
import { ReloadAgreement } from '../../src/services/cfg/agreement.ts';
import { CfgEngine } from '../../src/services/cfg/engine.ts';
import type { CfgPorts } from '../../src/services/cfg/ports.ts';
import { ServiceId } from '../../src/services/codec/ids.ts';
import { encodeYkdState } from '../../src/services/codec/ykd.ts';
import { createEngine as createEvs } from '../../src/services/evs/engine.ts';
import { createEngine as createKv } from '../../src/services/examples/kv/engine.ts';
import { PloadEngine } from '../../src/services/pload/engine.ts';
import { YkdEngine } from '../../src/services/ykd/engine.ts';
import { nodeList, QuorumNode } from './cluster.ts';
import { seeded } from './fake-clock.ts';
import type { FakeConnection } from './fake-node.ts';
import { FakeRing } from './fake-ring.ts';

/**
 * Bytes from the ring and from clients are hostile: whatever they are, no engine may throw (that would stop it), hang, or
 * grow without bound. Captured messages of stock are mutated and thrown at a node with every engine.
 * `RONDO_FUZZ_RUNS` for more than the usual number.
 */
t.setTimeout(0);
const RUNS = Number(process.env['RONDO_FUZZ_RUNS'] ?? 30_000);

interface Capture {
  readonly hex: string;
  readonly zero_tail?: number;
  readonly group_prefix_hex?: string;
}
const vectors = JSON.parse(readFileSync(new URL('../../../test/vectors/services.json', import.meta.url), 'utf8')) as {
  node_to_node: Capture[];
  ipc: { service: keyof typeof SERVICES; request?: Capture }[];
};
const SERVICES = { cmap: 0, cfg: 1, cpg: 2, quorum: 3, votequorum: 5 } as const;

const bytesOf = ({ hex, zero_tail: zeroes }: Capture): Uint8Array =>
  new Uint8Array(Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(zeroes ?? 0)]));

async function victim() {
  const ring = new FakeRing();
  const node = new QuorumNode(ring, 1, {
    'quorum.provider': 'x',
    ...nodeList([1, 2, 3], 1),
    'quorum.device.model': 'net',
  });
  const said: string[] = [];
  const ports: CfgPorts = {
    reloader: { prepare: () => ({ ok: false, reason: 'no' }) },
    ringLinks: () => [],
    nodeReport: () => null,
    nodeAddresses: () => null,
    reopenLogs: () => 1,
    killed: () => said.push('killed'),
    shutdown: () => said.push('shutdown'),
    reloadDone: () => {},
  };
  const agreement = new ReloadAgreement(ports.reloader);
  await node.start(
    new CfgEngine({ ...ports, agreement }),
    agreement,
    new YkdEngine({ setQuorum: () => {} }),
    new PloadEngine({ exit: () => {} }),
    createEvs(),
    createKv({ name: 'kv', path: '' }),
  );
  ring.add(node);
  ring.partition([1]);
  ring.settle();
  return { ring, node };
}

/** Flips bits, writes extreme numbers, cuts, lengthens. */
function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  const pick = (count: number): number => Math.floor(random() * count);
  const extremes = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
  let mutated = bytes.slice();
  for (let i = pick(4); i >= 0; i--) {
    const view = new DataView(mutated.buffer);
    const choice = random();
    if (choice < 0.4 && mutated.length > 0) mutated[pick(mutated.length)]! ^= 1 << pick(8);
    else if (choice < 0.8 && mutated.length >= 4)
      view.setUint32(Math.min(pick(mutated.length) & ~3, mutated.length - 4), extremes[pick(extremes.length)]!, true);
    else if (choice < 0.9) mutated = mutated.slice(0, pick(mutated.length + 1));
    else {
      const longer = new Uint8Array(mutated.length + pick(64));
      longer.set(mutated);
      mutated = longer;
    }
  }
  return mutated;
}

t.test('messages of the ring', async (t) => {
  t.setTimeout(0);
  const { ring, node } = await victim();
  const random = seeded(1);
  const seeds = vectors.node_to_node.filter((v) => v.group_prefix_hex === '0100010061').map(bytesOf);
  const ykd = encodeYkdState({
    lastPrimary: { nodeIds: [1], sessionId: 1 },
    lastFormed: [],
    ambiguous: [],
    sessionId: 1,
  });
  const wrapped = new Uint8Array(16 + ykd.length);
  wrapped[2] = 14;
  wrapped.set(ykd, 16);
  seeds.push(wrapped);
  for (const service of [14, 15, 32, 33, ServiceId.VOTEQUORUM, ServiceId.CMAP])
    for (let fn = 0; fn < 4; fn++) {
      const bytes = new Uint8Array(600);
      bytes.set([fn, 0, service, 0]);
      seeds.push(bytes);
    }
  for (let run = 0; run < RUNS; run++) {
    const message = mutate(seeds[Math.floor(random() * seeds.length)]!, random);
    node.host.deliver(1 + Math.floor(random() * 4), message);
    if (run % 1000 === 999) {
      ring.partition([1]);
      ring.advance(100);
      node.logs.length = 0;
    }
  }
  t.same(node.failures, []);
  t.equal(node.host.syncInProgress, false);
  t.ok(node.info(1).size > 0, 'still responds');
});

t.test('requests of clients', async (t) => {
  t.setTimeout(0);
  const { ring, node } = await victim();
  const random = seeded(2);
  const seeds = vectors.ipc.flatMap(({ service, request }) =>
    request === undefined || service === 'cpg' ? [] : [{ service: SERVICES[service], bytes: bytesOf(request) }],
  );
  for (const service of [32, 33])
    for (let fn = 0; fn < 5; fn++) {
      const bytes = new Uint8Array(64);
      bytes[0] = fn;
      seeds.push({ service: service as 0, bytes });
    }
  const clients = new Map<number, FakeConnection>();
  for (let run = 0; run < RUNS; run++) {
    const { service, bytes } = seeds[Math.floor(random() * seeds.length)]!;
    let client = clients.get(service);
    if (client === undefined || random() < 0.01) {
      client?.close();
      client = node.connect(service);
      clients.set(service, client);
    }
    node.host.request(service, client, mutate(bytes, random));
    client.responses.length = 0;
    client.events.length = 0;
    if (run % 1000 === 999) {
      ring.advance(100);
      node.logs.length = 0;
    }
  }
  t.same(node.failures, []);
  ring.partition([1]);
  ring.advance(40_000);
  t.equal(node.host.syncInProgress, false);
});
