import {
  type ConnectivityFault,
  type ConnectivityView,
  connectivityFaults,
  faultText,
} from '../../lib/connectivity.ts';
import { agreeing, counted, votesThere } from '../../lib/counted.ts';
import { timesDown } from '../../lib/knet-facts.ts';
import { clockText } from '../../observe/why/words.ts';
import { type ArbiterFacts, arbiterFindings } from './arbiter.ts';
import type { Finding } from './finding.ts';

export interface MemberFacts {
  readonly nodeId: number;
  readonly name: string | null;
  readonly member: boolean;
  /** How often it left the ring of this node since the daemon's start: each time all its links go down. */
  readonly departures: number;
  /** When and why it left last, by the flight recorder, in words; `null`: not known. */
  readonly leftWhy: string | null;
  /** By link, as far as the daemon says them. */
  readonly addresses: Readonly<Record<number, string>>;
}

/** Counters of the ring; differences are of the time between the two looks. */
export interface RingCounts {
  readonly retransmitted: number;
  readonly received: number;
  readonly tokensLost: number;
  readonly gathers: number;
}

export interface ClientFacts {
  readonly name: string;
  readonly pid: number;
  /** Events that wait for it. */
  readonly queued: number;
  /** Requests that were refused for want of room. */
  readonly overload: number;
}

export interface VoteFacts {
  readonly quorate: boolean;
  readonly totalVotes: number;
  readonly quorum: number;
  /** Nodes and a device that vote now, with their votes. */
  readonly voters: readonly { readonly name: string; readonly votes: number }[];
  /** After a start, until all nodes were seen at once. */
  readonly waitsForAll: boolean;
}

/** What a daemon that runs says of its ring. */
export interface RingFacts {
  readonly localNodeId: number;
  readonly transport: string;
  /** Cipher and hash in force; `null`: neither. */
  readonly crypto: string | null;
  readonly tokenMs: number;
  /** Milliseconds that the token takes to come round, mean; 0: not known. */
  readonly rotationMs: number;
  /** The longest time for which the ring of this node did not run, lately, and when that ended (since 1970); milliseconds. */
  readonly longestPause: { readonly ms: number; readonly atMs: number };
  readonly members: readonly MemberFacts[];
  readonly votes: VoteFacts | null;
  /** `null`: no quorum device is configured. */
  readonly arbiter: ArbiterFacts | null;
  readonly quorate: boolean;
  readonly views: readonly ConnectivityView[];
  /** This node's digest of the file as it is now; `null`: it cannot be used. */
  readonly fileConfiguration: string | null;
  readonly seconds: number;
  readonly since: RingCounts;
  /** From the daemon's start. */
  readonly total: RingCounts;
  /** Times that a link went down between the two looks, and from the start. */
  readonly downs: readonly {
    readonly peerId: number;
    readonly link: number;
    readonly since: number;
    readonly total: number;
  }[];
  /** Packets that were sealed with another key, or with none: between the two looks. */
  readonly unauthentic: number;
  /** Requests of clients that were refused for want of room in the send queue, between the two looks. */
  readonly refused: number;
  readonly clients: readonly ClientFacts[];
}

/** Share of retransmissions that is more than chance. */
const RETRANSMIT_SHARE = 0.01;
const RETRANSMITS_MIN = 10;
/** So often a link may have gone down before it is called flapping. */
const FLAPS_MIN = 3;
const QUEUED_EVENTS = 1_000;
/** Parts of the token timeout: a pause beyond the first is close, beyond the second it was luck. */
const PAUSE_SHARE = 0.5;
const ROTATION_SHARE = 0.1;
const LATENCY_SHARE = 0.25;

export function ringFindings(facts: RingFacts): readonly Finding[] {
  return [
    ...membershipFindings(facts),
    ...quorumFindings(facts),
    ...(facts.arbiter === null ? [] : arbiterFindings(facts.arbiter)),
    ...connectivityFindings(facts),
    ...configurationFindings(facts),
    ...timingFindings(facts),
    ...trafficFindings(facts),
    ...clientFindings(facts),
  ];
}

