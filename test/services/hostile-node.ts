import { readFileSync } from 'node:fs';
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
import { FakeRing } from './fake-ring.ts';

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

/** A node with every engine, alone in its ring. */
export async function hostileNode() {
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
    holdRing: () => () => {},
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

/** Messages of a ring as stock sends them, and empty ones of every service. */
export function ringSeeds(): Uint8Array[] {
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
  return seeds;
}

/** Requests as stock's libraries send them, each with its service. */
export function requestSeeds(): { readonly service: number; readonly bytes: Uint8Array }[] {
  const seeds: { service: number; bytes: Uint8Array }[] = vectors.ipc.flatMap(({ service, request }) =>
    request === undefined || service === 'cpg' ? [] : [{ service: SERVICES[service], bytes: bytesOf(request) }],
  );
  for (const service of [32, 33])
    for (let fn = 0; fn < 5; fn++) {
      const bytes = new Uint8Array(64);
      bytes[0] = fn;
      seeds.push({ service, bytes });
    }
  return seeds;
}
