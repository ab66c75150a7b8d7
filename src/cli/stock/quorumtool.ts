import { lookupService } from 'node:dns/promises';
import { COROSYNC_VERSION } from '../../lib/corosync-version.ts';
import { CsError } from '../../lib/errors.ts';
import type { ResponseOf } from '../../services/codec/call.ts';
import { TrackFlag, VotequorumResponse } from '../../services/codec/ids.ts';
import { decodeQuorumChangeV0, QUORUM_CALLS } from '../../services/codec/quorum.ts';
import { messageId } from '../../services/codec/struct.ts';
import {
  decodeVotequorumNodeList,
  InfoFlag,
  TRACK_KNOWS_EXTRA_INFO,
  VOTEQUORUM_CALLS,
  VQ_EXTRA_INFO_EVENT,
} from '../../services/codec/votequorum.ts';
import { nodeAddresses } from './addresses.ts';
import { Arrivals } from './arrivals.ts';
import { getopt, wholeNumber } from './getopt.ts';
import { getText, getU32, listKeys } from './keys.ts';
import { EXIT_FAILURE, EXIT_SUCCESS, foreign, Service, statusText, type Tool, type ToolIo } from './tool.ts';

const EXIT_NOT_QUORATE = 2;
const I32_MAX = 0x7fff_ffff;
const U32_MAX = 0xffff_ffff;
const PAD = 10;
const VOTEQUORUM = 'corosync_votequorum';

type Action = 'nodes' | 'status' | 'setVotes' | 'setExpected' | 'monitor' | 'unregister' | 'watch' | 'setExtraInfo';

interface Settings {
  action: Action;
  votes: number;
  nodeId: number | null;
  hex: boolean;
  numeric: boolean;
  allAddresses: boolean;
  parsable: boolean;
  order: 'a' | 'i' | 'n';
  watchQuorum: boolean;
  watchExtraInfo: boolean;
  /** `null`: none from now on. */
  extraInfo: string | null;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  s: 'status',
  l: 'nodes',
  m: 'monitor',
  f: 'unregister',
  e: 'setExpected',
  v: 'setVotes',
  W: 'watch',
  X: 'setExtraInfo',
  C: 'setExtraInfo',
};

const LETTERS = 'VHaslpmfe:v:hin:o:W:X:C';

/** `corosync-quorumtool`: quorum, votes and the quorum device. */
export const QUORUMTOOL: Tool = {
  name: 'corosync-quorumtool',
  letters: LETTERS,
  async run(args, io, program) {
    const { options, errors } = getopt(program, args, LETTERS);
    const settings: Settings = {
      action: 'status',
      votes: 0,
      nodeId: null,
      hex: false,
      numeric: false,
      allAddresses: false,
      parsable: false,
      order: 'a',
      watchQuorum: false,
      watchExtraInfo: false,
      extraInfo: null,
    };
    for (const { letter, value } of options) {
      if (letter === '?' || letter === 'h') {
        if (letter === '?') io.err(`${errors[0]}\n`);
        io.out(usage(program));
        return letter === '?' ? EXIT_FAILURE : EXIT_SUCCESS;
      }
      if (letter === 'V') {
        io.out(`corosync-quorumtool version: ${COROSYNC_VERSION}\n`);
        return EXIT_SUCCESS;
      }
      const wrong = take(settings, letter, value);
      if (wrong !== null) {
        io.err(`${wrong}\n`);
        return EXIT_FAILURE;
      }
    }
    const quorumtool = new Quorumtool(io, settings);
    const connected = await quorumtool.connect();
    return connected ? quorumtool.run() : EXIT_FAILURE;
  },
};