const called = ({ nodeId, name }: { readonly nodeId: number; readonly name: string | null }): string =>
  name === null ? `node ${nodeId}` : `node ${nodeId} (${name})`;

function membershipFindings({ members, views, localNodeId }: RingFacts): Finding[] {
  const absent = members.filter(({ member }) => !member);
  if (absent.length === 0) return [];
  const own = views.find(({ nodeId }) => nodeId === localNodeId)?.links ?? [];
  /** A host that fails takes all its links with it: they are no findings of their own. */
  const linksTo = (nodeId: number): string => {
    const links = own.filter(({ peerId }) => peerId === nodeId);
    const up = links.filter((link) => link.up).map(({ link }) => link);
    if (links.length === 0) return '';
    return up.length === 0
      ? ', no link to it is up'
      : `, although link ${up.join(' and ')} to it is up: its daemon runs`;
  };
  return [
    {
      code: 'node.absent',
      severity: 'error',
      what: `${absent.length} of ${counted(members.length, 'node')} ${agreeing(absent.length, 'is', 'are')} not in the ring of this node`,
      cause: 'They are down, cannot be reached, have another key, or have formed a ring of their own',
      evidence: absent.flatMap((node) => [
        `${called(node)} is absent${linksTo(node.nodeId)}`,
        ...(node.leftWhy === null ? [] : [`${called(node)} ${node.leftWhy}`]),
      ]),
      mend: `rondo doctor (on ${called(absent[0]!)}: it sees its own side), journalctl -u corosync there; here: rondo why`,
    },
  ];
}

function quorumFindings({ votes, quorate }: RingFacts): Finding[] {
  if (votes === null) return [];
  const state = votesThere(votes.totalVotes, votes.quorum);
  if (!quorate)
    return [
      {
        code: 'quorum.lost',
        severity: 'error',
        what: 'This part of the cluster has no quorum',
        cause: lossCause(votes),
        evidence: [state],
        mend: 'Start the nodes that are absent (rondo nodes). Only if they are certainly down: rondo quorum expect VOTES',
      },
    ];
  const fatal = votes.voters.filter((voter) => voter.votes > 0 && votes.totalVotes - voter.votes < votes.quorum);
  if (fatal.length === 0) return [];
  return [
    {
      code: 'quorum.last',
      severity: 'warning',
      what: 'Quorum is one failure away from being lost',
      cause: `Without ${fatal.length === votes.voters.length ? 'any one of them' : fatal.map(({ name }) => name).join(', or ')} there are too few votes`,
      evidence: [state, ...fatal.map(({ name, votes: own }) => `${name} has ${own}`)],
      mend: 'Bring back the nodes that are absent (rondo nodes), or add a quorum device',
    },
  ];
}

function lossCause({ totalVotes, quorum, waitsForAll }: VoteFacts): string {
  if (totalVotes < quorum)
    return 'Too few votes are here, and what the others do cannot be known: nothing may run on this part';
  return waitsForAll
    ? 'wait_for_all: after a start all nodes must have been seen at once'
    : 'A rule other than the number of votes decides: rondo quorum explain';
}

const LINK_CODE = {
  'one-way': 'link.one-way',
  down: 'link.down',
  'one-sided': 'link.one-sided',
  'no-path': 'path.missing',
} as const;

