import { CsError, type CsStatus } from '../../lib/errors.ts';
import { TrackFlag, VotequorumFn } from '../codec/ids.ts';
import * as wire from '../codec/votequorum.ts';
import { InfoFlag, NodeFlag, ReconfigureParam } from '../codec/votequorum.ts';
import type { EngineConnection, LibraryFunction, MainEngineContext } from '../engine.ts';
import type { VotequorumCore } from './core.ts';
import { encodeReconfigure } from './messages.ts';
import type { QuorumDevice } from './qdevice.ts';
import type { VotequorumTrackers } from './trackers.ts';

/** What the requests work on. */
export interface LibraryParts {
  readonly core: VotequorumCore;
  readonly device: QuorumDevice;
  readonly context: MainEngineContext;
  readonly trackers: VotequorumTrackers;
}

export const answerStatus = (connection: EngineConnection, status: CsStatus): void =>
  connection.respond(wire.VQ_STATUS_RESPONSE.message(status));

/** The requests of libvotequorum (services.md 7.9). `parts` is there once the engine has started. */
export function votequorumLibrary(parts: () => LibraryParts): readonly LibraryFunction[] {
  /** `null`: the answer comes later. */
  const fn = (
    name: string,
    requestBytesMin: number,
    run: (parts: LibraryParts, request: Uint8Array, connection: EngineConnection) => CsStatus | null,
  ): LibraryFunction => ({
    name,
    flowControl: false,
    requestBytesMin,
    handle: (connection, request) => {
      const status = run(parts(), request, connection);
      if (status !== null) answerStatus(connection, status);
    },
  });
  return [
    {
      name: 'get info',
      flowControl: false,
      requestBytesMin: wire.VQ_GET_INFO.bytes,
      handle: (connection, request) =>
        connection.respond(getInfo(parts(), wire.VQ_GET_INFO.decodeChecked(request).nodeId)),
    },
    fn('set expected', wire.VQ_SET_EXPECTED.bytes, (p, request) =>
      setExpected(p, wire.VQ_SET_EXPECTED.decodeChecked(request).expectedVotes),
    ),
    fn('set votes', wire.VQ_SET_VOTES.bytes, (p, request) => {
      const { nodeId, votes } = wire.VQ_SET_VOTES.decodeChecked(request);
      return setVotes(p, nodeId, votes);
    }),
    fn('track start', wire.VQ_TRACK_START.bytes, (p, request, connection) => {
      const { context, trackFlags } = wire.VQ_TRACK_START.decodeChecked(request);
      return trackStart(p, connection, context, trackFlags);
    }),
    fn('track stop', wire.VQ_TRACK_STOP.bytes, (p, _, connection) =>
      p.trackers.stop(connection) ? CsError.OK : CsError.NOT_EXIST,
    ),
    fn('qdevice register', wire.VQ_QDEVICE_REGISTER.bytes, (p, request, connection) =>
      p.device.register(connection, wire.VQ_QDEVICE_REGISTER.decodeChecked(request).name),
    ),
    fn('qdevice unregister', wire.VQ_QDEVICE_UNREGISTER.bytes, (p, request) =>
      p.device.unregister(wire.VQ_QDEVICE_UNREGISTER.decodeChecked(request).name),
    ),
    fn('qdevice update', wire.VQ_QDEVICE_UPDATE.bytes, (p, request) => {
      const { oldName, newName } = wire.VQ_QDEVICE_UPDATE.decodeChecked(request);
      return p.device.rename(oldName, newName);
    }),
    fn('qdevice poll', wire.VQ_QDEVICE_POLL.bytes, (p, request) => {
      const { name, castVote, ringId } = wire.VQ_QDEVICE_POLL.decodeChecked(request);
      return p.device.poll(name, castVote !== 0, ringId);
    }),
    fn('qdevice master wins', wire.VQ_QDEVICE_MASTER_WINS.bytes, (p, request) => {
      const { name, allow } = wire.VQ_QDEVICE_MASTER_WINS.decodeChecked(request);
      return p.device.setMasterWins(name, allow !== 0);
    }),
  ];
}