/** Takes an option; the result is what is wrong with its value. */
function take(settings: Settings, letter: string, value: string): string | null {
  settings.action = ACTIONS[letter] ?? settings.action;
  switch (letter) {
    case 'a':
      settings.allAddresses = true;
      break;
    case 'i':
      settings.numeric = true;
      break;
    case 'H':
      settings.hex = true;
      break;
    case 'p':
      settings.parsable = true;
      break;
    case 'e': {
      const votes = wholeNumber(value, 1, I32_MAX);
      if (votes === null) return 'New expected votes value was not valid, try a positive number';
      settings.votes = votes;
      break;
    }
    case 'n':
      settings.nodeId = wholeNumber(value, 1, U32_MAX);
      if (settings.nodeId === null) return 'The nodeid was not valid, try a positive number';
      break;
    case 'v': {
      const votes = wholeNumber(value, 0, I32_MAX);
      if (votes === null) return 'New votes value was not valid, try a positive number or zero';
      settings.votes = votes;
      break;
    }
    case 'W':
      settings.watchQuorum ||= value.includes('q');
      settings.watchExtraInfo ||= value.includes('x');
      if (!settings.watchQuorum && !settings.watchExtraInfo)
        return 'Invalid watch option. valid watch options are q(quorum) or x(qdevice extra info)';
      break;
    case 'X':
      settings.extraInfo = value;
      break;
    case 'C':
      settings.extraInfo = null;
      break;
    case 'o':
      if (value !== 'a' && value !== 'i' && value !== 'n')
        return 'Invalid ordering option. valid orders are a(address), i(node ID) or n(name)';
      settings.order = value;
      break;
    default:
  }
  return null;
}

type Info = ResponseOf<typeof VOTEQUORUM_CALLS.getInfo>;

interface View {
  readonly quorate: boolean;
  readonly ringSeq: string;
  readonly members: readonly number[];
}

class Quorumtool {
  private cmap!: Service;
  private quorum!: Service;
  private cfg!: Service;
  private votequorum: Service | null = null;
  /** `null`: no provider is configured. */
  private provider: string | null = null;
  private hasProvider = false;
  private nodeId = 0;
  private ringRep = 0;
  private readonly changes = new Arrivals<View>();
  private readonly nodeLists = new Arrivals<number>();
  private readonly watched = new Arrivals<string>();

  constructor(
    private readonly io: ToolIo,
    private readonly settings: Settings,
  ) {}

  async connect(): Promise<boolean> {
    const { io } = this;
    const cmap = await Service.open('cmap', io);
    if (typeof cmap === 'number') return this.complain('Cannot initialize CMAP service');
    const quorum = await Service.open('quorum', io, { onEvent: (event) => this.takeQuorum(event) });
    const type = typeof quorum === 'number' ? quorum : await quorum.call(QUORUM_CALLS.type, {});
    if (typeof quorum === 'number' || typeof type === 'number') {
      return this.complain('Cannot initialize QUORUM service');
    }
    const cfg = await Service.open('cfg', io);
    if (typeof cfg === 'number') return this.complain('Cannot initialise CFG service');
    Object.assign(this, { cmap, quorum, cfg });
    this.hasProvider = type.values.quorumType !== 0;
    this.provider = this.hasProvider ? await getText(cmap, 'quorum.provider') : null;
    if (this.provider !== VOTEQUORUM) return true;
    const votequorum = await Service.open('votequorum', io, { onEvent: (event) => this.takeVotequorum(event) });
    if (typeof votequorum === 'number') return this.complain('Cannot initialise VOTEQUORUM service');
    this.votequorum = votequorum;
    const nodeId = await getU32(cmap, 'runtime.votequorum.this_node_id');
    if (nodeId === null) return this.complain('Unable to retrieve this_node_id');
    this.nodeId = nodeId;
    for (const service of [quorum, votequorum]) {
      void service.ended.then(() => {
        this.changes.end();
        this.nodeLists.end();
        this.watched.end();
      });
    }
    return true;
  }

  async run(): Promise<number> {
    const { votes, nodeId } = this.settings;
    switch (this.settings.action) {
      case 'nodes':
        return this.showNodes();
      case 'status':
        return this.showStatus();
      case 'monitor':
        return this.monitor();
      case 'setVotes':
        return this.withVotes('You cannot change node votes', (votequorum) =>
          this.setVotes(votequorum, nodeId ?? this.nodeId, votes),
        );
      case 'setExpected':
        return this.withVotes('You cannot change expected votes', async (votequorum) => {
          const status = await votequorum.status(VOTEQUORUM_CALLS.setExpected, { expectedVotes: votes });
          return this.outcome(status, 'Unable to set expected votes');
        });
      case 'unregister':
        return this.withVotes('You cannot unregister quorum device', (votequorum) => this.unregister(votequorum));
      case 'watch':
        return this.watch();
      case 'setExtraInfo':
        return this.withVotes('You cannot set quorum device extra info', (votequorum) => this.setExtraInfo(votequorum));
    }
  }