function connectivityFindings({ views, members, downs, seconds, localNodeId }: RingFacts): Finding[] {
  const own = views.find(({ nodeId }) => nodeId === localNodeId)?.links ?? [];
  const present = new Set(members.filter(({ member }) => member).map(({ nodeId }) => nodeId));
  const found = connectivityFaults(views)
    .filter((fault) => fault.kind !== 'down' || (present.has(fault.a) && present.has(fault.b)))
    .map((fault) => faultFinding(fault, (nodeId, link) => addressOf(members, nodeId, link)));
  for (const { peerId, link, since, total } of downs) {
    const departures = members.find(({ nodeId }) => nodeId === peerId)?.departures ?? 0;
    const alone = timesDown(total) - departures;
    // One that went down and stays so is told of above.
    const isDown = own.some((seen) => seen.peerId === peerId && seen.link === link && !seen.up);
    if (alone < FLAPS_MIN && (since === 0 || alone <= 0 || isDown)) continue;
    found.push({
      code: 'link.flapping',
      severity: 'warning',
      what: `Link ${link} to node ${peerId} goes down again and again`,
      cause:
        'Packets are lost or late at times: a cable, a switch, a busy host at the other end, a timeout that is too short',
      evidence: [
        `${counted(alone, 'time')} since the start of the daemon, ${counted(since, 'time')} in the last ${seconds} s; the node itself left ${counted(departures, 'time')}`,
      ],
      mend: `ping -i 0.2 -c 100 ${addressOf(members, peerId, link)}; then: rondo cmap get -m stats stats.knet.node${peerId}.link${link}.latency_max`,
    });
  }
  return found;
}

/** For a command; a placeholder where it is not known. */
const addressOf = (members: readonly MemberFacts[], nodeId: number, link: number): string =>
  members.find((member) => member.nodeId === nodeId)?.addresses[link] ?? `ADDRESS (of node ${nodeId} on link ${link})`;

function faultFinding(fault: ConnectivityFault, address: (nodeId: number, link: number) => string): Finding {
  const what = faultText(fault);
  const common = { code: LINK_CODE[fault.kind], what: `${what[0]?.toUpperCase()}${what.slice(1)}` } as const;
  switch (fault.kind) {
    case 'one-way':
      return {
        ...common,
        severity: 'error',
        cause: `Something between them drops one direction: the firewall of node ${fault.from} (input) or of node ${fault.to} (output), or a switch`,
        evidence: [
          `node ${fault.to} counts packets of node ${fault.from} on link ${fault.link}, node ${fault.from} counts none`,
        ],
        mend: `nft list ruleset (on nodes ${fault.from} and ${fault.to}), tcpdump -ni any udp (on node ${fault.from})`,
      };
    case 'no-path':
      return {
        ...common,
        severity: 'error',
        cause:
          'A ring needs every node to reach every other one: it re-forms again and again, or one of them stays out',
        evidence: [`nodes ${fault.a} and ${fault.b} have no link that is up, node ${fault.through} has one to each`],
        mend: `rondo links --matrix; then look at the network between nodes ${fault.a} and ${fault.b}`,
      };
    case 'one-sided':
      return {
        ...common,
        severity: 'warning',
        cause: 'It goes up or down at this moment, or packets are lost in one direction',
        evidence: ['both hear each other'],
        mend: 'rondo doctor (again, in a few seconds)',
      };
    case 'down':
      return {
        ...common,
        severity: 'error',
        cause: 'The network of that link is broken between them; the ring goes on over another one, if there is one',
        evidence: ['no ping comes back'],
        mend: `ip -br addr; ping -c 3 ${address(fault.b, fault.link)} (on node ${fault.a}); the same on node ${fault.b} with ${address(fault.a, fault.link)}`,
      };
  }
}

