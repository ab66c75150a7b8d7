import { counted } from '../../lib/counted.ts';
import type { PageChange, PageMatrix, PageNode, PageState, SeenPair } from '../page-state.ts';
import { byId, html, renew, setText } from './elements.ts';
import { amount, clockTime, megabytes, milliseconds, span } from './words.ts';

const CHANGES_SHOWN = 5;
const LEVELS = ['low', 'good', 'high', 'critical'];

/** Everything but the ring and the plots. */
export function showPanels(state: PageState): void {
  showHead(state);
  showQuorum(state);
  showChanges(state);
  showLinks(state);
  showLocal(state);
}

function showHead({ node, quorum, ring, at }: PageState): void {
  const title = node.cluster === '' ? node.name : `${node.cluster} · ${node.name}`;
  setText(byId('title', HTMLElement), title);
  document.title = `${quorum.quorate ? '' : 'No quorum: '}${title} – Rondo`;
  const verdict = byId('verdict', HTMLElement);
  const [text, mood] = !ring.synchronised
    ? ['forming', 'wait']
    : quorum.quorate
      ? ['quorate', 'good']
      : ['no quorum', 'bad'];
  setText(verdict, text ?? '');
  verdict.setAttribute('data-state', mood ?? '');
  document.body.setAttribute('data-quorate', quorum.quorate ? 'yes' : 'no');
  const security = node.transport === 'knet' ? (node.encrypted ? ', encrypted' : ', not encrypted') : ', not encrypted';
  const facts = [
    `node ${node.id}`,
    `${node.transport}${security}`,
    `up ${span(at - node.startedAt)}`,
    `Rondo ${node.version}`,
  ];
  setText(byId('facts', HTMLElement), facts.join(' · '));
}

function showQuorum({ quorum }: PageState): void {
  const { total, expected, needed, words } = quorum;
  setText(byId('votes', HTMLElement), total === null ? (quorum.quorate ? 'yes' : 'no') : `${total}`);
  setText(
    byId('votes-of', HTMLElement),
    total === null ? '' : `of ${counted(expected ?? 0, 'vote')}, ${needed} needed`,
  );
  const bar = byId('vote-bar', HTMLElement);
  // More votes than can be told apart are shown as shares.
  const scale = Math.min(1, 60 / Math.max(1, expected ?? 0));
  const pieces = Math.round((expected ?? 0) * scale);
  renew(bar, `${total} ${expected} ${needed}`, () =>
    Array.from({ length: pieces }, (_, i) => {
      const here = i < Math.round((total ?? 0) * scale);
      const need = i < Math.round((needed ?? 0) * scale);
      return html('i', { class: `${here ? 'here' : ''} ${need ? 'needed' : ''}` });
    }),
  );
  renew(byId('quorum-words', HTMLElement), words.join('\n'), () => words.map((text) => html('li', {}, text)));
}

function showChanges(state: PageState): void {
  const { changes, phases } = state;
  const names = new Map(state.nodes.map(({ id, name }) => [id, name]));
  const name = (id: number): string => names.get(id) ?? `node ${id}`;
  renew(byId('changes', HTMLElement), JSON.stringify([changes.slice(0, CHANGES_SHOWN), [...names]]), () =>
    changes.length === 0
      ? [html('li', {}, 'No ring has formed yet.')]
      : changes.slice(0, CHANGES_SHOWN).map((change) => changeItem(change, name)),
  );
  const parts = phases.map(({ phase, ms }) => `${phase} ${milliseconds(ms)}`);
  setText(byId('phases', HTMLElement), parts.length === 0 ? '' : `The last one took ${parts.join(', ')}.`);
}

function changeItem(change: PageChange, name: (id: number) => string): HTMLElement {
  const list = (ids: readonly number[]): string => ids.map(name).join(', ');
  const what = html('span', { class: 'what' });
  if (change.left.length > 0) what.append(html('span', { class: 'left' }, `${list(change.left)} left`), ' ');
  if (change.joined.length > 0) what.append(html('span', { class: 'joined' }, `${list(change.joined)} joined`), ' ');
  if (change.left.length + change.joined.length === 0) what.append('the same members formed a new ring ');
  what.append(html('span', { class: 'quiet' }, `→ ${list(change.members)} · ring ${change.ring}`));
  if (change.why !== '') what.append(html('span', { class: 'why' }, change.why));
  const time = html('time', { datetime: new Date(change.at).toISOString() }, clockTime(change.at));
  return html('li', {}, time, what);
}

