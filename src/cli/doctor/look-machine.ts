import { execFile } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import { bareMessage } from '../../client/errors.ts';
import { positionText } from '../../config/errors.ts';
import { configurationFingerprint } from '../../config/fingerprint.ts';
import { type LoadedConfiguration, type LoadResult, loadConfiguration } from '../../config/load.ts';
import type { TotemConfig } from '../../config/totem-config.ts';
import { clockIsSynchronised } from '../../os/adjtimex.ts';
import { hostAddresses } from '../../os/interfaces.ts';
import { checking } from '../checking-environment.ts';
import { parseRuleset, type Ruleset } from './firewall.ts';
import type { DaemonTraces, MachineFacts, WantedPort } from './preflight.ts';

const NFT_MS_MAX = 5_000;
const NFT_BYTES_MAX = 16 * 2 ** 20;
/** Bits of CapEff (capabilities(7)). */
const CAP_SYS_NICE = 23n;

export interface MachineLook {
  readonly facts: MachineFacts;
  /** Digest of the file's shared configuration; `null`: it cannot be used. */
  readonly fileConfiguration: string | null;
}

/** Looks at the file and the machine; changes nothing. */
export async function lookAtMachine(file: string, node: unknown, daemon: DaemonTraces): Promise<MachineLook> {
  const result = await loadConfiguration({ file }, { purpose: 'start', ...checking(node) });
  if (result.ok) result.key?.wipe();
  const totem = result.ok ? result.totem : null;
  const ports = totem === null ? [] : wantedPorts(totem);
  return {
    fileConfiguration: result.ok ? configurationFingerprint(result.map) : null,
    facts: {
      file,
      ...fileFacts(result),
      ports,
      peers: totem === null ? [] : peersOf(totem),
      netMtu: totem === null || totem.transport === 'knet' ? null : totem.netMtu,
      interfaces: totem === null ? [] : interfacesOf(totem),
      ruleset: await ruleset(),
      shm: shmFacts(),
      clockSynchronised: clockIsSynchronised(),
      realtime: result.ok ? realtimeFacts(result) : null,
      descriptors: descriptorLimit(),
      daemon,
      nodeVersion: process.versions.node,
    },
  };
}

function fileFacts(result: LoadResult): Pick<MachineFacts, 'errors' | 'warnings' | 'unresolved'> {
  const errors = result.ok
    ? []
    : result.errors.map((error) => ({
        text: bareMessage(error),
        hint: error.hint,
        isKey: error.code === 'RONDO_CONFIG_CRYPTO' && (error.key === undefined || /key/.test(error.key)),
      }));
  const warnings = result.warnings
    .filter(({ code }) => code !== 'unresolved')
    .map(({ position, message, hint, code }) => ({
      text: positionText(position) + message,
      hint,
      isKey: code === 'key-file-access',
    }));
  return { errors, warnings, unresolved: result.ok ? result.unresolved.map(({ text }) => text) : [] };
}

/** udp binds the port below as well. */
function wantedPorts(totem: TotemConfig): readonly WantedPort[] {
  const bound = boundUdpPorts();
  return totem.links.flatMap(({ linkId, bindAddress, port }) =>
    (totem.transport === 'udp' ? [port, port - 1] : [port]).map((number) => ({
      link: linkId,
      address: bindAddress,
      port: number,
      taken: bound.has(number),
    })),
  );
}

/** Ports of all UDP sockets of this network namespace, whatever their address. */
function boundUdpPorts(): ReadonlySet<number> {
  const ports = new Set<number>();
  for (const name of ['udp', 'udp6']) {
    for (const line of textOf(`/proc/net/${name}`).split('\n').slice(1)) {
      const local = line.trim().split(/\s+/)[1];
      if (local !== undefined) ports.add(Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16));
    }
  }
  return ports;
}

const peersOf = ({ nodeId, members }: TotemConfig): readonly string[] =>
  members
    .filter((member) => member.nodeId !== nodeId)
    .flatMap(({ addresses }) => addresses.filter((text) => text !== null));

function interfacesOf({ links }: TotemConfig): MachineFacts['interfaces'] {
  const all = hostAddresses();
  return links.flatMap(({ linkId, bindAddress }) => {
    const name = all.find(({ address }) => address === bindAddress)?.name.split(':')[0];
    const mtu = name === undefined ? Number.NaN : Number(textOf(`/sys/class/net/${name}/mtu`));
    return name === undefined || !(mtu > 0) ? [] : [{ link: linkId, name, mtu }];
  });
}

/** `null`: no nftables here, or no right to look. iptables of today writes into the same tables. */
function ruleset(): Promise<Ruleset | null> {
  return new Promise((resolve) => {
    const options = { timeout: NFT_MS_MAX, maxBuffer: NFT_BYTES_MAX };
    execFile('nft', ['-j', 'list', 'ruleset'], options, (error, stdout) =>
      resolve(error === null ? parseRuleset(stdout) : null),
    );
  });
}

function shmFacts(): MachineFacts['shm'] {
  try {
    const { bavail, bsize, blocks } = statfsSync('/dev/shm');
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    return null;
  }
}

function realtimeFacts({ map }: LoadedConfiguration): NonNullable<MachineFacts['realtime']> {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(textOf('/proc/self/status'))?.[1];
  const isCapable = capabilities !== undefined && ((BigInt(`0x${capabilities}`) >> CAP_SYS_NICE) & 1n) === 1n;
  const limit = limitOf('Max realtime priority');
  return { wanted: map.getString('system.sched_rr') !== 'no', permitted: isCapable || (limit !== null && limit > 0) };
}

const descriptorLimit = (): number | null => limitOf('Max open files');

/** The hard limit: the launcher raises the soft one to it. */
function limitOf(name: string): number | null {
  const line = textOf('/proc/self/limits')
    .split('\n')
    .find((text) => text.startsWith(name));
  const hard = line?.slice(name.length).trim().split(/\s+/)[1];
  if (hard === undefined) return null;
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