function configurationFindings(facts: RingFacts): Finding[] {
  const { views, localNodeId, fileConfiguration, crypto, transport, unauthentic, seconds } = facts;
  const found: Finding[] = [];
  if (unauthentic > 0)
    found.push({
      code: 'key.differs',
      severity: 'error',
      what: 'Packets arrive that this node cannot authenticate',
      cause: 'A node has another key, cipher or hash, or somebody else sends to the port of the ring',
      evidence: [`${counted(unauthentic, 'packet')} in ${seconds} s (rondo.dropped.knet.authentication)`],
      mend: 'sha256sum /etc/corosync/authkey (on all nodes: it must be the same), then restart the daemon of the node that has another one',
    });
  const own = views.find(({ nodeId }) => nodeId === localNodeId);
  const others = views.filter(({ configuration }) => own !== undefined && configuration !== own.configuration);
  if (others.length > 0)
    found.push({
      code: 'config.differs',
      severity: 'error',
      what: 'The nodes have different configurations',
      cause: 'They may count votes, wait for tokens and address each other differently',
      evidence: views.map(({ nodeId, configuration }) => `node ${nodeId}: ${configuration.slice(0, 12)}`),
      mend: `scp /etc/corosync/corosync.conf ${others.map(({ nodeId }) => `NODE${nodeId}`).join(' ')}:/etc/corosync/ (each), then: rondo reload`,
    });
  if (own !== undefined && fileConfiguration !== null && fileConfiguration !== own.configuration)
    found.push({
      code: 'config.stale',
      severity: 'warning',
      what: 'The file says something else than what is in force',
      cause: 'It was changed and not loaded, or values were set at run time; the next start takes the file',
      evidence: [`in force ${own.configuration.slice(0, 12)}, the file ${fileConfiguration.slice(0, 12)}`],
      mend: 'rondo config plan, then: rondo reload',
    });
  const versions = new Set(views.map(({ version }) => version));
  if (versions.size > 1)
    found.push({
      code: 'version.differs',
      severity: 'info',
      what: 'The nodes run different versions',
      cause: 'That works, and is meant for the time of an upgrade',
      evidence: views.map(({ nodeId, version }) => `node ${nodeId}: ${version}`),
      mend: 'Finish the upgrade',
    });
  if (crypto === null)
    found.push({
      code: 'ring.plain-text',
      severity: 'warning',
      what: 'The ring is neither encrypted nor authenticated',
      cause: 'Whoever can send packets to its port can take part, stop it, and change what programs agree on',
      evidence: [`transport ${transport}, crypto_cipher none, crypto_hash none`],
      mend: 'corosync-keygen, copy the key to all nodes, set crypto_cipher: aes256 and crypto_hash: sha256, restart all',
    });
  return found;
}

/** With fewer messages a second the representative holds the token in most rotations. */
const HELD_MESSAGES = 10;

/** How long the token is under way: from what is measured, the time is taken for which its representative holds it while nobody sends. */
export function rotationWithoutHold(measured: {
  readonly meanMs: number;
  readonly holdMs: number;
  readonly messages: number;
  readonly seconds: number;
}): number {
  const { meanMs, holdMs, messages, seconds } = measured;
  return messages > HELD_MESSAGES * seconds ? meanMs : Math.max(0, meanMs - holdMs);
}

/** For longer pauses no token timeout is the remedy: what stops the node is. */
const BEARABLE_PAUSE_MS = 5_000;
const TIMEOUT_STEP_MS = 500;

/** `pauseMs`: 0 when no pause was too long; `neededMs`: the timeout that the way of the token needs. */
function timeoutMend(pauseMs: number, neededMs: number): string {
  const stops = 'what stops this node (a virtual machine that is suspended or moved, backups, swapping, no processor)';
  if (pauseMs > BEARABLE_PAUSE_MS) return `Find ${stops}: a token timeout that bears it would find no failure in time`;
  const timeoutMs = Math.ceil(Math.max(pauseMs / PAUSE_SHARE, neededMs) / TIMEOUT_STEP_MS) * TIMEOUT_STEP_MS;
  const look =
    pauseMs > 0 ? stops : 'what holds up the nodes or their network (rondo links --matrix, load of the hosts)';
  return `Set totem.token: ${timeoutMs} on all nodes, then: rondo reload; and look for ${look}`;
}

