import { tieBreakerText } from './arbiter-status.ts';
import type { Device } from './device.ts';
import { ALGORITHM_TITLES, DecisionAlgorithm, HEURISTICS_NAMES, QnetNodeState, TLS_MODE_NAMES, Vote } from './ids.ts';
import { qnetRingText } from './messages.ts';

/** What a device's status shows besides what `Device` knows. Times are local, as `2026-01-31T12:00:00`; `null`: never. */
export interface DeviceFacts {
  readonly timeoutMs: number;
  readonly syncTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly voteTimerMs: number;
  readonly heuristicsMode: 'Disabled' | 'Enabled' | 'Enabled only on sync';
  readonly expectedVotes: number;
  readonly host: string;
  readonly port: number;
  readonly forcedIpVersion: number;
  readonly certificateSent: boolean;
  readonly lastPoll: string | null;
  readonly lastPollVote: boolean;
  readonly connectedSince: string | null;
  readonly lastEcho: string | null;
}

const STATES = {
  preinit: 'Connecting',
  init: 'Connecting',
  heuristics: 'Connecting',
  connecting: 'Connecting',
  connected: 'Connected',
  failed: 'Connect failed',
} as const;
const NODE_STATES: readonly string[] = ['not set', 'member', 'dead', 'leaving'];

/** `status` of the device's control socket, in stock's words (qnet.md 7). */
export function deviceStatusText(device: Device, facts: DeviceFacts, verbose: boolean): string {
  return [...ownLines(device, facts, verbose), '', ...netLines(device, facts, verbose)]
    .map((line) => `${line}\n`)
    .join('');
}

function ownLines(device: Device, facts: DeviceFacts, verbose: boolean): string[] {
  const lines = [
    'Qdevice information',
    '-------------------',
    'Model:\t\t\tNet',
    `Node ID:\t\t${device.settings.nodeId}`,
  ];
  if (verbose) lines.push(`HB interval:\t\t${facts.timeoutMs}ms`, `Sync HB interval:\t${facts.syncTimeoutMs}ms`);
  if (device.configVersion !== null) lines.push(`Configuration version:\t${device.configVersion}`);
  lines.push('Configured node list:');
  for (const [at, { nodeId, dataCenterId }] of device.configuration.entries())
    lines.push(`    ${at}\tNode ID = ${nodeId}${dataCenterId === 0 ? '' : `, Data center ID = ${dataCenterId}`}`);
  if (verbose) lines.push(`Heuristics:\t\t${facts.heuristicsMode}`, `Ring ID:\t\t${qnetRingText(device.ringId)}`);
  lines.push(`Membership node list:\t${device.members.join(', ')}`);
  if (!verbose) return lines;
  lines.push(`Quorate:\t\t${device.quorate ? 'Yes' : 'No'}`, 'Quorum node list:');
  for (const [at, { nodeId, state }] of device.quorumList.entries())
    if (nodeId !== 0)
      lines.push(`    ${at}\tNode ID = ${nodeId}, State = ${NODE_STATES[state ?? QnetNodeState.NOT_SET]}`);
  const poll = facts.lastPoll === null ? 'Never' : `${facts.lastPoll}${facts.lastPollVote ? ' (cast vote)' : ''}`;
  lines.push(`Expected votes:\t\t${facts.expectedVotes}`, `Last poll call:\t\t${poll}`);
  return lines;
}

function netLines(device: Device, facts: DeviceFacts, verbose: boolean): string[] {
  const { clusterName, algorithm, tieBreaker, heartbeatMs, tls } = device.settings;
  const lines = [
    'Qdevice-net information',
    '----------------------',
    `Cluster name:\t\t${clusterName}`,
    `QNetd host:\t\t${facts.host}:${facts.port}`,
  ];
  if (verbose && facts.forcedIpVersion !== 0) lines.push(`Force IP version:\t${facts.forcedIpVersion}`);
  if (verbose)
    lines.push(
      `Connect timeout:\t${facts.connectTimeoutMs}ms`,
      `HB interval:\t\t${heartbeatMs}ms`,
      `VQ vote timer interval:\t${facts.voteTimerMs}ms`,
      `TLS:\t\t\t${TLS_MODE_NAMES[tls]}`,
    );
  lines.push(`Algorithm:\t\t${ALGORITHM_TITLES[algorithm]}`, `Tie-breaker:\t\t${tieBreakerText(tieBreaker)}`);
  if (verbose) {
    const casts = device.votes && device.vote === Vote.ACK ? ' (cast vote)' : '';
    lines.push(`KAP Tie-breaker:\t${keepsText(device)}`, `Poll timer running:\t${device.votes ? 'Yes' : 'No'}${casts}`);
  }
  lines.push(`State:\t\t\t${STATES[device.state]}`);
  if (facts.heuristicsMode !== 'Disabled') lines.push(`Heuristics result:\t${heuristicsText(device, verbose)}`);
  if (!verbose || device.state !== 'connected') return lines;
  const certificate = device.usesTls && facts.certificateSent ? ' (client certificate sent)' : '';
  lines.push(`TLS active:\t\t${device.usesTls ? 'Yes' : 'No'}${certificate}`);
  if (facts.connectedSince !== null) lines.push(`Connected since:\t${facts.connectedSince}`);
  if (facts.lastEcho !== null) lines.push(`Echo reply received:\t${facts.lastEcho}`);
  return lines;
}

function keepsText({ settings, state, keepsActivePartitionKnown }: Device): string {
  if (settings.algorithm === DecisionAlgorithm.TEST) return 'Unsupported by algorithm';
  if (settings.algorithm !== DecisionAlgorithm.FFSPLIT) return 'Algorithm hard-coded';
  if (!settings.keepActivePartition) return 'Disabled';
  return state !== 'connected' || keepsActivePartitionKnown ? 'Enabled' : 'Unsupported by QNetd';
}

function heuristicsText(device: Device, verbose: boolean): string {
  const { heuristics, regularHeuristics, membershipHeuristics, connectHeuristics } = device;
  const name = (result: number): string => HEURISTICS_NAMES[result] ?? '';
  if (!verbose) return name(heuristics);
  const parts = `regular: ${name(regularHeuristics)}, membership: ${name(membershipHeuristics)}, connect: ${name(connectHeuristics)}`;
  return `${name(heuristics)} (${parts})`;
}

/** The same as an object for JSON. */
export function deviceStatusObject(device: Device, facts: DeviceFacts): object {
  const { settings, ringId, members, quorate, votes, vote } = device;
  return {
    nodeId: settings.nodeId,
    clusterName: settings.clusterName,
    server: { host: facts.host, port: facts.port, state: STATES[device.state], tls: device.usesTls },
    algorithm: ALGORITHM_TITLES[settings.algorithm],
    tieBreaker: tieBreakerText(settings.tieBreaker),
    keepsActivePartition: keepsText(device),
    ringId: qnetRingText(ringId),
    members,
    quorate,
    votes: votes ? vote === Vote.ACK : null,
    heuristics: { mode: facts.heuristicsMode, result: HEURISTICS_NAMES[device.heuristics] },
    lastPoll: facts.lastPoll,
    connectedSince: facts.connectedSince,
    lastEcho: facts.lastEcho,
  };
}