  private async withVotes(refusal: string, act: (votequorum: Service) => Promise<number>): Promise<number> {
    if (this.votequorum !== null) return act(this.votequorum);
    this.complain(`${refusal}, corosync is not using votequorum`);
    return EXIT_FAILURE;
  }

  private async setVotes(votequorum: Service, nodeId: number, votes: number): Promise<number> {
    const status = await votequorum.status(VOTEQUORUM_CALLS.setVotes, { nodeId, votes });
    return this.outcome(status, `Unable to set votes ${votes} for nodeid: ${nodeId}`);
  }

  private async unregister(votequorum: Service): Promise<number> {
    const info = await votequorum.call(VOTEQUORUM_CALLS.getInfo, { nodeId: this.nodeId });
    if (typeof info === 'number') return this.outcome(info, 'Unable to get quorum device info');
    const { flags, qdeviceName: name } = info.values;
    if ((flags & InfoFlag.QDEVICE_REGISTERED) === 0) return EXIT_SUCCESS;
    const status = await votequorum.status(VOTEQUORUM_CALLS.qdeviceUnregister, { name });
    return this.outcome(status, 'Unable to unregister quorum device');
  }

  private async setExtraInfo(votequorum: Service): Promise<number> {
    const { extraInfo } = this.settings;
    const tail = Buffer.from(extraInfo === null ? '' : `${extraInfo}\0`);
    const status = await votequorum.status(VOTEQUORUM_CALLS.setExtraInfo, { length: tail.length }, { tail });
    if (status === CsError.OK) return EXIT_SUCCESS;
    this.complain(`Failed to set extra info ${statusText(status)}`);
    return EXIT_FAILURE;
  }

  private async showStatus(): Promise<number> {
    const quorate = await this.quorum.call(QUORUM_CALLS.quorate, {});
    if (typeof quorate === 'number') return this.outcome(quorate, 'Unable to get cluster quorate status');
    const view = await this.currentView();
    if (typeof view === 'number') return view;
    await this.quorum.status(QUORUM_CALLS.trackStop, {});
    if (this.votequorum !== null) {
      const track = { context: 0n, trackFlags: TrackFlag.CURRENT };
      const status = await this.votequorum.status(VOTEQUORUM_CALLS.trackStart, track);
      if (status !== CsError.OK) return this.outcome(status, 'Unable to start votequorum status tracking');
      const rep = await this.nodeLists.next();
      if (rep === null) return this.outcome(CsError.LIBRARY, 'Unable to dispatch votequorum status');
      this.ringRep = rep;
    }
    const isQuorate = quorate.values.quorate !== 0;
    const status = await this.print({ ...view, quorate: isQuorate });
    if (status !== CsError.OK) return EXIT_FAILURE;
    return isQuorate ? EXIT_SUCCESS : EXIT_NOT_QUORATE;
  }

  private async showNodes(): Promise<number> {
    const view = await this.currentView();
    if (typeof view === 'number') return view;
    await this.printNodes(view);
    return EXIT_SUCCESS;
  }

  /** The membership, or the exit status. */
  private async currentView(): Promise<View | number> {
    const status = await this.quorum.status(QUORUM_CALLS.trackStart, { trackFlags: TrackFlag.CURRENT });
    if (status !== CsError.OK) return this.outcome(status, 'Unable to start quorum status tracking');
    return (await this.changes.next()) ?? this.outcome(CsError.LIBRARY, 'Unable to dispatch quorum status');
  }

  private async monitor(): Promise<number> {
    if (!this.hasProvider) {
      this.io.out('\nQuorum is not configured - cannot monitor\n');
      return this.showStatus();
    }
    const failed = await this.trackChanges();
    if (failed !== null) return failed;
    for (;;) {
      const view = await this.changes.next();
      const rep = view === null || this.votequorum === null ? 0 : await this.nodeLists.next();
      if (view === null || rep === null) return this.outcome(CsError.LIBRARY, 'Unable to dispatch quorum status');
      this.ringRep = rep;
      const printed = await this.print(view);
      this.io.out('\n');
      if (printed !== CsError.OK) return this.outcome(printed, 'Unable to display quorum data');
    }
  }

