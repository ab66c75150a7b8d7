import { counted } from '../../lib/counted.ts';
import { printable } from '../../lib/printable.ts';
import { timeText } from '../../observe/why/words.ts';
import { table } from '../output.ts';
import { SORT_KEYS, type SortKey, type TopView } from './view.ts';

const ESC = '\u001b[';
const STYLE = { bold: `${ESC}1m`, red: `${ESC}31m`, green: `${ESC}32m`, inverse: `${ESC}7m` } as const;
const OFF = `${ESC}0m`;
const KIB = 1024;

export interface RenderOptions {
  /** Characters of a line, and lines; `null`: no terminal, nothing is cut. */
  readonly size: { readonly width: number; readonly height: number } | null;
  readonly colour: boolean;
  readonly sort: SortKey;
  /** Last line: what the keys do. */
  readonly keys: boolean;
}

/** The screen as lines. Names come from others: nothing but our own styles moves anything. */
export function renderTop(view: TopView, { size, colour, sort, keys }: RenderOptions): string[] {
  const styled = (style: keyof typeof STYLE, text: string): string => (colour ? `${STYLE[style]}${text}${OFF}` : text);
  const cut = (text: string): string => (size === null || text.length <= size.width ? text : text.slice(0, size.width));
  const head = [
    `Quorum ${view.quorate ? 'yes' : 'NO'}   members ${view.members.join(' ')} (${view.members.length} of ${view.configured})`,
    `Token  ${whole(view.tokens)}/s, ${view.rotationMs} ms between two; lost ${counted(view.tokensLost, 'time')}`,
    `Ring   sent ${whole(view.sent)}/s, received ${whole(view.received)}/s, again ${whole(view.retransmitted)}/s`,
  ];
  const links = table(
    ['LINK', 'NODE', 'STATE', 'LATENCY', 'OUT', 'IN', 'DOWNS'],
    view.links.map(({ link, peerId, up, latencyUs, sentBytes, receivedBytes, downs }) => [
      link,
      peerId,
      up ? 'up' : 'DOWN',
      latencyUs === 0 ? '-' : timeText(latencyUs / 1000),
      bytes(sentBytes),
      bytes(receivedBytes),
      downs,
    ]),
  );
  const clients = table(
    ['PID', 'SERVICE', 'REQUESTS/S', 'EVENTS/S', 'WAITING', 'NAME'],
    view.clients.map(({ pid, service, requests, events, waiting, name }) => [
      pid,
      service,
      Number(whole(requests)),
      Number(whole(events)),
      waiting,
      printable(name),
    ]),
  );
  const lines = [
    styled(view.quorate ? 'green' : 'red', cut(head[0]!)),
    ...head.slice(1).map(cut),
    ...(view.links.length === 0
      ? []
      : ['', styled('bold', cut(links[0]!)), ...links.slice(1).map((line) => stateLine(cut(line), styled))]),
    '',
    styled('inverse', cut(clients[0]!)),
    ...clients.slice(1).map(cut),
  ];
  const foot = keys ? [cut(keyLine(sort))] : [];
  if (size === null) return [...lines, ...foot];
  return [...lines.slice(0, Math.max(1, size.height - foot.length - 1)), ...foot];
}

const stateLine = (line: string, styled: (style: keyof typeof STYLE, text: string) => string): string =>
  / DOWN /.test(`${line} `) ? styled('red', line) : line;

const whole = (value: number): string => value.toFixed(0);

function bytes(perSecond: number): string {
  if (perSecond < KIB) return `${whole(perSecond)} B/s`;
  return perSecond < KIB * KIB ? `${whole(perSecond / KIB)} KiB/s` : `${(perSecond / KIB / KIB).toFixed(1)} MiB/s`;
}

function keyLine(sort: SortKey): string {
  const keys = Object.entries(SORT_KEYS).map(([key, name]) => (name === sort ? `[${key} ${name}]` : `${key} ${name}`));
  return `sort by: ${keys.join('  ')}   q end`;
}
