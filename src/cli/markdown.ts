import { COMMON_HELP, type Command, type OptionHelp } from './command.ts';

const INTRODUCTION = `# \`rondo\`: the command line

Made from the commands in \`src/cli/commands\`; to change it, change them and run \`node scripts/write-docs.mjs\`.

\`rondo COMMAND [ARGUMENTS] [OPTIONS]\`. It talks to the daemon of this host over its IPC, Rondo's or stock Corosync's.
\`rondo --help\` lists the commands, \`rondo COMMAND --help\` explains one.

`;

const EXIT_STATUS = `## Exit status

| Status | Meaning |
|---|---|
| 0 | done |
| 1 | the daemon refused, or the thing asked for does not exist |
| 2 | wrong usage |
| 3 | no daemon reachable: not running, not allowed (neither root nor granted by \`uidgid\`), not ready in time |
| 4 | \`--check\`, or \`config check\`: the state is not what was asked for |
| 130 | interrupted |

Errors go to standard error: what failed, the status by name and number, what to do. With \`--json\` standard output also gets
\`{"error":{"code":"RONDO_…","message":"…"}}\`; the codes are stable.

Names, keys, values and messages come from others. In text, control characters (escape sequences of terminals among them), line separators and the marks that reorder
text are shown as \`\\x1b\` or \`\\u202e\`; \`--json\` has them exactly, as JSON escapes.

`;

