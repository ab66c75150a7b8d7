import { CsError, type CsStatus } from '../../lib/errors.ts';
import { serve } from '../codec/call.ts';
import { TrackFlag } from '../codec/ids.ts';
import { tryMulticast } from '../codec/message.ts';
import * as wire from '../codec/votequorum.ts';
import { InfoFlag, NodeFlag, ReconfigureParam } from '../codec/votequorum.ts';
import type { CallHandler, EngineConnection, MainEngineContext } from '../engine.ts';
import type { VotequorumCore } from './core.ts';
import type { DeviceExtraInfo } from './extra-info.ts';
import type { QuorumDevice } from './qdevice.ts';
import { tally } from './summary.ts';
import type { VotequorumTrackers } from './trackers.ts';

/** What the requests work on. */
export interface LibraryParts {
  readonly core: VotequorumCore;
  readonly device: QuorumDevice;
  readonly context: MainEngineContext;
  readonly trackers: VotequorumTrackers;
  readonly extraInfo: DeviceExtraInfo;
}

export type VotequorumCall = keyof typeof wire.VOTEQUORUM_CALLS;

export const respondStatus = (connection: EngineConnection, status: CsStatus): void =>
  connection.respond(wire.VQ_STATUS_RESPONSE.message(status));

/** The requests of libvotequorum (services.md 7.9). */
export function votequorumCalls(parts: LibraryParts): Readonly<Record<VotequorumCall, CallHandler>> {
  const { device, trackers, extraInfo } = parts;
  return serve(wire.VOTEQUORUM_CALLS, {
    getInfo: ({ nodeId }) => getInfo(parts, nodeId),
    setExpected: ({ expectedVotes }) => setExpected(parts, expectedVotes),
    setVotes: ({ nodeId, votes }) => setVotes(parts, nodeId, votes),
    trackStart: ({ context, trackFlags }, connection) => trackStart(parts, connection, context, trackFlags),
    trackStop: (_, connection) => (trackers.stop(connection) ? CsError.OK : CsError.NOT_EXIST),
    qdeviceRegister: ({ name }, connection) => device.register(connection, name),
    qdeviceUnregister: ({ name }) => device.unregister(name, () => extraInfo.clear()),
    qdeviceUpdate: ({ oldName, newName }) => device.rename(oldName, newName),
    qdevicePoll: ({ name, castVote, ringId }) => device.poll(name, castVote !== 0, ringId),
    qdeviceMasterWins: ({ name, allow }) => device.setMasterWins(name, allow !== 0),
    setExtraInfo: ({ length }, connection, request) =>
      extraInfo.set(wire.VQ_SET_EXTRA_INFO.tailBytes(request, length), connection),
    getExtraInfo: ({ nodeId }, connection) => extraInfo.get(nodeId, connection),
  });
}

function getInfo({ core, device }: LibraryParts, nodeId: number): Uint8Array {
  const record = nodeId === 0 ? core.us : core.records.find(nodeId);
  const response = wire.VQ_GET_INFO_RESPONSE;
  if (record === undefined) return response.message(CsError.NOT_EXIST); // the whole length, zeroes (services.md T13)
  const { highestExpected, totalVotes } = tally(core, record);
  return response.ok({
    nodeId: record.nodeId,
    state: record.state,
    votes: record.votes,
    expectedVotes: record.expectedVotes,
    highestExpected,
    totalVotes,
    quorum: core.quorum,
    flags: infoFlags(core, record.flags),
    qdeviceVotes: core.device.votes,
    qdeviceName: device.name,
  });
}

/** Six flags of this daemon, five of the node that was asked for (services.md 7.2). */
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
    [NodeFlag.QDEVICE_EXTRA_INFO, InfoFlag.QDEVICE_HAS_EXTRA_INFO],
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
  const values = { param: ReconfigureParam.EXPECTED_VOTES, nodeId: core.us.nodeId, value: expectedVotes };
  return tryMulticast(context, wire.VQ_RECONFIGURE, values) ? CsError.OK : CsError.NO_RESOURCES;
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
  const values = { param: ReconfigureParam.NODE_VOTES, nodeId, value: votes };
  return tryMulticast(context, wire.VQ_RECONFIGURE, values) ? CsError.OK : CsError.NO_RESOURCES;
}

/** The current state is sent even if the call then fails. */
function trackStart(
  { trackers }: LibraryParts,
  connection: EngineConnection,
  context: bigint,
  flags: number,
): CsStatus {
  if ((flags & wire.TRACK_KNOWS_EXTRA_INFO) !== 0) trackers.knowsExtraInfo(connection);
  if ((flags & (TrackFlag.CURRENT | TrackFlag.CHANGES)) !== 0) trackers.sendCurrent(connection, context);
  if (trackers.has(connection)) return CsError.EXIST;
  if ((flags & (TrackFlag.CHANGES | TrackFlag.CHANGES_ONLY)) !== 0) trackers.start(connection, context);
  return CsError.OK;
}
