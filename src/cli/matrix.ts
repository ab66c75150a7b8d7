import { type ConnectivityView, connectivityFaults, faultText, type SeenLink } from '../lib/connectivity.ts';
import { timeText } from '../observe/why/words.ts';
import { table } from './output.ts';

/** One link in a cell: its number and state, latency where it is known. `deaf`: down, and nothing is heard. */
function cell(links: readonly SeenLink[]): string {
  if (links.length === 0) return '?';
  return links
    .map(({ link, up, heard, latencyUs }) => {
      if (!up) return `${link}:${heard ? 'DOWN' : 'DEAF'}`;
      return latencyUs === 0 ? `${link}:up` : `${link}:up ${timeText(latencyUs / 1000)}`;
    })
    .join(', ');
}

/** Who (row) sees whom (column) how, and what is wrong about that. */
export function matrixLines(views: readonly ConnectivityView[]): readonly string[] {
  const ids = [...new Set(views.flatMap(({ nodeId, links }) => [nodeId, ...links.map(({ peerId }) => peerId)]))];
  ids.sort((a, b) => a - b);
  const byNode = new Map(views.map((view) => [view.nodeId, view]));
  const rows = ids.map((from) => [
    from,
    ...ids.map((to) => {
      const view = byNode.get(from);
      if (from === to) return '-';
      return cell((view?.links ?? []).filter(({ peerId }) => peerId === to).sort((a, b) => a.link - b.link));
    }),
  ]);
  const faults = connectivityFaults(views).map((fault) => `! ${faultText(fault)}`);
  return [
    ...table(['SEES', ...ids.map(String)], rows),
    '',
    ...(faults.length > 0 ? faults : ['No pair of nodes sees its links differently, and none is down.']),
  ];
}
