import { counted } from '../lib/counted.ts';
import { ringIdText } from '../lib/ring-id.ts';
import { CFG_EXEC_CRYPTO_RECONFIGURE, CFG_EXEC_KILL_NODE } from '../services/codec/cfg.ts';
import {
  CPG_EXEC_DOWN_LIST,
  CPG_EXEC_JOIN,
  CPG_EXEC_MCAST,
  CPG_EXEC_PARTIAL_MCAST,
  decodeJoinList,
} from '../services/codec/cpg.ts';
import { CfgFn, CmapFn, CpgFn, PloadFn, ServiceId, SyncFn, VotequorumFn } from '../services/codec/ids.ts';
import { SYNC_BARRIER, SYNC_SERVICE_BUILD } from '../services/codec/sync.ts';
import { VQ_NODE_INFO, VQ_RECONFIGURE } from '../services/codec/votequorum.ts';
import { CONNECTIVITY_SERVICE_ID } from '../services/connectivity/messages.ts';

interface ServiceMessage {
  readonly service: string;
  readonly name: string;
  readonly text: string;
  readonly payload: boolean;
}

const HEADER_BYTES = 16;
const SYNC_GROUP = 'sync';
const SERVICES_GROUP = 'a';
const NAMES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  cmap: CmapFn,
  cfg: CfgFn,
  cpg: CpgFn,
  pload: PloadFn,
  votequorum: VotequorumFn,
};
const SERVICE_NAMES = new Map<number, string>([
  ...Object.entries(ServiceId).map(([name, id]) => [id, name.toLowerCase()] as const),
  [CONNECTIVITY_SERVICE_ID, 'connectivity'],
]);

/** What a message of a service says, in words. Names of others are in it as they came: whoever shows them escapes them. */
export function messageOfService(group: string, view: DataView, body: Uint8Array): ServiceMessage {
  if (group !== SYNC_GROUP && group !== SERVICES_GROUP)
    return {
      service: group,
      name: 'message',
      text: `${counted(body.length, 'byte')} to group ${group}`,
      payload: true,
    };
  if (body.length < HEADER_BYTES)
    return summary('?', 'short', `${counted(body.length, 'byte')}, too short for a message`);
  const id = view.getInt32(0, true);
  if (group === SYNC_GROUP) return syncText(id, body);
  const fn = id & 0xffff;
  const service = SERVICE_NAMES.get(id >>> 16) ?? `service ${id >>> 16}`;
  const names = NAMES[service] ?? {};
  const known = Object.keys(names).find((name) => names[name] === fn);
  const name = known === undefined ? `message ${fn}` : known.toLowerCase().replaceAll('_', ' ');
  const detail = detailText(id >>> 16, fn, body);
  const text = `${service} ${name}${detail === '' ? `, ${counted(body.length, 'byte')}` : `, ${detail}`}`;
  const payload =
    (id >>> 16 === ServiceId.CPG && (fn === CpgFn.MCAST || fn === CpgFn.PARTIAL_MCAST)) ||
    id >>> 16 === ServiceId.PLOAD;
  return { service, name, text, payload };
}

const summary = (service: string, name: string, text: string): ServiceMessage => ({
  service,
  name,
  text,
  payload: false,
});

function syncText(id: number, body: Uint8Array): ServiceMessage {
  const struct = id === SyncFn.BARRIER ? SYNC_BARRIER : id === SyncFn.SERVICE_BUILD ? SYNC_SERVICE_BUILD : null;
  const values = struct?.decode(body) ?? null;
  if (values === null) return summary('sync', 'damaged', `sync message ${id} that is too short`);
  const ring = ringIdText(values.ringId);
  return id === SyncFn.BARRIER
    ? summary('sync', 'barrier', `sync barrier of ring ${ring}`)
    : summary('sync', 'services', `synchronisation of ring ${ring} begins: services of this node`);
}

function detailText(service: number, fn: number, body: Uint8Array): string {
  if (service === ServiceId.CPG) return cpgText(fn, body);
  if (service === ServiceId.VOTEQUORUM && fn === VotequorumFn.NODE_INFO) {
    const info = VQ_NODE_INFO.decode(body);
    if (info === null) return 'cut off';
    const who = info.nodeId === 0 ? 'its quorum device' : `node ${info.nodeId}`;
    return `${who} has ${counted(info.votes, 'vote')}, expects ${info.expectedVotes}, flags ${info.flags.toString(2)}`;
  }
  if (service === ServiceId.VOTEQUORUM && fn === VotequorumFn.RECONFIGURE) {
    const change = VQ_RECONFIGURE.decode(body);
    return change === null
      ? 'cut off'
      : `${change.param === 1 ? 'expected votes' : `votes of node ${change.nodeId}`}: ${change.value}`;
  }
  if (service === ServiceId.CFG && fn === CfgFn.KILL_NODE) {
    const kill = CFG_EXEC_KILL_NODE.decode(body);
    return kill === null ? 'cut off' : `node ${kill.nodeId}`;
  }
  if (service === ServiceId.CFG && fn === CfgFn.CRYPTO_RECONFIGURE)
    return `phase ${CFG_EXEC_CRYPTO_RECONFIGURE.decode(body)?.phase ?? '?'}`;
  return '';
}

function cpgText(fn: number, body: Uint8Array): string {
  switch (fn) {
    case CpgFn.MCAST: {
      const message = CPG_EXEC_MCAST.decode(body);
      return message === null
        ? 'cut off'
        : `group ${quoted(message.group.bytes)}, process ${message.pid}, ${counted(message.messageBytes, 'byte')}`;
    }
    case CpgFn.PARTIAL_MCAST: {
      const message = CPG_EXEC_PARTIAL_MCAST.decode(body);
      return message === null
        ? 'cut off'
        : `group ${quoted(message.group.bytes)}, process ${message.pid}, ${message.fragmentBytes} of ${counted(message.messageBytes, 'byte')}`;
    }
    case CpgFn.JOIN:
    case CpgFn.LEAVE: {
      const change = CPG_EXEC_JOIN.decode(body);
      return change === null ? 'cut off' : `group ${quoted(change.group.bytes)}, process ${change.pid}`;
    }
    case CpgFn.DOWN_LIST: {
      const list = CPG_EXEC_DOWN_LIST.decode(body);
      if (list === null) return 'cut off';
      const nodes = list.nodeIds.slice(0, list.leftCount);
      return nodes.length === 0 ? 'no node has left' : `nodes that have left: ${nodes.join(' ')}`;
    }
    case CpgFn.JOIN_LIST: {
      const list = decodeJoinList(body);
      return list === null ? 'cut off' : `${counted(list.length, 'process', 'processes')} of this node`;
    }
    default:
      return '';
  }
}

const quoted = (name: Uint8Array): string => JSON.stringify(Buffer.from(name).toString('utf8'));
