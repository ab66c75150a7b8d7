import { isIPv4, isIPv6 } from 'node:net';
import type { Icmap } from './icmap/index.ts';
import { readText } from './totem/settings.ts';

/** The virtual Ethernet device of this node (config-and-tools.md 1.5.10). */
export interface NozzleConfig {
  readonly name: string;
  /** Of this node: the host part is its id. */
  readonly address: string;
  readonly prefix: number;
  /** Of this node, as text; its last two bytes are the id. */
  readonly hardwareAddress: string;
}

export interface NozzleReading {
  /** `null`: no device. */
  readonly nozzle: NozzleConfig | null;
  /** Why there is none although the file has the section; `null`: nothing is wrong. */
  readonly problem: string | null;
}

const NAME = /^(?!\.{1,2}$)[\w.-]{1,15}$/;
const HARDWARE_ADDRESS = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i;
const Prefix = { MIN: 8, IPV4_MAX: 30, IPV6_MAX: 64 } as const;
/** Of a hardware address, what is in front of the node's id. */
const COMMON_CHARS = 12;

/** What `nozzle {}` asks for. Mistakes are reported and never fatal, as in stock. */
export function readNozzle(map: Icmap, nodeId: number): NozzleReading {
  const name = map.getString('nozzle.name');
  if (name === null) return { nozzle: null, problem: null };
  const address = map.getString('nozzle.ipaddr');
  const prefixText = map.getString('nozzle.ipprefix');
  const common = readText(map, 'nozzle', 'macaddr');
  if (!NAME.test(name)) return wrong(`Name of the nozzle device is not one of an interface '${name}'`);
  if (address === null) return wrong('No IP address supplied for Nozzle device');
  if (prefixText === null) return wrong('No prefix supplied for Nozzle IP address');
  if (!HARDWARE_ADDRESS.test(common) || (Number.parseInt(common.slice(0, 2), 16) & 1) !== 0)
    return wrong(`macaddr for nozzle device is not in the correct format '${common}'`);
  const prefix = Number.parseInt(prefixText, 10) || 0;
  const isV6 = address.includes('::');
  const max = isV6 ? Prefix.IPV6_MAX : Prefix.IPV4_MAX;
  if (prefix < Prefix.MIN || prefix > max)
    return wrong(`nozzle IP address prefix must be >= ${Prefix.MIN} and <= ${max} (got ${prefix})`);
  const own = isV6 ? ownIpv6(address, nodeId) : ownIpv4(address, prefix, nodeId);
  if (own === null) return wrong(`Failed to parse ${isV6 ? 'IPv6' : 'IPv4'} nozzle IP address`);
  const id = [nodeId >>> 8, nodeId & 0xff].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  const hardwareAddress = common.slice(0, COMMON_CHARS) + id;
  return { nozzle: { name, address: own, prefix, hardwareAddress }, problem: null };
}

const wrong = (problem: string): NozzleReading => ({ nozzle: null, problem });

function ownIpv6(network: string, nodeId: number): string | null {
  const address = `${network.slice(0, network.indexOf('::'))}::${nodeId.toString(16)}`;
  return isIPv6(address) ? address : null;
}

function ownIpv4(network: string, prefix: number, nodeId: number): string | null {
  if (!isIPv4(network)) return null;
  const bits = network.split('.').reduce((value, byte) => value * 256 + Number(byte), 0);
  const hosts = 2 ** (32 - prefix);
  const own = bits - (bits % hosts) + (nodeId % hosts);
  return [24, 16, 8, 0].map((shift) => (own >>> shift) & 0xff).join('.');
}
