import { counted } from '../../lib/counted.ts';
import { gatherReasonWords } from '../../lib/gather-reason.ts';
import { ringIdText } from '../../lib/ring-id.ts';
import type { ChangeCause, DaemonLife, LastHeard, LinkNews, MembershipChange, OwnPause } from './change.ts';
import { capital, clockText, listText, nodesText, serviceText, timeText } from './words.ts';

/** How nodes are called in a sentence. */
type NodesText = (nodes: readonly number[]) => string;

/** A pause of this share of the token timeout explains that a ring was lost. */
const PAUSE_SHARE = 0.4;

/** One paragraph: a heading, and a line for each thing that there is to say. `latest`: no change came after it. */
export function changeLines(change: MembershipChange, latest = true): readonly string[] {
  const sentences = [
    because(change),
    silenceOf(change),
    deadlineOf(change),
    pauseOf(change),
    linksOf(change, nodesText),
    phasesOf(change, latest),
    quorumOf(change),
  ];
  return [heading(change), ...sentences.filter((text) => text !== '').map((text) => `  ${text}`)];
}

function heading(change: MembershipChange): string {
  const { wallMs, from, to, members, joined, left, wentOnWithout } = change;
  const when = clockText(wallMs);
  if (to === null) return `${when}  no ring has formed since: ring ${ringIdText(from)} was given up`;
  const news = [
    left.length > 0 ? `${nodesText(left)} left` : '',
    joined.length > 0 ? `${nodesText(joined)} joined` : '',
    wentOnWithout.length > 0 ? `${nodesText(wentOnWithout)} had gone on without this node` : '',
  ].filter((text) => text !== '');
  const what = news.length === 0 ? 'the same members' : listText(news);
  return `${when}  ring ${ringIdText(to)}: ${what}. Members: ${members.join(' ')}`;
}

/**
 * The same in a sentence or two, for a list of changes: what made it, and what of this node and its links goes with that. `name`: what a node is
 * called.
 */
export function causeSentences(change: MembershipChange, name: (nodeId: number) => string): string {
  const { cause, links, left, phases } = change;
  const nodes: NodesText = (ids) => listText(ids.map(name));
  // A process that ended takes its links along: they say nothing more; nor do links to those who were not lost now.
  const ended = cause.kind === 'died' || cause.kind === 'leave' ? cause.node : 0;
  const relevant = links.filter(({ node, up }) => !up && node !== ended && (left.length === 0 || left.includes(node)));
  const sentences = [
    capital(causeText(change, nodes)),
    change.pauses.length > 0 ? pauseOf(change) : '',
    linksOf({ ...change, links: relevant, linksDown: [] }, nodes),
    phases.rounds > 2 ? `Agreed after ${phases.rounds} rounds.` : '',
  ];
  return sentences.filter((text) => text !== '').join(' ');
}

function because(change: MembershipChange): string {
  const { before, from } = change;
  return `Why: ${causeText(change, nodesText)}${before.length > 0 ? ` Until then ring ${ringIdText(from)} had ${nodesText(before)}.` : ''}`;
}

function causeText({ cause, left, joined }: MembershipChange, nodes: NodesText): string {
  switch (cause.kind) {
    case 'tokenLost':
      return lossText(cause);
    case 'leave':
      return `${nodes([cause.node])} took its leave: it was stopped in order.`;
    case 'died':
      return `the process of ${nodes([cause.node])} ended while its host lives: its kernel says that nobody listens there, and PINGs got no PONG.`;
    case 'silent':
      return `${nodes(cause.nodes)} replied to no PING on any link, to no member that replies itself: they agreed to go on before the token timeout.`;
    case 'join':
      return `${nodes([cause.node])} asked to join.`;
    case 'gaveUp':
      return `${nodes([cause.node])} had given the ring up${left.length > 0 && joined.length === 0 ? `, without ${nodes(left)},` : ''} before this node did, and its JOIN arrived.`;
    case 'otherRing':
      return `a message of ${nodes([cause.node])} arrived, which is in another ring: the two become one.`;
    case 'failedToReceive':
      return 'this node did not get messages that the others have (fail_recv_const), so it forms a ring of its own first.';
    case 'start':
      return 'this daemon started.';
    case 'interface':
      return 'a network interface of this node came or went.';
    case 'other':
      return `${cause.reason < 0 ? 'an agreement was complete on the spot' : gatherReasonWords(cause.reason)}.`;
  }
}

