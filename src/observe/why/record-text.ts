import { counted } from '../../lib/counted.ts';
import { gatherReasonWords } from '../../lib/gather-reason.ts';
import { QUORUM_RULES } from '../../lib/quorum-rule.ts';
import {
  END_CAUSES,
  FLIGHT_STATES,
  type FlightRecord,
  flightKindOf,
  LINK_CAUSES,
  LOSS_TIMERS,
  NEVER_HEARD_MS,
  PAUSE_NOTICED_BY,
} from '../flight/index.ts';
import { nodesText, serviceText, timeText } from './words.ts';

/** One record as one line; `null`: a detail that a story can do without. */
export function recordText(record: FlightRecord): string | null {
  switch (record.kind) {
    case 'start':
      return `daemon started: ${record.version}, pid ${record.pid}`;
    case 'end':
      return `daemon ended with status ${record.status}, ${END_CAUSES[record.cause] ?? '?'} ${record.reason}`.trimEnd();
    case 'reload':
      return record.ok === 1
        ? `configuration reloaded, keys changed: ${record.changed}`
        : `reload refused: ${record.error}`;
    case 'pause':
      return `did not run for ${timeText(record.ms)} (${PAUSE_NOTICED_BY[record.noticedBy] ?? '?'})`;
    case 'logLost':
      return `log lines lost: ${record.lines} (${record.destination})`;
    case 'omitted':
      return `${counted(record.count, 'record')} of the kind ${flightKindOf(record.code) ?? record.code} not recorded, too many at once`;
    case 'retransmissions':
      return `messages sent again: ${record.resent}, asked for: ${record.requested}`;
    case 'drops':
      return `dropped ${record.total}: ${record.reasons}`;
    case 'quorum': {
      const { quorate, votes, needed, expected, rule } = record;
      return `${quorate === 1 ? 'quorate' : 'NOT quorate'}: ${votes} of ${counted(expected, 'vote')}, ${needed} needed (${QUORUM_RULES[rule] ?? '?'})`;
    }
    case 'clientJoined':
      return `client ${record.name} (pid ${record.pid}, user ${record.uid}) came to ${serviceText(record.service)}`;
    case 'clientEnded':
      return `client ${record.name} (pid ${record.pid}) of ${serviceText(record.service)} ended`;
    case 'timings':
      return null;
    default:
      return ringRecordText(record);
  }
}

type RingRecord = Exclude<
  FlightRecord,
  {
    kind:
      | 'start'
      | 'end'
      | 'reload'
      | 'pause'
      | 'logLost'
      | 'omitted'
      | 'retransmissions'
      | 'drops'
      | 'quorum'
      | 'clientJoined'
      | 'clientEnded'
      | 'timings';
  }
>;

function ringRecordText(record: RingRecord): string | null {
  switch (record.kind) {
    case 'gather': {
      const who = record.node > 0 ? ` (node ${record.node})` : '';
      return `GATHER from ${FLIGHT_STATES[record.from]?.toUpperCase() ?? '?'}: ${gatherReasonWords(record.reason)}${who}`;
    }
    case 'heard':
      return `last heard: ${record.nodes.map((node, i) => `node ${node} on link ${record.links[i]} ${agoText(record.silentMs[i])}`).join(', ')}`;
    case 'tokenLost':
      return `token lost after ${timeText(record.silentMs)} (${LOSS_TIMERS[record.timer] ?? '?'})`;
    case 'tokenWarning':
      return `no token for ${timeText(record.silentMs)}`;
    case 'consensusTimeout':
      return `consensus timeout: ${nodesText(record.missing)} did not agree`;
    case 'commit':
      return 'COMMIT';
    case 'recovery':
      return `RECOVERY, together with ${record.transitional.length === 0 ? 'nobody' : nodesText(record.transitional)}`;
    case 'recoverMessages':
      return `sends ${counted(record.count, 'message')} of the old ring again`;
    case 'operational':
      return `OPERATIONAL: joined ${record.joined.join(' ') || '-'}, left ${record.left.join(' ') || '-'}`;
    case 'leave':
      return `node ${record.node} took its leave`;
    case 'memberDied':
      return `the process of node ${record.node} has ended`;
    case 'membersSilent':
      return `all others agree that ${nodesText(record.nodes)} is silent`;
    case 'failedToReceive':
      return 'FAILED TO RECEIVE';
    case 'ringSeqWait':
      return 'waits for a ring sequence to be on disk';
    case 'firewallSuspected':
      return 'gathers all the time: a firewall?';
    case 'stranger':
      return `packets of another kind: ${record.detail}`;
    default:
      return stepText(record);
  }
}

type StepRecord = Exclude<
  RingRecord,
  {
    kind:
      | 'gather'
      | 'heard'
      | 'tokenLost'
      | 'tokenWarning'
      | 'consensusTimeout'
      | 'commit'
      | 'recovery'
      | 'recoverMessages'
      | 'operational'
      | 'leave'
      | 'memberDied'
      | 'failedToReceive'
      | 'membersSilent'
      | 'ringSeqWait'
      | 'firewallSuspected'
      | 'stranger';
  }
>;

function stepText(record: StepRecord): string | null {
  switch (record.kind) {
    case 'interface':
      return `interface of link ${record.link} ${record.up === 1 ? 'up' : 'down'}`;
    case 'synced':
      return `${serviceText(record.service)} in step: ${timeText(record.processMs)} own work, ${timeText(record.barrierMs)} for the others`;
    case 'syncDone':
      return `services in step after ${timeText(record.totalMs)}`;
    case 'syncAborted':
      return `synchronization ended without result after ${timeText(record.ms)}`;
    case 'syncLate':
      return `synchronization of ${serviceText(record.service)} waits for ${nodesText(record.waitingFor)} since ${timeText(record.ms)}`;
    case 'link': {
      const why = record.up === 1 || record.cause === 0 ? '' : ` (${LINK_CAUSES[record.cause] ?? '?'})`;
      return `link ${record.link} to node ${record.node} ${record.up === 1 ? 'up' : 'down'}${why}`;
    }
    case 'host':
      return `node ${record.node} ${record.reachable === 1 ? 'reachable' : 'has no link that is up'}`;
    case 'peerRestarted':
      return `node ${record.node} has restarted`;
    case 'dataMtu':
      return `data MTU ${record.from} → ${record.to}`;
    case 'activeLink':
    case 'linkMtu':
      return null;
  }
}

const agoText = (silentMs: number | undefined): string =>
  silentMs === undefined || silentMs === NEVER_HEARD_MS
    ? 'never'
    : silentMs < 1
      ? 'just now'
      : `${timeText(silentMs)} ago`;
