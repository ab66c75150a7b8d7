import { connect } from 'node:net';
import { controlRequest, QDEVICE_SOCKET } from '../../arbiter/control-client.ts';
import type { Cmap } from '../../client/cmap.ts';
import { lookUpName } from '../../os/look-up-name.ts';
import { QNETD_PORT } from '../../qnet/ids.ts';
import type { ClusterStatus } from '../cluster.ts';
import type { ArbiterFacts, ServerProbe } from './arbiter.ts';

const ASK_MS_MAX = 2_000;
const PROBE_MS_MAX = 3_000;

/** The quorum device of this node and its arbiter; `null`: none is configured. */
export async function lookAtArbiter(cmap: Cmap, { votes }: ClusterStatus): Promise<ArbiterFacts | null> {
  const host = await cmap.getString('quorum.device.net.host');
  if (votes === null || host === null || (await cmap.getString('quorum.device.model')) !== 'net') return null;
  const port = Number((await cmap.getString('quorum.device.net.port')) ?? QNETD_PORT);
  const { device, totalVotes, quorum } = votes;
  const state = await deviceState();
  const isWell = state === 'absent' || (device.castsVote && state !== 'connecting');
  return {
    host,
    port,
    state,
    registered: device.registered,
    alive: device.alive,
    castsVote: device.castsVote,
    votes: device.votes,
    totalVotes,
    quorum,
    probe: isWell ? null : await probeServer(host, port),
  };
}

/** As the device says itself; stock's has the same words. */
async function deviceState(): Promise<ArbiterFacts['state']> {
  try {
    const { text } = await controlRequest(QDEVICE_SOCKET, 'status\n', { timeoutMs: ASK_MS_MAX });
    const [, state] = /^State:\s+(.+)$/m.exec(text) ?? [];
    if (state === undefined) return 'unseen';
    return state === 'Connected' ? 'connected' : 'connecting';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    return code === 'ENOENT' || code === 'ECONNREFUSED' ? 'absent' : 'unseen';
  }
}

const PROBE_ERRORS: Readonly<Record<string, ServerProbe>> = {
  ECONNREFUSED: 'refused',
  ENOTFOUND: 'unresolved',
  EAI_AGAIN: 'unresolved',
  ENETUNREACH: 'unreachable',
  EHOSTUNREACH: 'unreachable',
};

/** Whether somebody takes a connection there; it is closed at once. */
function probeServer(host: string, port: number): Promise<ServerProbe> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, lookup: lookUpName });
    const timer = setTimeout(() => end('silent'), PROBE_MS_MAX);
    const end = (probe: ServerProbe): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(probe);
    };
    socket.once('connect', () => end('listens'));
    socket.on('error', (error) => {
      const code = 'code' in error ? String(error.code) : '';
      end(PROBE_ERRORS[code] ?? 'silent');
    });
  });
}