  /** Changes of quorum, and what quorum devices say of their nodes, a line each. */
  private async watch(): Promise<number> {
    if (!this.hasProvider) {
      this.io.out('\nQuorum is not configured - cannot monitor\n');
      return EXIT_FAILURE;
    }
    const failed = await this.trackChanges();
    if (failed !== null) return failed;
    this.io.out('Watching for updates:\n');
    for (;;) {
      const line = await this.watched.next();
      if (line === null) return this.outcome(CsError.LIBRARY, 'Unable to dispatch quorum status');
      this.io.out(line);
    }
  }

  /** `null`, or the exit status of a failure. */
  private async trackChanges(): Promise<number | null> {
    const status = await this.quorum.status(QUORUM_CALLS.trackStart, { trackFlags: TrackFlag.CHANGES });
    if (status !== CsError.OK) return this.outcome(status, 'Unable to start quorum status tracking');
    if (this.votequorum === null) return null;
    const track = { context: 0n, trackFlags: TrackFlag.CHANGES | TRACK_KNOWS_EXTRA_INFO };
    const started = await this.votequorum.status(VOTEQUORUM_CALLS.trackStart, track);
    return started === CsError.OK ? null : this.outcome(started, 'Unable to start votequorum status tracking');
  }

  /** The status of the local node's votes. */
  private async print(view: View): Promise<number> {
    const { io, votequorum } = this;
    const ring = votequorum === null ? view.ringSeq : `${this.ringRep.toString(16)}.${view.ringSeq}`;
    io.out(
      `Quorum information\n------------------\nDate:             ${ctime(new Date())}\n` +
        `Quorum provider:  ${foreign(io, this.provider ?? 'Not configured')}\nNodes:            ${view.members.length}\n` +
        `Node ID:          ${this.settings.hex ? hex(this.nodeId) : this.nodeId}\n` +
        `Ring ID:          ${ring}\nQuorate:          ${view.quorate ? 'Yes' : 'No'}\n`,
    );
    if (votequorum === null) return CsError.OK;
    const info = await votequorum.call(VOTEQUORUM_CALLS.getInfo, { nodeId: this.nodeId });
    if (typeof info === 'number') io.err(`Unable to get node info: ${statusText(info)}\n`);
    else io.out(votesText(info.values));
    await this.printNodes(view);
    return typeof info === 'number' ? info : CsError.OK;
  }

  private async printNodes({ members }: View): Promise<void> {
    const { io, settings, votequorum } = this;
    const rows: {
      readonly nodeId: number;
      readonly info: Info | null;
      readonly name: string;
      readonly extra: string;
    }[] = [];
    for (const nodeId of members) {
      const info = (await votequorum?.call(VOTEQUORUM_CALLS.getInfo, { nodeId })) ?? null;
      if (typeof info === 'number') io.out(`Unable to get node ${nodeId} info\n`);
      const values = info === null || typeof info === 'number' ? null : info.values;
      const name = await this.nameOf(nodeId);
      rows.push({ nodeId, info: values, name, extra: await this.extraInfoOf(nodeId, values) });
    }
    const hasDevice = rows.some(({ info }) => info !== null && (info.flags & InfoFlag.QDEVICE_REGISTERED) !== 0);
    const first = rows[0]?.info ?? null;
    const votes = votequorum !== null;
    const deviceColumn = votes && (hasDevice || settings.parsable);
    io.out(
      `\nMembership information\n----------------------\n` +
        `${padded('Nodeid')}${votes ? padded('Votes') : ''}${deviceColumn ? padded('Qdevice') : ''}Name\n`,
    );
    if (settings.order === 'i') rows.sort((a, b) => a.nodeId - b.nodeId);
    if (settings.order === 'n') rows.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
    for (const { nodeId, info, name, extra } of rows) {
      const local = nodeId === this.nodeId ? ' (local)' : '';
      io.out(
        `${this.idText(nodeId)}${votes ? padded(String(info?.votes ?? 0)) : ''}` +
          `${deviceColumn ? padded(deviceState(info)) : ''}${foreign(io, name)}${extra}${local}\n`,
      );
    }
    if (!hasDevice || first === null) return;
    const own = rows.find(({ nodeId }) => nodeId === this.nodeId)?.info ?? null;
    const casts = own !== null && (own.flags & InfoFlag.QDEVICE_CAST_VOTE) !== 0;
    const { qdeviceVotes, qdeviceName } = first;
    io.out(
      `${this.idText(0)}${padded(String(casts ? qdeviceVotes : 0))}           ${foreign(io, qdeviceName)}` +
        `${casts ? '' : ` (votes ${qdeviceVotes})`}\n`,
    );
  }