function showLinks({ links, nodes, node }: PageState): void {
  setText(byId('links-from', HTMLElement), `as ${node.name} sees them`);
  const columns = [...new Set(links.map(({ link }) => link))].sort((a, b) => a - b);
  const key = JSON.stringify([links.map((link) => [link, latency(link.latencyUs)]), nodes.map(({ name }) => name)]);
  renew(byId('links', HTMLElement), key, () => {
    const head = html(
      'tr',
      {},
      html('th', { scope: 'col' }, 'node'),
      ...columns.map((link) => html('th', { scope: 'col' }, `link ${link}`)),
    );
    const others = nodes.filter(({ local }) => !local);
    const rows = others.map(({ id, name }) => {
      const cells = columns.map((column) => {
        const link = links.find((one) => one.node === id && one.link === column);
        if (link === undefined) return html('td', { class: 'none' }, '–');
        const text = link.connected ? latency(link.latencyUs) : 'down';
        return html('td', { class: link.connected ? 'up' : 'down', title: link.address }, text);
      });
      return html('tr', {}, html('th', { scope: 'row' }, name), ...cells);
    });
    return [html('thead', {}, head), html('tbody', {}, ...rows)];
  });
}

/** Who (row) sees whom (column) how: only nodes that say so have a row. */
export function showMatrix({ matrix, faults }: PageMatrix, nodes: readonly PageNode[]): void {
  const names = new Map(nodes.map(({ id, name }) => [id, name]));
  const key = JSON.stringify([matrix.map((pair) => [pair, latency(pair.latencyUs)]), [...names], faults]);
  renew(byId('matrix', HTMLElement), key, () => {
    const nameOf = (id: number): string => names.get(id) ?? `node ${id}`;
    const ids = [...new Set(matrix.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
    const pairs = new Map<string, SeenPair[]>();
    for (const pair of matrix) {
      const place = `${pair.from} ${pair.to}`;
      pairs.set(place, [...(pairs.get(place) ?? []), pair]);
    }
    const head = html(
      'tr',
      {},
      html('th', { scope: 'col' }, 'sees'),
      ...ids.map((id) => html('th', { scope: 'col' }, nameOf(id))),
    );
    const rows = ids.map((from) => {
      const cells = ids.map((to) => {
        const both = pairs.get(`${from} ${to}`);
        if (both === undefined) return html('td', { class: 'none' }, from === to ? '–' : '?');
        const down = both.some(({ up }) => !up);
        return html('td', { class: down ? 'down' : 'up' }, both.map(pairText).join(', '));
      });
      return html('tr', {}, html('th', { scope: 'row' }, nameOf(from)), ...cells);
    });
    return [html('thead', {}, head), html('tbody', {}, ...rows)];
  });
  renew(byId('faults', HTMLElement), JSON.stringify(faults), () => faults.map((text) => html('li', {}, text)));
}

const pairText = ({ link, up, heard, latencyUs }: SeenPair): string =>
  `${link}: ${up ? latency(latencyUs) : heard ? 'down, heard' : 'down'}`;

const latency = (us: number | null): string =>
  us === null || us === 0 ? 'up' : milliseconds(Math.round(us / 10) / 100);

function showLocal({ queue, clients, pauses, memory, ring, sample, at }: PageState): void {
  const connections = clients.filter((client) => client.connections > 0);
  const waiting = clients.reduce((sum, client) => sum + client.waiting, 0);
  const pairs: readonly (readonly [string, string, boolean])[] = [
    [
      'Token',
      `timeout ${milliseconds(ring.tokenMs)}, here ${milliseconds(ring.silentMs)} ago`,
      (ring.silentMs ?? 0) > ring.tokenMs / 2,
    ],
    [
      'Send queue',
      `${LEVELS[queue.level] ?? '?'}, ${queue.used} of ${queue.size} packets${queue.stalled ? ', ring stalled' : ''}`,
      queue.level > 1 || queue.stalled,
    ],
    ['Sent again', `${amount(sample?.repeated ?? 0)} messages/s`, (sample?.repeated ?? 0) > 0],
    [
      'Clients',
      connections.map(({ service, connections: count }) => `${service} ${count}`).join(', ') || 'none',
      false,
    ],
    ['Events waiting', amount(waiting), waiting > 1000],
    [
      'Pauses',
      pauses.lastAt === null
        ? 'none'
        : `${pauses.count}, the last ${span(at - pauses.lastAt)} ago for ${milliseconds(pauses.lastMs)}`,
      pauses.lastAt !== null && at - pauses.lastAt < 60_000,
    ],
    ['Memory', megabytes(memory.resident), false],
  ];
  renew(byId('local', HTMLElement), JSON.stringify(pairs), () =>
    pairs.flatMap(([term, text, notable]) => [
      html('dt', {}, term),
      html('dd', notable ? { 'data-state': 'wait' } : {}, text),
    ]),
  );
}