function timingFindings({ tokenMs, rotationMs, longestPause, views, total, since, seconds }: RingFacts): Finding[] {
  const found: Finding[] = [];
  const { ms: longestPauseMs, atMs } = longestPause;
  const latencyMs =
    Math.max(0, ...views.flatMap(({ links }) => links.filter(({ up }) => up).map(({ latencyUs }) => latencyUs))) / 1000;
  const reasons: string[] = [];
  if (longestPauseMs > tokenMs * PAUSE_SHARE)
    reasons.push(`this node did not run for ${Math.round(longestPauseMs)} ms, until ${clockText(atMs)}`);
  if (rotationMs > tokenMs * ROTATION_SHARE) reasons.push(`the token takes ${rotationMs} ms from visit to visit`);
  if (latencyMs * views.length > tokenMs * LATENCY_SHARE)
    reasons.push(
      `a round trip on a link takes up to ${Math.round(latencyMs)} ms, and a rotation has ${counted(views.length, 'hop')}`,
    );
  if (reasons.length > 0)
    found.push({
      code: 'token.small',
      severity: longestPauseMs >= tokenMs ? 'error' : 'warning',
      what: `The token timeout of ${tokenMs} ms is too small for what is measured`,
      cause: 'A pause like that, a little longer, and the others take a node that lives for dead',
      evidence: reasons,
      mend: timeoutMend(
        longestPauseMs > tokenMs * PAUSE_SHARE ? longestPauseMs : 0,
        Math.max(rotationMs / ROTATION_SHARE, (latencyMs * views.length) / LATENCY_SHARE),
      ),
    });
  if (since.tokensLost > 0)
    found.push({
      code: 'token.lost',
      severity: 'error',
      what: 'The token was lost while we looked',
      cause: 'A node died, was stopped, or packets were lost for longer than the token timeout',
      evidence: [
        `${counted(since.tokensLost, 'time')} in the last ${seconds} s, ${counted(total.tokensLost, 'time')} since the start`,
      ],
      mend: 'rondo links; rondo nodes; journalctl -u corosync (on all nodes)',
    });
  if (since.gathers > 1)
    found.push({
      code: 'ring.gathers',
      severity: 'error',
      what: 'The ring re-forms again and again',
      cause: 'Nodes hear each other and cannot agree: one-way links, or pairs that do not reach each other',
      evidence: [`${counted(since.gathers, 'time')} in the last ${seconds} s`],
      mend: 'rondo links --matrix (on several nodes)',
    });
  return found;
}

function trafficFindings({ since, total, seconds, refused }: RingFacts): Finding[] {
  const found: Finding[] = [];
  const now = since.retransmitted >= RETRANSMITS_MIN && since.retransmitted > since.received * RETRANSMIT_SHARE;
  const ever = total.retransmitted >= 100 * RETRANSMITS_MIN && total.retransmitted > total.received * RETRANSMIT_SHARE;
  if (now || ever)
    found.push({
      code: 'ring.retransmits',
      severity: now ? 'warning' : 'info',
      what: 'Messages are sent again, because some node did not get them',
      cause:
        'Packets are lost: a full socket buffer of a node that is too busy, a switch, a wrong MTU, a filter for large packets',
      evidence: [
        `${since.retransmitted} of ${since.received} in the last ${seconds} s, ${total.retransmitted} of ${total.received} since the start`,
      ],
      mend: 'rondo cmap list -m stats rondo.dropped.; nstat -az UdpRcvbufErrors (on all nodes)',
    });
  if (refused > 0)
    found.push({
      code: 'queue.full',
      severity: 'warning',
      what: 'The send queue of this node is full',
      cause: 'Its clients send faster than the ring carries; they wait, or get TRY_AGAIN',
      evidence: [`${counted(refused, 'request')} refused in the last ${seconds} s`],
      mend: 'rondo top (who sends so much), rondo cmap list -m stats stats.srp.',
    });
  return found;
}

function clientFindings({ clients }: RingFacts): Finding[] {
  const slow = clients.filter(({ queued }) => queued >= QUEUED_EVENTS);
  if (slow.length === 0) return [];
  return [
    {
      code: 'client.slow',
      severity: 'warning',
      what: 'Clients do not read their events',
      cause: 'What waits for them takes memory; in the end the one with most is disconnected',
      evidence: slow.map(({ name, pid, queued }) => `${name} (process ${pid}): ${queued} events wait`),
      mend: `cat /proc/${slow[0]?.pid}/stack; kill -CONT ${slow[0]?.pid} (if it is stopped), or restart it`,
    },
  ];
}
