import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { decodeSync, encodeBarrier, encodeServiceBuild } from '../../../src/services/sync/sync-messages.ts';

interface Vector {
  readonly kind: string;
  readonly zero_tail?: number;
  readonly group?: string;
  readonly hex: string;
  readonly decoded: Record<string, unknown>;
}
const vectorFile = new URL('../../../../test/vectors/services.json', import.meta.url);
const vectors = JSON.parse(readFileSync(vectorFile, 'utf8')) as { node_to_node: Vector[] };

t.test('captured sync messages decode and encode back', async (t) => {
  const captured = vectors.node_to_node.filter(({ kind }) => kind.startsWith('SYNC'));
  t.ok(captured.length >= 2, 'there are vectors');
  for (const { kind: name, hex, zero_tail } of captured) {
    const bytes = new Uint8Array([...Buffer.from(hex, 'hex'), ...new Uint8Array(zero_tail ?? 0)]);
    const decoded = decodeSync(bytes, 0, bytes.length);
    if (!decoded.ok) {
      t.fail(`${name}: ${decoded.reason}`);
      continue;
    }
    const { value } = decoded;
    const again = value.id === 0 ? encodeBarrier(value.ringId) : encodeServiceBuild(value.ringId, value.services);
    t.equal(again.length, bytes.length, name);
    for (const [from, to] of value.id === 0
      ? [
          [0, 4],
          [8, 12],
          [16, 28],
        ]
      : [
          [0, 4],
          [8, 12],
          [16, 28],
          [32, 36],
          [40, 552],
        ]) {
      t.same(again.subarray(from, to), bytes.subarray(from, to), `${name} bytes ${from}..${to}`);
    }
  }
});

t.test('no bytes make the decoder throw', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat({ max: 8 }), (bytes, offset) => {
      decodeSync(bytes, Math.min(offset, bytes.length), Math.max(0, bytes.length - offset));
    }),
    { numRuns: 2000 },
  );
});
