import type { KnetReport } from '../../knet/effects.ts';
import type { LogLevel } from '../../lib/log.ts';

/** The core's reports as log lines, in libknet's words where it has some. */
export function reportText(report: KnetReport, policy: string): { level: LogLevel; text: string } {
  switch (report.kind) {
    case 'linkUp':
      return { level: 'info', text: `rx: host: ${report.nodeId} link: ${report.linkId} is up` };
    case 'linkDown': {
      const why = report.cause === 'timeout' ? '' : ` (${report.cause})`;
      return { level: 'info', text: `link: host: ${report.nodeId} link: ${report.linkId} is down${why}` };
    }
    case 'hostReachable':
      return report.reachable
        ? { level: 'info', text: `host: host: ${report.nodeId} is reachable` }
        : { level: 'warning', text: `host: host: ${report.nodeId} has no active links` };
    case 'hostDied': {
      const why = 'nobody listens at its address, and no PONG arrives';
      return { level: 'warning', text: `host: host: ${report.nodeId} has ended: ${why}` };
    }
    case 'hostSilent': {
      const what = report.silentMs < 0 ? 'is heard again' : `is silent for ${Math.round(report.silentMs)} ms`;
      return { level: 'debug', text: `host: host: ${report.nodeId} ${what}` };
    }
    case 'activeLink':
      return { level: 'info', text: `host: host: ${report.nodeId} (${policy}) best link: ${report.linkId}` };
    case 'peerRestarted':
      return { level: 'info', text: `rx: host: ${report.nodeId} has restarted` };
    case 'linkMtu': {
      const what = `host: ${report.nodeId} link: ${report.linkId}`;
      return { level: 'debug', text: `pmtud: PMTUD completed for ${what} current link mtu: ${report.mtu}` };
    }
    case 'dataMtu':
      return { level: 'info', text: `pmtud: Global data MTU changed to: ${report.to}` };
    case 'peersUseSlot':
      return { level: 'debug', text: `crypto: all hosts use index ${report.slot}` };
    case 'paused':
      return { level: 'warning', text: `heartbeat: the process was held up for ${report.ms} ms` };
  }
}
