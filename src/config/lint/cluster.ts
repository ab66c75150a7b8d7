import type { Position } from '../errors.ts';
import type { Icmap } from '../icmap/index.ts';
import type { ProgramLists } from '../options/option.ts';
import { readNodelist } from '../totem/nodelist.ts';
import type { TotemConfig } from '../totem-config.ts';
import type { Findings } from './findings.ts';

type Positions = ReadonlyMap<string, Position>;

/** Settings that pass every check and do not work well together. */
export function lintCluster(map: Icmap, totem: TotemConfig, positions: Positions, findings: Findings): void {
  for (const link of totem.links) {
    const { pingIntervalMs: interval, pingTimeoutMs: timeout } = link.knet;
    if (totem.transport !== 'knet' || interval < timeout) continue;
    const key = `totem.interface.${link.linkId}.knet_ping_interval`;
    const message = `Link ${link.linkId} pings every ${interval} ms but gives up after ${timeout} ms: it may never come up`;
    findings.add('ping', positions.get(key), key, message, 'Make knet_ping_timeout larger than knet_ping_interval');
  }
  lintAddresses(totem, map, positions, findings);
  if (
    map.getString('logging.to_logfile') !== null &&
    readsAsOn(map, 'logging.to_logfile') &&
    !map.has('logging.logfile')
  ) {
    const key = 'logging.to_logfile';
    findings.add('logfile', positions.get(key), key, 'to_logfile has no effect without logfile', 'Add logfile: PATH');
  }
  const priority = map.getString('system.priority');
  if (priority !== null && !/^([+-]?\d+|max|min)$/.test(priority)) {
    const key = 'system.priority';
    findings.add(
      'priority',
      positions.get(key),
      key,
      `Priority value ${priority} is invalid`,
      'Write a nice value, max or min',
    );
  }
  lintTransmit(map, totem, positions, findings);
  lintNext(totem, positions, findings);
  for (const { linkId } of totem.links) {
    const key = `totem.interface.${linkId}.knet_transport`;
    if (map.getString(key) !== 'sctp') continue;
    findings.add('sctp', positions.get(key), key, 'The daemon does not start with knet over SCTP', 'Use udp');
  }
}

function lintTransmit(map: Icmap, totem: TotemConfig, positions: Positions, findings: Findings): void {
  const key = 'system.transmit_threads';
  if (totem.transport === 'knet' || (map.getString(key) ?? '0') === '0') return;
  const message = `transmit_threads has no effect over ${totem.transport}: nothing is encrypted there`;
  findings.add('transmit', positions.get(key), key, message, 'Remove it, or use transport: knet');
}

/** What works with 3.1 and will not with the release after 3.1.10 (docs/compatibility.md). */
function lintNext(totem: TotemConfig, positions: Positions, findings: Findings): void {
  const { transport, crypto } = totem;
  const [key, what, hint] =
    transport !== 'knet'
      ? ([
          'totem.transport',
          `Transport ${transport} is plain text and is not part of`,
          'Change to transport: knet',
        ] as const)
      : ([
          'totem.crypto_cipher',
          `Without ${crypto.cipher === 'none' ? 'crypto_cipher' : 'crypto_hash'} this ring is not encrypted and not heard by`,
          'corosync-keygen, copy the key to all nodes, crypto_cipher: aes256 and crypto_hash: sha256 on all',
        ] as const);
  if (transport === 'knet' && crypto.cipher !== 'none' && crypto.hash !== 'none') return;
  findings.add('plain-text', positions.get(key), key, `${what} the next release of Corosync`, hint);
}

const readsAsOn = (map: Icmap, key: string): boolean => ['yes', 'on'].includes(map.getString(key) ?? '');

/** One address twice on a link: only one of the nodes can have it. */
function lintAddresses(totem: TotemConfig, map: Icmap, positions: Positions, findings: Findings): void {
  const owners = new Map<string, number>();
  for (const { nodeId, addresses } of totem.members) {
    for (const [linkId, address] of addresses.entries()) {
      if (address === null) continue;
      const place = `${linkId} ${address}`;
      const owner = owners.get(place);
      owners.set(place, nodeId);
      if (owner === undefined) continue;
      const node = readNodelist(map).find((entry) => entry.nodeId === nodeId);
      const key = node?.addressKeys.get(linkId);
      const message = `Address ${address} on link ${linkId} belongs to nodes ${owner} and ${nodeId}`;
      findings.add(
        'address',
        key === undefined ? undefined : positions.get(key),
        key,
        message,
        'Give every node its own',
      );
    }
  }
}