const JSON_VALUES = `## JSON

Fields are never removed or renamed within a major version; new ones may come. Whole numbers of 2^53 and more are strings of digits. \`null\`: not known or not there.

| Command | Value |
|---|---|
| \`status\` | \`{clusterName, transport, localNodeId, ringId:{rep,seq}, quorate, quorumProvider, votes:VOTES or null, nodes:[NODE]}\` |
| \`nodes\` | \`[NODE]\` |
| \`links\` | \`{transport, localNodeId, nodes:[NODE]}\` |
| \`links --matrix\` | \`{views:[{nodeId, configuration, version, links:[{peerId, link, up, heard, latencyUs, mtu, downs}]}], faults:[{kind, …}]}\` |
| \`why\` | \`{file, nodeId, lives:[{life, startedMs, version, pid, end:{cause, status, reason, wallMs} or null, lastMs}], changes:[CHANGE]}\` |
| \`timeline\` | \`[{ring:{rep,seq} or null, nodes:[id], wallMs, members:[id], events:[{node, atMs, text}]}]\` |
| \`quorum explain\` | \`{now:{members:[{nodeId, votes}], quorate, expectedVotes, …}, decision:PART, tolerableFailures, failures:[PART], splits:[{parts:[PART, PART]}], returns:[PART]}\`; without votequorum \`{provider, now:null}\` |
| \`config plan\` | \`{file, ok, refusals:[text], changes:[{key, text, effect}], warnings:[text], configuration, nodes:[{nodeId, asHere, asFile}]}\` |
| \`node add\`, \`node remove\` | \`{problems:[text], effects:[text], steps:[text], block:TEXT or null}\` |
| \`key generate\`, \`key rotate\` | \`{file, bytes, id}\`; a line each: \`{phase, text, nodeId?}\` |
| \`top\` | a line each: \`{quorate, members:[id], configured, rotationMs, tokens, sent, received, retransmitted, tokensLost, links:[{peerId, link, up, latencyUs, sentBytes, receivedBytes, downs}], clients:[{pid, service, name, requests, events, waiting}]}\`, rates a second |
| \`simulate\` | \`{file, nodes, transport, tokenMs, consensusMs, loss, latencyMs, rate, forMs, events:[…], runs, forming:SPREAD or null, failovers:[{event, failover:SPREAD or null, missed}], falseRuns, falseChanceMax, reformed}\`, SPREAD = \`{least, median, p90, most, runs}\` in milliseconds |
| \`decode\` | a line each: \`{kind, node, text, index, time, last, count}\`, then \`{kind:"sums", rings:[text], links:[text]}\`; with \`--packets\` or \`--kind\` \`{packet, time, kind, node, from, to, text, …}\` instead; the last line \`{kind:"summary", file, packets, udp, decoded, clear, repeated, copies, cut, suites, unopened, keys, end, problems}\` |
| \`blackbox\`, \`blackbox dump\` | a line each: \`{time, level, function, line, tags, message}\`, \`{problem}\` last where it is damaged; \`{file}\` |
| \`qnetd status\` | \`{listening:[text], tls, clientCertificateRequired, clientsMax, clients, clusters:[{name, algorithm, tieBreaker, keepsActivePartition, nodes:[{nodeId, address, heartbeatMs, configVersion, configured, members, ringId, heuristics, tls, certificateVerified, vote, decidedVote}]}]}\` |
| \`doctor\` | \`{looked, ok, findings:[{code, severity, what, cause, evidence:[text], mend}]}\` |
| \`notify\` | a line each: the notice ([notify.md](notify.md)) |
| \`quorum\` | \`{provider, quorate, ringId, votes:VOTES or null, nodes:[{nodeId, name, votes, device}]}\` |
| \`quorum expect\` | \`{expectedVotes}\` |
| \`quorum watch\` | a line each: \`{type:"quorum", quorate, ringId, members:[id]}\` or \`{type:"nodes", ringId, members, joined, left}\` |
| \`cpg join\`, \`cpg watch\` | a line each: \`{type:"message", group, nodeId, pid, bytes, base64, text?}\`, \`{type:"membership", group, members:[{nodeId,pid}], joined:[{nodeId,pid,reason}], left:[…]}\`, \`{type:"ring", ringId, members:[id]}\`. \`text\` only where the payload is UTF-8 |
| \`cpg send\` | \`{group, sent}\` |
| \`cpg list\` | \`[{group, members:[{nodeId,pid}]}]\` |
| \`cmap get\`, \`cmap list\` | \`[{key, type, value}]\`; a \`bin\` is base64 |
| \`cmap watch\` | a line each: \`{kind:"add"\\|"modify"\\|"delete", key, current:{key,type,value} or null, previous:… or null}\` |
| \`cmap set\`, \`cmap delete\` | \`{key, type}\`, \`{deleted:[key]}\` |
| \`reload\`, \`shutdown\`, \`kill\`, \`reopen-logs\` | \`{reloaded:true, error:TEXT or null}\`, \`{stopping:true}\`, \`{killed:ID}\`, \`{reopened:true}\` |
| \`instances\` | \`[{instance}]\`; \`null\`: the daemon with the stock names |
| \`config check\` | \`{file, ok, errors:[PROBLEM], warnings:[PROBLEM], summary:{…} or null}\`, PROBLEM = \`{code, file, line, column, key, message, hint}\` |

CHANGE = \`{life, wallMs, monotonicMs, from, to, before, members, joined, left, lost, wentOnWithout, cause:{kind, …}, takenForDead, consensusMs, heard:[{node, link, silentMs, up}], pauses:[{ms, noticedBy, endedMs}], links, linksDown, phases:{silenceMs, gatherMs, commitMs, recoveryMs, syncMs, services, totalMs, rounds, syncsAborted}, quorum:{before, quorate, rule, votes, needed, expected} or null}\`.
PART = \`{nodes:[id], votes, needed, quorate, rule}\`.
NODE = \`{nodeId, name, local, member, configured, addresses:[text], votes, links:[{linkId, enabled, connected, dynamic, mtu, source, destination, latencyUs, downCount}]}\`.
VOTES = \`{nodeId, state, votes, expectedVotes, highestExpected, totalVotes, quorum, twoNode, quorate, waitForAll, lastManStanding, autoTieBreaker, allowDownscale, device:{registered, alive, castsVote, masterWins, votes, name}}\`.
`;

const escapeCell = (text: string): string => text.replaceAll('|', '\\|');

const optionTable = (options: readonly OptionHelp[]): string =>
  [
    '| Option | Meaning |',
    '|---|---|',
    ...options.map(({ flag, text }) => `| \`${flag}\` | ${escapeCell(text)} |`),
  ].join('\n');

function section({ words, arguments: names, summary, details, optionHelp, examples }: Command): string {
  const parts = [`### ${words}\n\n\`${`rondo ${words} ${names}`.trim()}\`: ${summary}.`];
  if (details !== '') parts.push(details);
  if (optionHelp.length > 0) parts.push(optionTable(optionHelp));
  if (examples.length > 0) parts.push(`\`\`\`sh\n${examples.join('\n')}\n\`\`\``);
  return parts.join('\n\n');
}

/** The reference of the command line, as docs/cli.md holds it. */
export const cliMarkdown = (commands: readonly Command[]): string =>
  `${INTRODUCTION}Options of every command:\n\n${optionTable(COMMON_HELP)}\n\n${EXIT_STATUS}## Commands\n\n${commands
    .map(section)
    .join('\n\n')}\n\n${JSON_VALUES}`;
