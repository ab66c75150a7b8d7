import { addressText } from '../../client/address.ts';
import { CFG_CALLS, NODE_ADDRESS_BYTES } from '../../services/codec/cfg.ts';
import type { Service } from './tool.ts';

/** The addresses of a node's links, or the status of a failure. */
export async function nodeAddresses(cfg: Service, nodeId: number): Promise<readonly string[] | number> {
  const reply = await cfg.call(CFG_CALLS.nodeAddresses, { nodeId });
  if (typeof reply === 'number') return reply;
  const { family, count } = reply.values;
  const bytes = reply.tailBytes(count * NODE_ADDRESS_BYTES);
  return Array.from({ length: count }, (_, index) =>
    addressText(family, bytes.subarray(index * NODE_ADDRESS_BYTES, (index + 1) * NODE_ADDRESS_BYTES)),
  );
}