function getInfo({ core, device }: LibraryParts, nodeId: number): Uint8Array {
  const record = nodeId === 0 ? core.us : core.records.find(nodeId);
  const response = wire.VQ_GET_INFO_RESPONSE;
  if (record === undefined) return response.message(CsError.NOT_EXIST); // the whole length, zeroes (services.md T13)
  const members = core.records.members();
  const deviceVotes = record.has(NodeFlag.QDEVICE_CAST_VOTE) ? core.device.votes : 0;
  return response.ok({
    nodeId: record.nodeId,
    state: record.state,
    votes: record.votes,
    expectedVotes: record.expectedVotes,
    highestExpected: Math.max(0, ...members.map((member) => member.expectedVotes)),
    totalVotes: members.reduce((sum, member) => sum + member.votes, 0) + deviceVotes,
    quorum: core.quorum,
    flags: infoFlags(core, record.flags),
    qdeviceVotes: core.device.votes,
    qdeviceName: device.name,
  });
}

/** Six flags of this daemon, four of the node that was asked for (services.md 7.2). */
function infoFlags(core: VotequorumCore, recordFlags: number): number {
  const local: readonly (readonly [boolean, number])[] = [
    [core.twoNode, InfoFlag.TWO_NODE],
    [core.quorate, InfoFlag.QUORATE],
    [core.waitForAll, InfoFlag.WAIT_FOR_ALL],
    [core.lastManStanding, InfoFlag.LAST_MAN_STANDING],
    [core.tieBreaker.mode !== 'none', InfoFlag.AUTO_TIE_BREAKER],
    [core.allowDownscale, InfoFlag.ALLOW_DOWNSCALE],
  ];
  const ofRecord: readonly (readonly [number, number])[] = [
    [NodeFlag.QDEVICE_REGISTERED, InfoFlag.QDEVICE_REGISTERED],
    [NodeFlag.QDEVICE_ALIVE, InfoFlag.QDEVICE_ALIVE],
    [NodeFlag.QDEVICE_CAST_VOTE, InfoFlag.QDEVICE_CAST_VOTE],
    [NodeFlag.QDEVICE_MASTER_WINS, InfoFlag.QDEVICE_MASTER_WINS],
  ];
  let flags = 0;
  for (const [on, flag] of local) if (on) flags |= flag;
  for (const [from, to] of ofRecord) if ((recordFlags & from) !== 0) flags |= to;
  return flags;
}

function setExpected({ core, context }: LibraryParts, expectedVotes: number): CsStatus {
  const { quorum, total } = core.calculate(true, expectedVotes, false);
  if (expectedVotes < total || (core.quorate && quorum > total)) return CsError.INVALID_PARAM;
  core.setMembersExpectedVotes(expectedVotes);
  const message = encodeReconfigure(ReconfigureParam.EXPECTED_VOTES, core.us.nodeId, expectedVotes);
  return context.trySend(VotequorumFn.RECONFIGURE, message) ? CsError.OK : CsError.NO_RESOURCES;
}

function setVotes({ core, context }: LibraryParts, nodeId: number, votes: number): CsStatus {
  const record = core.records.find(nodeId);
  if (record === undefined) return CsError.NAME_NOT_FOUND;
  const saved = record.votes;
  record.votes = votes;
  const { quorum, total } = core.calculate(true, 0);
  if (quorum < Math.floor(total / 2) || quorum > total) {
    record.votes = saved;
    return CsError.INVALID_PARAM;
  }
  const message = encodeReconfigure(ReconfigureParam.NODE_VOTES, nodeId, votes);
  return context.trySend(VotequorumFn.RECONFIGURE, message) ? CsError.OK : CsError.NO_RESOURCES;
}

/** The current state is sent even if the call then fails. */
function trackStart(
  { trackers }: LibraryParts,
  connection: EngineConnection,
  context: bigint,
  flags: number,
): CsStatus {
  if ((flags & (TrackFlag.CURRENT | TrackFlag.CHANGES)) !== 0) trackers.sendCurrent(connection, context);
  if (trackers.has(connection)) return CsError.EXIST;
  if ((flags & (TrackFlag.CHANGES | TrackFlag.CHANGES_ONLY)) !== 0) trackers.start(connection, context);
  return CsError.OK;
}
