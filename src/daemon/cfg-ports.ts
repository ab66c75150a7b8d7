import type { RingQuery } from '../bridge/messages.ts';
import { CsError } from '../lib/errors.ts';
import { parseIp } from '../os/sockaddr.ts';
import type { CfgPorts, Reloader, RingLinkReport } from '../services/cfg/ports.ts';
import type { LinkStatus } from '../transport/transport.ts';
import type { ConfigurationInForce } from './configuration-in-force.ts';
import { nodeReport, ringLinkReports } from './link-report.ts';

const AF_INET = 2;
const AF_INET6 = 10;

/** What the responses to the cfg engine are made of. */
export interface CfgNeeds {
  readonly reloader: Reloader;
  readonly inForce: Pick<ConfigurationInForce, 'totem' | 'members'>;
  /** Asks the ring thread. */
  query(what: RingQuery): Promise<unknown>;
  reopenLogs(): void;
  killed(): void;
  shutdown(reason: string): void;
  holdRing(what: string): () => void;
  reloadDone(): void;
}

/** What the cfg engine asks of the daemon (services.md 8). */
export function cfgPorts(needs: CfgNeeds): CfgPorts {
  const { inForce } = needs;
  let latest: { readonly links: readonly LinkStatus[]; readonly reports: readonly RingLinkReport[] } | null = null;
  /** The ring thread resolves many questions at once: so does this. */
  const reportsOf = (links: readonly LinkStatus[]): readonly RingLinkReport[] => {
    if (latest?.links !== links) latest = { links, reports: ringLinkReports(inForce.totem, links) };
    return latest.reports;
  };
  return {
    reloader: needs.reloader,
    ringLinks: async () => reportsOf(await linkStatus(needs)),
    nodeReport: async (nodeId) => nodeReport(inForce.totem, await linkStatus(needs), inForce.members, nodeId),
    nodeAddresses: (nodeId) => {
      const member = inForce.totem.members.find((candidate) => candidate.nodeId === nodeId);
      if (member === undefined) return null;
      const addresses = member.addresses.flatMap((text) => {
        const bytes = text === null ? null : parseIp(text);
        return bytes === null ? [] : [bytes];
      });
      return { family: addresses[0]?.length === 16 ? AF_INET6 : AF_INET, addresses };
    },
    reopenLogs: () => {
      try {
        needs.reopenLogs();
        return CsError.OK;
      } catch {
        return CsError.FAILED_OPERATION;
      }
    },
    killed: () => needs.killed(),
    shutdown: () => needs.shutdown('shut down by sysadmin'),
    holdRing: (what) => needs.holdRing(what),
    reloadDone: () => needs.reloadDone(),
  };
}

/** The ring thread's result of the query `links`; `null` before the ring started. */
const linkStatus = async (needs: Pick<CfgNeeds, 'query'>): Promise<readonly LinkStatus[]> =>
  ((await needs.query('links')) as readonly LinkStatus[] | null) ?? [];