/**
 * The rules of votequorum that make the daemon refuse to start, or switch features off (config-and-tools.md 1.9). Stock
 * checks them only when the service starts.
 */
export function lintQuorum(map: Icmap, positions: Positions, lists: ProgramLists | null, findings: Findings): void {
  const provider = map.getString('quorum.provider');
  if (provider === null) return;
  const add = (key: string, message: string, hint: string): void =>
    findings.add('quorum', positions.get(key), key, message, hint);
  if (lists?.quorumProviders.includes(provider) === false) {
    add('quorum.provider', 'Invalid quorum provider: the daemon does not start', 'Write corosync_votequorum');
  }
  if (provider !== 'corosync_votequorum') return;
  const nodes = readNodelist(map);
  const votes = nodes.reduce((sum, { index }) => sum + (map.getU32(`nodelist.node.${index}.quorum_votes`) ?? 1), 0);
  const on = (key: string): boolean => (map.getU8(`quorum.${key}`) ?? 0) !== 0;
  const waitForAll = map.has('quorum.wait_for_all') ? on('wait_for_all') : on('two_node');
  const hasDevice = (map.getString('quorum.device.model') ?? '') !== '';
  if (on('two_node') && nodes.length > 2) {
    add('quorum.two_node', `two_node is set in a cluster of ${nodes.length} nodes`, 'Remove two_node');
  }
  if (on('two_node') && on('auto_tie_breaker')) {
    add('quorum.two_node', 'two_node and auto_tie_breaker: two_node is switched off', 'Remove one of them');
  }
  if (on('auto_tie_breaker') && !waitForAll && votes % 2 === 1) {
    const both = on('last_man_standing');
    const effect = both ? 'the daemon does not start' : 'auto_tie_breaker is switched off';
    add(
      'quorum.auto_tie_breaker',
      `auto_tie_breaker with an odd number of votes (${votes}): ${effect}`,
      'Add wait_for_all: 1, or remove auto_tie_breaker',
    );
  }
  if (on('last_man_standing') && votes !== nodes.length) {
    add(
      'quorum.last_man_standing',
      'last_man_standing is switched off when not all nodes have one vote',
      'Remove quorum_votes',
    );
  }
  if (hasDevice) lintDevice(map, nodes.length, votes, on, add);
  const expected = map.getU32('quorum.expected_votes') ?? 0;
  if (!hasDevice && expected !== 0 && expected !== votes) {
    add(
      'quorum.expected_votes',
      `expected_votes ${expected} differs from the ${votes} votes of the nodelist`,
      'Leave expected_votes out',
    );
  }
}

function lintDevice(
  map: Icmap,
  nodeCount: number,
  votes: number,
  on: (key: string) => boolean,
  add: (key: string, message: string, hint: string) => void,
): void {
  if (on('two_node')) {
    const message = 'two_node and quorum device cannot be configured at the same time: the daemon does not start';
    add('quorum.two_node', message, 'Remove two_node');
  }
  for (const key of ['last_man_standing', 'auto_tie_breaker', 'allow_downscale']) {
    if (!on(key)) continue;
    add(`quorum.${key}`, `quorum.device is not compatible with ${key}: the daemon does not start`, `Remove ${key}`);
  }
  const deviceVotes = map.getU32('quorum.device.votes');
  const expected = map.getU32('quorum.expected_votes') ?? 0;
  const key = 'quorum.device.votes';
  if (expected !== 0 && deviceVotes === null) {
    add(
      'quorum.expected_votes',
      'quorum.device.votes must be specified when quorum.expected_votes is set',
      'Remove expected_votes',
    );
  } else if (deviceVotes === null && nodeCount !== votes) {
    add(
      'quorum.device.model',
      'quorum.device.votes must be specified when not all nodes votes 1',
      'Add votes to the device',
    );
  } else if (expected !== 0 && expected - (deviceVotes ?? 0) < 2) {
    add(
      key,
      'quorum.device.votes is too high or expected_votes is too low: the daemon does not start',
      'Lower the votes of the device',
    );
  }
  if (map.getString('quorum.device.model') === 'net' && !map.has('quorum.device.net.host')) {
    add('quorum.device.model', 'Model net needs quorum.device.net.host', 'Add net { host: … }');
  }
}