  private async extraInfoOf(nodeId: number, info: Info | null): Promise<string> {
    const both = InfoFlag.QDEVICE_REGISTERED | InfoFlag.QDEVICE_HAS_EXTRA_INFO;
    if (info === null || (info.flags & both) !== both || this.votequorum === null) return '';
    const reply = await this.votequorum.call(VOTEQUORUM_CALLS.getExtraInfo, { nodeId });
    return typeof reply === 'number' ? '' : ` [${extraInfoText(reply.tailBytes(reply.values.length))}]`;
  }

  private idText(nodeId: number): string {
    return this.settings.hex ? `${hex(nodeId)} ` : padded(String(nodeId));
  }

  /** The configured name, else what the first address resolves to; with `-a` all addresses behind it. */
  private async nameOf(nodeId: number): Promise<string> {
    const { numeric, allAddresses } = this.settings;
    const configured = numeric ? '' : await this.configuredName(nodeId);
    const addresses = await nodeAddresses(this.cfg, nodeId);
    if (typeof addresses === 'number') {
      this.io.err(`Unable to get node address for nodeid ${nodeId}: ${statusText(addresses)}\n`);
      return '';
    }
    const shown = (allAddresses ? addresses : addresses.slice(0, 1)).slice(configured === '' ? 0 : 1);
    const names = numeric ? shown : await Promise.all(shown.map(hostName));
    return (configured === '' ? names : [configured, ...names]).join(', ');
  }

  private async configuredName(nodeId: number): Promise<string> {
    const keys = await listKeys(this.cmap, 'nodelist.node.');
    for (const { key } of typeof keys === 'number' ? [] : keys) {
      const [, place] = /^nodelist\.node\.(\d+)\.nodeid$/.exec(key) ?? [];
      if (place === undefined || (await getU32(this.cmap, key)) !== nodeId) continue;
      const name = await getText(this.cmap, `nodelist.node.${place}.name`);
      if (name !== null) return name;
    }
    return '';
  }

  private takeQuorum(event: Uint8Array): void {
    const change = decodeQuorumChangeV0(event);
    if (change === null) return;
    const { quorate, ringId, view } = change;
    if (this.settings.watchQuorum) this.watched.push(quorate ? 'Quorate\n' : 'Not quorate\n');
    this.changes.push({ quorate, ringSeq: ringId.seq.toString(16), members: view });
  }

  private takeVotequorum(event: Uint8Array): void {
    if (messageId(event) === VotequorumResponse.EXTRA_INFO) {
      const info = VQ_EXTRA_INFO_EVENT.decode(event);
      const bytes = info === null ? null : VQ_EXTRA_INFO_EVENT.tailBytes(event, info.length);
      if (info === null || bytes === null || !this.settings.watchExtraInfo) return;
      this.watched.push(`${padded(String(info.nodeId))}${extraInfoText(bytes)}\n`);
      return;
    }
    const list = decodeVotequorumNodeList(event);
    if (list !== null) this.nodeLists.push(list.ringId.rep);
  }

  private outcome(status: number, what: string): number {
    if (status === CsError.OK) return EXIT_SUCCESS;
    this.complain(`${what}: ${statusText(status)}`);
    return EXIT_FAILURE;
  }

  private complain(message: string): false {
    this.io.err(`${message}\n`);
    return false;
  }
}

