import { CsError } from '../lib/errors.ts';
import { parseIp } from '../os/sockaddr.ts';
import type { CfgPorts } from '../services/cfg/ports.ts';
import type { LinkStatus } from '../transport/transport.ts';
import type { Daemon, DaemonParts } from './daemon.ts';
import { nodeReport, ringLinkReports } from './link-report.ts';

const AF_INET = 2;
const AF_INET6 = 10;

/** What the cfg engine asks of the daemon (services.md 8). */
export function cfgPorts(daemon: Daemon, parts: DaemonParts): CfgPorts {
  return {
    reloader: daemon.changes,
    ringLinks: async () => ringLinkReports(daemon.totem, await linkStatus(daemon)),
    nodeReport: async (nodeId) => nodeReport(daemon.totem, await linkStatus(daemon), daemon.members, nodeId),
    nodeAddresses: (nodeId) => {
      const member = daemon.totem.members.find((candidate) => candidate.nodeId === nodeId);
      if (member === undefined) return null;
      const addresses = member.addresses.flatMap((text) => {
        const bytes = text === null ? null : parseIp(text);
        return bytes === null ? [] : [bytes];
      });
      return { family: addresses[0]?.length === 16 ? AF_INET6 : AF_INET, addresses };
    },
    reopenLogs: () => {
      try {
        parts.reopenLogs();
        return CsError.OK;
      } catch {
        return CsError.FAILED_OPERATION;
      }
    },
    killed: () => daemon.killed(),
    shutdown: () => void daemon.stop('shut down by sysadmin'),
    reloadDone: () => daemon.sendToRing({ op: 'reloadDone' }),
  };
}

/** The ring thread's answer to the query `links`; `null` before the ring started. */
const linkStatus = async (daemon: Daemon): Promise<readonly LinkStatus[]> =>
  ((await daemon.query('links')) as readonly LinkStatus[] | null) ?? [];