function lossText({ timer, silentMs, timeoutMs }: Extract<ChangeCause, { kind: 'tokenLost' }>): string {
  if (timer === 'forced') return 'an operator, or a change of keys, made the ring form anew.';
  const which = timer === 'heartbeat' ? 'the heartbeat timer (heartbeat_failures_allowed)' : 'the token timer';
  return `no token came for ${timeText(silentMs)}; ${which} decided (token timeout ${timeText(timeoutMs)}).`;
}

/** Why a node left, in a few sentences: what made it, and for how long it had been silent by then. */
export function departureSentences(change: MembershipChange, node: number): string {
  const silence = silenceText(change, node);
  const sentences = [
    causeSentences(change, (nodeId) => `node ${nodeId}`),
    silence === null ? '' : `${capital(silence)}.`,
  ];
  return sentences.filter((text) => text !== '').join(' ');
}

function silenceText({ heard }: MembershipChange, node: number): string | null {
  const own = heard.filter((entry) => entry.node === node);
  return own.length === 0 ? null : `node ${node} had been silent ${listText(own.map(lastHeard))}`;
}

function silenceOf(change: MembershipChange): string {
  const { heard, left, takenForDead, members } = change;
  const gone = [...new Set([...left, ...takenForDead])];
  const silent = gone.map((node) => silenceText(change, node)).filter((text) => text !== null);
  const others = heard.filter(
    ({ node, silentMs }) => members.includes(node) && !gone.includes(node) && silentMs !== null,
  );
  if (silent.length === 0) return '';
  const rest =
    others.length === 0
      ? ''
      : `; the others were heard within ${timeText(Math.max(1, ...bestOf(others).map(({ silentMs }) => silentMs ?? 0)))}`;
  return `${capital(listText(silent))}${rest}.`;
}

/** Of each node the link on which it was heard last. */
function bestOf(heard: readonly LastHeard[]): readonly LastHeard[] {
  const best = new Map<number, LastHeard>();
  for (const entry of heard) {
    const known = best.get(entry.node);
    if (known === undefined || (entry.silentMs ?? 0) < (known.silentMs ?? 0)) best.set(entry.node, entry);
  }
  return [...best.values()];
}

function lastHeard({ link, silentMs, up }: LastHeard): string {
  const state = up ? 'up' : 'down';
  const since = silentMs === null ? 'since this daemon runs' : `for ${timeText(silentMs)}`;
  return `${since} on link ${link} (${state})`;
}

function deadlineOf({ takenForDead, consensusMs }: MembershipChange): string {
  if (takenForDead.length === 0) return '';
  const who = capital(nodesText(takenForDead));
  return `${who} did not agree within the consensus timeout (${timeText(consensusMs)}), and counted as failed.`;
}

function pauseOf(change: MembershipChange): string {
  const ofMain = change.pauses.filter(isOfMainThread);
  const pauses = change.pauses.filter((pause) => !isOfMainThread(pause));
  if (pauses.length > 0)
    return `This node did not run ${listText(pauses.map(pauseText))}${isReason(pauses, change) ? ': that is why it lost the ring, not its peers' : ''}.`;
  if (ofMain.length === 0) return 'This node ran all the time.';
  return `The thread of the ring ran all the time; that of the services did not ${listText(ofMain.map(({ ms }) => `for ${timeText(ms)}`))}.`;
}

/** The ring has a thread of its own, which goes on when the other one is busy. */
const isOfMainThread = ({ noticedBy }: OwnPause): boolean => noticedBy.every((who) => who === 'main thread');

