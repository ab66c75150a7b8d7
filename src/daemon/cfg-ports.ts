import { CsError } from '../lib/errors.ts';
import { parseIp } from '../os/sockaddr.ts';
import type { CfgPorts, NodeReport, RingLinkReport } from '../services/cfg/ports.ts';
import type { Daemon, DaemonParts } from './daemon.ts';
import { makeReloader } from './reloader.ts';

const AF_INET = 2;
const AF_INET6 = 10;

/** What the cfg engine asks of the daemon (services.md 8). */
export function cfgPorts(daemon: Daemon, parts: DaemonParts): CfgPorts {
  return {
    reloader: makeReloader(daemon, parts),
    ringLinks: async () => (await linkReport(daemon)).links,
    nodeReport: async (nodeId) => (await linkReport(daemon)).nodes[String(nodeId)] ?? null,
    nodeAddresses: (nodeId) => {
      const member = daemon.totem.members.find((candidate) => candidate.nodeId === nodeId);
      if (member === undefined) return null;
      const addresses = member.addresses.flatMap((text) => {
        const bytes = text === null ? null : parseIp(text);
        return bytes === null ? [] : [bytes];
      });
      return { family: addresses[0]?.length === 16 ? AF_INET6 : AF_INET, addresses };
    },
    reopenLogs: async () => {
      try {
        await parts.reopenLogs();
        return CsError.OK;
      } catch {
        return CsError.FAILED_OPERATION;
      }
    },
    killed: () => daemon.killed(),
    shutdown: () => void daemon.stop('shut down by sysadmin'),
    cryptoPhase: (phase) => daemon.sendToRing({ op: 'cryptoPhase', phase }),
  };
}

/** What the ring thread answers to the query `links`. */
export interface LinkReport {
  readonly links: readonly RingLinkReport[];
  /** By node id. */
  readonly nodes: Readonly<Record<string, NodeReport>>;
}

const linkReport = async (daemon: Daemon): Promise<LinkReport> => (await daemon.query('links')) as LinkReport;