const FLAG_WORDS: readonly (readonly [number, string])[] = [
  [InfoFlag.TWO_NODE, '2Node '],
  [InfoFlag.QUORATE, 'Quorate '],
  [InfoFlag.WAIT_FOR_ALL, 'WaitForAll '],
  [InfoFlag.LAST_MAN_STANDING, 'LastManStanding '],
  [InfoFlag.AUTO_TIE_BREAKER, 'AutoTieBreaker '],
  [InfoFlag.ALLOW_DOWNSCALE, 'AllowDownscale '],
  [InfoFlag.QDEVICE_REGISTERED, 'Qdevice '],
];

function votesText({ expectedVotes, highestExpected, totalVotes, quorum, flags }: Info): string {
  const words = FLAG_WORDS.map(([flag, word]) => ((flags & flag) === 0 ? '' : word)).join('');
  return (
    `\nVotequorum information\n----------------------\nExpected votes:   ${expectedVotes}\n` +
    `Highest expected: ${highestExpected}\nTotal votes:      ${totalVotes}\n` +
    `Quorum:           ${quorum} ${(flags & InfoFlag.QUORATE) === 0 ? 'Activity blocked' : ' '}\nFlags:            ${words}\n`
  );
}

function deviceState(info: Info | null): string {
  const flags = info?.flags ?? 0;
  if ((flags & InfoFlag.QDEVICE_REGISTERED) === 0) return 'NR';
  const word = (flag: number, text: string): string => `${(flags & flag) === 0 ? 'N' : ''}${text}`;
  return [
    word(InfoFlag.QDEVICE_ALIVE, 'A'),
    word(InfoFlag.QDEVICE_CAST_VOTE, 'V'),
    word(InfoFlag.QDEVICE_MASTER_WINS, 'MW'),
  ].join(',');
}

/** Text if it is that and ends with a NUL, else the bytes. */
function extraInfoText(info: Uint8Array): string {
  if (info.length === 0) return '<unset>';
  const text = Buffer.from(info.buffer, info.byteOffset, info.length - 1).toString('latin1');
  if (info.at(-1) === 0 && /^[ -~]*$/.test(text)) return text;
  return `${info.length} bytes: ${Array.from(info, (byte) => `${byte.toString(16).toUpperCase().padStart(2, '0')} `).join('')}`;
}

const padded = (text: string): string => `${text.padStart(PAD)} `;
const hex = (nodeId: number): string => `0x${nodeId.toString(16).padStart(8, '0')}`;

async function hostName(address: string): Promise<string> {
  try {
    return (await lookupService(address, 0)).hostname;
  } catch (error) {
    // Without a name getnameinfo shows the number; when nobody can be asked it fails, and stock shows nothing.
    return error instanceof Error && 'code' in error && error.code === 'EAI_AGAIN' ? '' : address;
  }
}

/** As C's `ctime`, without the end of line. */
function ctime(date: Date): string {
  const [weekday, month] = date.toString().split(' ');
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0'));
  return `${weekday} ${month} ${String(date.getDate()).padStart(2)} ${time.join(':')} ${date.getFullYear()}`;
}

const usage = (program: string): string => `usage: 
${program} <options>

  options:

  -s             show quorum status
  -m             constantly monitor quorum status
  -l             list nodes
  -a             show all names or addresses for each node
  -p             when used with -s or -l, generates machine parsable output
  -v <votes>     change the number of votes for a node (*)
  -n <nodeid>    optional nodeid of node for -v
  -e <expected>  change expected votes for the cluster (*)
  -H             show nodeids in hexadecimal rather than decimal
  -i             show node IP addresses instead of the resolved name
  -o <a|n|i>     order by [a] IP address (default), [n] name, [i] nodeid
  -f             forcefully unregister a quorum device *DANGEROUS* (*)
  -W <q|x|qx>    watch for update messages. q quorum status, x extra info (votequorum only)
  -X <string>    set qdevice extra info on the node running the command (votequorum only)
  -C             clear qdevice extra info on the node running the command (votequorum only)
  -h             show this help text
  -V             show version and exit

  (*) Starred items only work if votequorum is the quorum provider for corosync

`;