/** Whoever only joins has not lost anything. */
function isReason(pauses: readonly OwnPause[], change: MembershipChange): boolean {
  const { cause, left, wentOnWithout, phases } = change;
  if (cause.kind === 'start') return false;
  if (cause.kind !== 'tokenLost' && left.length + wentOnWithout.length === 0) return false;
  const timeoutMs = cause.kind === 'tokenLost' ? cause.timeoutMs : phases.silenceMs;
  return Math.max(...pauses.map(({ ms }) => ms)) >= timeoutMs * PAUSE_SHARE;
}

const pauseText = ({ ms, noticedBy }: OwnPause): string =>
  `for ${timeText(ms)} (stopped, or without a processor; noticed by ${listText(noticedBy)})`;

function linksOf({ links, linksDown }: MembershipChange, nodes: NodesText): string {
  const all = [
    ...linksDown.map(({ node, link, atMs }) => `link ${link} to ${nodes([node])} had been down for ${timeText(-atMs)}`),
    ...links.map((news) => linkText(news, nodes)),
  ];
  return all.length === 0 ? '' : `Links: ${listText(all)}.`;
}

function linkText({ node, link, up, cause, atMs }: LinkNews, nodes: NodesText): string {
  const when = atMs < 0 ? `${timeText(-atMs)} before` : `${timeText(atMs)} after that`;
  const why = cause === '' || up ? '' : ` (${cause})`;
  return `link ${link} to ${nodes([node])} went ${up ? 'up' : 'down'}${why} ${when}`;
}

function phasesOf({ phases, to }: MembershipChange, latest: boolean): string {
  const { gatherMs, commitMs, recoveryMs, syncMs, services, totalMs, rounds, silenceMs, syncsAborted } = phases;
  const again = rounds > 1 ? `, ${rounds} rounds` : '';
  if (to === null) return `It has been gathering for ${timeText(gatherMs)}${again}.`;
  const parts = [
    `gather ${timeText(gatherMs)}${again}`,
    `commit ${timeText(commitMs)}`,
    `recovery ${timeText(recoveryMs)}`,
  ];
  if (syncMs !== null) {
    const each = services.map(
      ({ service, processMs, barrierMs }) => `${serviceText(service)} ${timeText(processMs + barrierMs)}`,
    );
    parts.push(`synchronization ${timeText(syncMs)}${each.length > 0 ? ` (${each.join(', ')})` : ''}`);
  }
  const first = silenceMs > 0 ? `silence ${timeText(silenceMs)}, ` : '';
  const sum =
    totalMs === null
      ? `; services ${latest ? 'are not in step yet' : 'were not in step before the next change'}`
      : `; ${timeText(totalMs)} in all`;
  const aborted = syncsAborted > 0 ? `; ${counted(syncsAborted, 'synchronization')} before came to nothing` : '';
  return `Phases: ${first}${parts.join(', ')}${sum}${aborted}.`;
}

function quorumOf({ quorum }: MembershipChange): string {
  if (quorum === null) return '';
  const { before, quorate, rule, votes, needed, expected } = quorum;
  const what = quorate ? (before === true ? 'kept' : 'gained') : before === true ? 'LOST' : 'still none';
  if (expected === 0) return `Quorum: ${what} (${rule}).`;
  return `Quorum: ${what}: ${votes} of ${counted(expected, 'vote')}, ${needed} needed (rule: ${rule}).`;
}

/** Begin or end of a run of the daemon. `running`: its process is there. */
export function lifeLines({ end, lastMs, pid }: DaemonLife, running: boolean): readonly string[] {
  if (end !== null) {
    const { cause, status, reason, wallMs } = end;
    const why = reason === '' ? '' : `: ${reason}`;
    return [`${clockText(wallMs)}  the daemon (pid ${pid}) ended with status ${status}, ${cause}${why}`];
  }
  if (running) return [];
  return [
    `${clockText(lastMs)}  the last that the daemon (pid ${pid}) recorded: it was killed, or its machine failed; no end was recorded`,
  ];
}
