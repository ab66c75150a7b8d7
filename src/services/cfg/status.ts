import { CsError } from '../../lib/errors.ts';
import * as wire from '../codec/cfg.ts';
import type { CfgPorts, NodeReport, RingLinkReport } from './ports.ts';

/** Responses to the requests for links, nodes and addresses (services.md 8.3). */
export function ringStatusResponse(links: readonly RingLinkReport[]): Uint8Array {
  const response = wire.CFG_RING_STATUS_RESPONSE;
  const fits = links.every(
    ({ name, status }) => name.length < wire.RING_STATUS_NAME_BYTES && status.length < wire.RING_STATUS_TEXT_BYTES,
  );
  if (!fits || links.length > wire.RING_STATUS_INTERFACES_MAX) return response.message(CsError.NAME_TOO_LONG);
  return response.ok({
    interfaceCount: links.length,
    names: links.map(({ name }) => name),
    statuses: links.map(({ status }) => status),
  });
}

export function nodeStatusResponse(nodeId: number, version: number, report: NodeReport | null): Uint8Array {
  const failed = (status: number): Uint8Array =>
    wire.CFG_NODE_STATUS_ERROR.message(status, { version: wire.NODE_STATUS_VERSION });
  if (report === null) return failed(CsError.FAILED_OPERATION);
  if (version !== wire.NODE_STATUS_VERSION) return failed(CsError.NOT_SUPPORTED);
  const { reachable, remote, external, onwireMin, onwireMax, onwireVersion, links } = report;
  return wire.CFG_NODE_STATUS_RESPONSE.ok({
    version: wire.NODE_STATUS_VERSION,
    nodeId,
    reachable: reachable ? 1 : 0,
    remote: remote ? 1 : 0,
    external: external ? 1 : 0,
    onwireMin,
    onwireMax,
    onwireVersion,
    links: links.slice(0, 8),
  });
}

/** With an error the library still reads family and count: they are zero then (services.md T14). */
export function nodeAddressesResponse(nodeId: number, ports: CfgPorts): Uint8Array {
  const response = wire.CFG_NODE_ADDRESSES_RESPONSE;
  const found = ports.nodeAddresses(nodeId);
  if (found === null) return response.message(CsError.NOT_EXIST);
  const bytes = new Uint8Array(found.addresses.length * wire.NODE_ADDRESS_BYTES);
  found.addresses.forEach((address, at) => {
    bytes.set(address, at * wire.NODE_ADDRESS_BYTES);
  });
  return response.ok({ family: found.family, count: found.addresses.length }, bytes);
}
