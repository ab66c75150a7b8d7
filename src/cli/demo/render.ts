import { printable } from '../../lib/printable.ts';
import { type DemoView, type NodeView, ringLabel } from './model.ts';

const ESC = '\u001b[';
const STYLE = {
  bold: `${ESC}1m`,
  dim: `${ESC}2m`,
  green: `${ESC}32m`,
  yellow: `${ESC}33m`,
  red: `${ESC}31m`,
  inverse: `${ESC}7m`,
  off: `${ESC}0m`,
};
type StyleName = Exclude<keyof typeof STYLE, 'off'>;

const styled = (style: StyleName, text: string): string => `${STYLE[style]}${text}${STYLE.off}`;

/** The whole screen as lines of at most `width` visible characters; `height` bounds the list of changes. */
export function renderView(view: DemoView, width: number, height: number): string[] {
  const top = [
    ...header(view, width),
    '',
    ...nodeTable(view),
    '',
    ...holders(view),
    '',
    messageLine(view),
    ` ${styled('bold', 'Page')}     ${view.page}   (and its /metrics)`,
    ` ${styled('bold', 'Programs')} ${view.usage}`,
    '',
    styled('bold', 'Last changes'),
  ];
  const bottom = ['', keyLine(view)];
  const room = Math.max(1, height - top.length - bottom.length - 1);
  const changes = view.changes
    .slice(-room)
    .map(({ timeMs, node, text }) => ` ${styled('dim', clock(timeMs))}  ${node.padEnd(6)} ${printable(text)}`);
  return [...top, ...changes, ...bottom].map((line) => clip(line, width));
}

function header(view: DemoView, width: number): string[] {
  const elapsed = duration(view.elapsedMs);
  const title = ` ${view.title}`;
  return [styled('inverse', `${title.padEnd(Math.max(0, width - elapsed.length - 1))}${elapsed} `)];
}

function nodeTable(view: DemoView): string[] {
  const head = `   ${'NODE'.padEnd(7)} ${'PROCESS'.padEnd(15)} ${'RING'.padEnd(9)} ${'MEMBERS'.padEnd(12)} ${'QUORUM'.padEnd(16)} ${'TOKENS/S'.padStart(9)} ${'MESSAGES/S'.padStart(11)}`;
  return [styled('bold', head), ...view.nodes.map((node, index) => nodeRow(node, index === view.selected))];
}

function nodeRow(node: NodeView, selected: boolean): string {
  const live = node.process === 'running' && node.ready;
  const processText =
    node.pid === null || node.process === 'stopped' || node.process === 'killed'
      ? node.process
      : `${node.process} ${node.pid}`;
  const style: StyleName = live ? 'green' : node.process === 'killed' || node.process === 'failed' ? 'red' : 'yellow';
  const cells = [
    node.name.padEnd(7),
    styled(style, processText.padEnd(15)),
    (live ? ringLabel(node.ringId) : '-').padEnd(9),
    (live ? node.members.join(' ') : '-').padEnd(12),
    quorumCell(node, live),
    (live ? node.tokensPerSec.toFixed(0) : '-').padStart(9),
    (live ? node.messagesPerSec.toFixed(0) : '-').padStart(11),
  ];
  return ` ${selected ? styled('bold', '>') : ' '} ${cells.join(' ')}`;
}

function quorumCell(node: NodeView, live: boolean): string {
  if (!live) return '-'.padEnd(16);
  const votes = node.votes === null ? '' : ` (${node.votes.totalVotes} of ${node.votes.expectedVotes})`;
  return styled(node.quorate ? 'green' : 'red', `${node.quorate ? 'yes' : 'no'}${votes}`.padEnd(16));
}

/** Who holds what: quorum, and the groups with their members, as the first node that is ready sees it. */
function holders(view: DemoView): string[] {
  const lines = [styled('bold', 'Who holds what')];
  const quorate = view.nodes.filter((node) => node.ready && node.quorate).map(({ name }) => name);
  lines.push(`   quorum   ${quorate.length === 0 ? 'nobody' : quorate.join(' ')}`);
  const witness = view.nodes.find(({ ready }) => ready);
  const groups = new Map<string, string[]>();
  for (const { group, nodeId, pid } of witness?.groups ?? []) {
    groups.set(group, [...(groups.get(group) ?? []), `${nodeId}.${pid}`]);
  }
  for (const [group, members] of groups) lines.push(`   group    "${printable(group)}": ${members.join(' ')}`);
  if (groups.size === 0) lines.push('   group    none');
  return lines;
}

function messageLine(view: DemoView): string {
  const delivered = view.nodes.map((node) => `${node.name} ${node.delivered}`).join(', ');
  const order = view.sameOrder ? styled('green', 'same order everywhere') : styled('red', 'DIFFERENT ORDER');
  return ` ${styled('bold', 'Messages')} sent ${view.sent}, delivered: ${delivered}: ${order}${view.load ? styled('yellow', '  load on') : ''}`;
}

function keyLine(view: DemoView): string {
  const keys = [
    `1-${view.nodes.length} select`,
    'k kill -9',
    's stop',
    'r restart',
    'm message',
    'l load on/off',
    'q quit',
  ];
  return styled('dim', ` ${keys.join(' · ')}`);
}

export function clock(timeMs: number): string {
  const date = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** Cuts at `width` visible characters; escape sequences have no width. */
export function clip(line: string, width: number): string {
  let visible = 0;
  let out = '';
  for (let at = 0; at < line.length; ) {
    if (line.startsWith(ESC, at)) {
      const end = line.indexOf('m', at);
      out += line.slice(at, end + 1);
      at = end + 1;
      continue;
    }
    if (visible < width) out += line[at];
    visible++;
    at++;
  }
  return out;
}
