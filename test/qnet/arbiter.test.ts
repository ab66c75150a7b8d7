import t from 'tap';
import type { ArbiterClient } from '../../src/qnet/arbiter.ts';
import { arbiterListText, arbiterStatusText } from '../../src/qnet/arbiter-status.ts';
import { NodeListType, QnetMessageType, ReplyError, TlsMode, Vote } from '../../src/qnet/ids.ts';
import { CLUSTER_NODES_MAX, encodeQnet, type QnetOptions } from '../../src/qnet/messages.ts';
import { ArbiterHarness, nodes, SETTINGS } from './arbiter-harness.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const INIT: QnetOptions = {
  sequence: 2,
  nodeId: 1,
  algorithm: 1,
  heartbeatMs: 8000,
  tieBreaker: { mode: 1, nodeId: 0 },
  ringId: { nodeId: 1, seq: 4n },
};

t.test('an INIT is judged', async (t) => {
  const cases: readonly (readonly [string, QnetOptions, number])[] = [
    ['whole', INIT, ReplyError.NONE],
    ['without a node id', { ...INIT, nodeId: undefined } as never, ReplyError.REQUIRED_OPTION_MISSING],
    ['without a ring id', { ...INIT, ringId: undefined } as never, ReplyError.REQUIRED_OPTION_MISSING],
    ['heartbeat too short', { ...INIT, heartbeatMs: 999 }, ReplyError.INVALID_HEARTBEAT],
    ['heartbeat too long', { ...INIT, heartbeatMs: 120_001 }, ReplyError.INVALID_HEARTBEAT],
    ['an algorithm that does not exist', { ...INIT, algorithm: 4 }, ReplyError.UNSUPPORTED_ALGORITHM],
    ['a node that is there', { ...INIT, nodeId: 9 }, ReplyError.DUPLICATE_NODE_ID],
    ['another tie breaker', { ...INIT, tieBreaker: { mode: 2, nodeId: 0 } }, ReplyError.TIE_BREAKER_DIFFERS],
    ['another algorithm', { ...INIT, algorithm: 3 }, ReplyError.ALGORITHM_DIFFERS],
  ];
  for (const [name, init, error] of cases) {
    const harness = new ArbiterHarness();
    harness.join(9);
    const client = harness.connect();
    harness.request(client, QnetMessageType.PREINIT, { clusterName: text('lab') });
    const [reply] = harness.request(client, QnetMessageType.INIT, init);
    t.match(reply, { type: QnetMessageType.INIT_REPLY, error, requestBytesMax: 32768, replyBytesMax: 32768 }, name);
    t.equal(client.cluster === null, error !== ReplyError.NONE, `${name}: in the cluster or not`);
  }
});

t.test('a cluster that is too much: of nodes, in its name, in its lists', async (t) => {
  const harness = new ArbiterHarness();
  for (let id = 1; id <= CLUSTER_NODES_MAX; id++) harness.join(id);
  t.throws(() => harness.join(CLUSTER_NODES_MAX + 1), new RegExp(`refused: ${ReplyError.INTERNAL}`));
  harness.join(1, {}, 'another');
  const client = harness.connect();
  const preinit = (bytes: number): unknown[] =>
    harness.request(client, QnetMessageType.PREINIT, { clusterName: text('x'.repeat(bytes)) });
  t.match(preinit(513), [{ error: ReplyError.UNDECODABLE }], 'a name that no configuration can have');
  t.match(preinit(512), [{ type: QnetMessageType.PREINIT_REPLY }]);
  const list = nodes(...Array.from({ length: CLUSTER_NODES_MAX + 1 }, (_, id) => id + 1));
  const [member] = harness.arbiter.clients;
  const listed = { sequence: 9, listType: NodeListType.INITIAL_CONFIG, nodes: list };
  t.match(harness.request(member!, QnetMessageType.NODE_LIST, listed), [{ error: ReplyError.UNDECODABLE }]);
});

t.test('lists of all clients together are bounded', async (t) => {
  const harness = new ArbiterHarness({ listedNodesMax: 100 });
  const outcome = (client: ArbiterClient, ...ids: readonly number[]): number | undefined => {
    const list = { sequence: 3, listType: NodeListType.QUORUM, quorate: 1, nodes: nodes(...ids) };
    return harness.request(client, QnetMessageType.NODE_LIST, list)[0]?.error;
  };
  const ids = Array.from({ length: 60 }, (_, id) => id + 1);
  const [one, other] = [harness.join(1, {}, 'one'), harness.join(1, {}, 'other')];
  t.equal(outcome(one, ...ids), undefined);
  t.equal(outcome(other, ...ids), ReplyError.INTERNAL, 'there is room for 100');
  t.equal(outcome(one, 1), undefined, 'a shorter one gives room back');
  t.equal(outcome(other, ...ids), undefined);
  harness.arbiter.disconnected(other);
  t.equal(outcome(one, ...ids), undefined, 'and so does who leaves');
});

t.test('a decision among as many nodes as there can be is quick', async (t) => {
  const harness = new ArbiterHarness();
  const list = nodes(...Array.from({ length: CLUSTER_NODES_MAX }, (_, id) => id + 1));
  const half = list.slice(0, CLUSTER_NODES_MAX / 2);
  const clients = half.map(({ nodeId }) => harness.join(nodeId));
  const send = (client: ArbiterClient, listType: number, listed: typeof list): void => {
    const ringId = { nodeId: 1, seq: 4n };
    harness.request(client, QnetMessageType.NODE_LIST, { sequence: 3, listType, ringId, nodes: listed });
  };
  for (const client of clients) send(client, NodeListType.INITIAL_CONFIG, list);
  for (const client of clients) send(client, NodeListType.MEMBERSHIP, half);
  const before = process.cpuUsage();
  for (const client of clients.slice(0, 10)) send(client, NodeListType.MEMBERSHIP, half.toReversed());
  const { user, system } = process.cpuUsage(before);
  t.ok((user + system) / 1000 < 3000, `10 decisions took ${(user + system) / 1000} ms of processor time`);
});

t.test('the order of messages', async (t) => {
  const harness = new ArbiterHarness();
  const client = harness.connect();
  const refused = (type: number, options: QnetOptions, error: number, name: string): void => {
    const reply = harness.request(client, type, options);
    t.match(reply, [{ error }], name);
  };
  refused(QnetMessageType.INIT, INIT, ReplyError.PREINIT_REQUIRED, 'INIT first');
  refused(QnetMessageType.STARTTLS, {}, ReplyError.PREINIT_REQUIRED, 'STARTTLS first');
  refused(QnetMessageType.ECHO_REQUEST, { sequence: 3 }, ReplyError.INIT_REQUIRED, 'an echo before INIT');
  refused(QnetMessageType.PREINIT, {}, ReplyError.REQUIRED_OPTION_MISSING, 'PREINIT without a name');
  refused(QnetMessageType.VOTE_INFO, {}, ReplyError.UNEXPECTED_MESSAGE, 'what a server sends');
  harness.request(client, QnetMessageType.PREINIT, { clusterName: text('lab') });
  harness.request(client, QnetMessageType.INIT, INIT);
  refused(QnetMessageType.INIT, INIT, ReplyError.UNEXPECTED_MESSAGE, 'INIT again');
  refused(QnetMessageType.NODE_LIST, { sequence: 4 }, ReplyError.REQUIRED_OPTION_MISSING, 'a list without a type');
  refused(
    QnetMessageType.NODE_LIST,
    { sequence: 4, listType: NodeListType.MEMBERSHIP },
    ReplyError.REQUIRED_OPTION_MISSING,
    'a membership without a ring',
  );
  harness.request(client, QnetMessageType.PREINIT, { clusterName: text('other') });
  t.equal(client.clusterName, 'lab', 'a cluster cannot be changed');
  t.same(harness.request(client, QnetMessageType.SET_OPTION, { heartbeatMs: 5000, keepActivePartition: 1 }), [
    { type: QnetMessageType.SET_OPTION_REPLY, heartbeatMs: 5000, keepActivePartition: 1 },
  ]);
});

t.test('TLS and certificates', async (t) => {
  const required = new ArbiterHarness({ tls: TlsMode.REQUIRED });
  const plain = required.connect();
  required.request(plain, QnetMessageType.PREINIT, { clusterName: text('lab') });
  t.match(required.request(plain, QnetMessageType.INIT, INIT), [{ error: ReplyError.TLS_REQUIRED }]);
  required.request(plain, QnetMessageType.STARTTLS, {});
  t.match(required.request(plain, QnetMessageType.INIT, INIT), [{ error: ReplyError.NONE }]);
  t.equal(plain.certificateVerified, true);
  for (const certificate of [false, null]) {
    const harness = new ArbiterHarness({ tls: TlsMode.SUPPORTED });
    harness.certificate = certificate;
    const client = harness.connect();
    harness.request(client, QnetMessageType.PREINIT, { clusterName: text('lab') });
    harness.request(client, QnetMessageType.STARTTLS, {});
    t.same(harness.request(client, QnetMessageType.INIT, INIT), [], 'no reply');
    t.same(harness.events, ['TLS address', 'disconnect address']);
  }
  const off = new ArbiterHarness();
  const eager = off.connect();
  off.request(eager, QnetMessageType.PREINIT, { clusterName: text('lab') });
  off.request(eager, QnetMessageType.STARTTLS, {});
  t.same(off.events, ['disconnect address'], 'TLS is not supported');
});

/** What a node reports: its members and ring, perhaps heuristics; and the vote that it has in the end. */
interface Report {
  readonly members: readonly number[];
  readonly seq: number;
  readonly heuristics?: number;
}
const VOTES = ['-', 'ACK', 'NACK', 'later', 'wait', 'same'];

class Story {
  readonly harness = new ArbiterHarness();
  readonly clients = new Map<number, ArbiterClient>();

  constructor(
    private readonly algorithm: number,
    private readonly ids: readonly number[],
    private readonly options: QnetOptions = {},
    private readonly keeps = false,
  ) {
    for (const id of ids) this.join(id);
    for (const client of this.clients.values()) this.configure(client);
  }

  report(id: number, { members, seq, heuristics = 0 }: Report): void {
    const client = this.clients.get(id)!;
    const ringId = { nodeId: Math.min(...members), seq: BigInt(seq) };
    this.list(client, NodeListType.MEMBERSHIP, { ringId, nodes: nodes(...members), heuristics });
  }

  quorum(id: number): void {
    this.list(this.clients.get(id)!, NodeListType.QUORUM, { quorate: 1, nodes: nodes(...this.ids) });
  }

  /** All report in turn, then all quorum lists come; everybody confirms the votes that he gets. */
  ring(...parts: readonly Report[]): Record<number, string> {
    for (const part of parts) for (const id of part.members) if (this.clients.has(id)) this.report(id, part);
    for (const part of parts) for (const id of part.members) if (this.clients.has(id)) this.quorum(id);
    return this.votes();
  }

  leave(id: number): void {
    this.harness.arbiter.disconnected(this.clients.get(id)!);
    this.clients.delete(id);
    this.confirm();
  }

  back(id: number): void {
    this.configure(this.join(id));
  }

  private join(id: number): ArbiterClient {
    const client = this.harness.join(id, { algorithm: this.algorithm, ...this.options });
    if (this.keeps) this.harness.request(client, QnetMessageType.SET_OPTION, { keepActivePartition: 1 });
    this.clients.set(id, client);
    return client;
  }

  private configure(client: ArbiterClient): void {
    this.list(client, NodeListType.INITIAL_CONFIG, { nodes: nodes(...this.ids) });
  }

  votes(): Record<number, string> {
    for (let turns = 0; turns < 5; turns++) {
      for (const client of [...this.harness.timers]) {
        this.harness.timers.delete(client);
        this.harness.arbiter.timer(client);
      }
      this.confirm();
    }
    return Object.fromEntries([...this.clients].map(([id, { decidedVote }]) => [id, VOTES[decidedVote] ?? '?']));
  }

  private list(client: ArbiterClient, listType: number, options: QnetOptions): void {
    this.harness.arbiter.received(client, encode({ sequence: 9, listType, ...options }));
    this.confirm();
  }

  private confirm(): void {
    for (let more = true; more; ) {
      more = false;
      for (const client of this.clients.values())
        for (const message of this.harness.take(client))
          if (message.type === QnetMessageType.VOTE_INFO) {
            more = true;
            this.harness.request(client, QnetMessageType.VOTE_INFO_REPLY, { sequence: message.sequence! });
          }
    }
  }
}
const encode = (options: QnetOptions): Uint8Array => encodeQnet(QnetMessageType.NODE_LIST, options);

interface Case {
  readonly name: string;
  readonly algorithm: number;
  readonly ids: readonly number[];
  readonly options?: QnetOptions;
  readonly keeps?: boolean;
  readonly act: (story: Story) => void;
  readonly votes: Readonly<Record<number, string>>;
}
const [FFSPLIT, TWO_LMS, LMS] = [1, 2, 3];
const whole = (seq = 8): Report => ({ members: [1, 2, 3, 4], seq });
const halves = (low: Partial<Report> = {}, high: Partial<Report> = {}): readonly [Report, Report] => [
  { members: [1, 2], seq: 12, ...low },
  { members: [3, 4], seq: 12, ...high },
];
const four = [1, 2, 3, 4];
const CASES: readonly Case[] = [
  { name: 'ffsplit: whole', algorithm: FFSPLIT, ids: four, act: (s) => s.ring(whole()), votes: all('ACK', four) },
  {
    name: 'ffsplit: halves, lowest',
    algorithm: FFSPLIT,
    ids: four,
    act: (s) => {
      s.ring(whole());
      s.ring(...halves());
    },
    votes: { ...all('ACK', [1, 2]), ...all('NACK', [3, 4]) },
  },
  {
    name: 'ffsplit: halves, highest',
    algorithm: FFSPLIT,
    ids: four,
    options: { tieBreaker: { mode: 2, nodeId: 0 } },
    act: (s) => s.ring(...halves()),
    votes: { ...all('NACK', [1, 2]), ...all('ACK', [3, 4]) },
  },
  {
    name: 'ffsplit: halves, a node',
    algorithm: FFSPLIT,
    ids: four,
    options: { tieBreaker: { mode: 3, nodeId: 4 } },
    act: (s) => s.ring(...halves()),
    votes: { ...all('NACK', [1, 2]), ...all('ACK', [3, 4]) },
  },
  {
    name: 'ffsplit: heuristics before the tie breaker',
    algorithm: FFSPLIT,
    ids: four,
    act: (s) => s.ring(...halves({ heuristics: 2 }, { heuristics: 1 })),
    votes: { ...all('NACK', [1, 2]), ...all('ACK', [3, 4]) },
  },
  {
    name: 'ffsplit: more connected nodes before the tie breaker',
    algorithm: FFSPLIT,
    ids: four,
    act: (s) => {
      s.leave(2);
      s.ring(...halves());
    },
    votes: { 1: 'NACK', 3: 'ACK', 4: 'ACK' },
  },
  {
    name: 'ffsplit: three against one needs no tie breaker',
    algorithm: FFSPLIT,
    ids: four,
    act: (s) => s.ring({ members: [1], seq: 12 }, { members: [2, 3, 4], seq: 12 }),
    votes: { 1: 'NACK', ...all('ACK', [2, 3, 4]) },
  },
  {
    name: 'ffsplit: the active part is kept',
    algorithm: FFSPLIT,
    ids: [1, 2],
    keeps: true,
    act: (s) => {
      s.ring({ members: [1, 2], seq: 8 });
      s.leave(1);
      s.ring({ members: [2], seq: 12 });
      s.back(1);
      s.report(1, { members: [1], seq: 12 });
    },
    votes: { 1: 'NACK', 2: 'ACK' },
  },
  {
    name: 'ffsplit: without that, the preferred node takes it over',
    algorithm: FFSPLIT,
    ids: [1, 2],
    act: (s) => {
      s.ring({ members: [1, 2], seq: 8 });
      s.leave(1);
      s.ring({ members: [2], seq: 12 });
      s.back(1);
      s.report(1, { members: [1], seq: 12 });
    },
    votes: { 1: 'ACK', 2: 'NACK' },
  },
  {
    name: 'lms: one ring',
    algorithm: LMS,
    ids: [1, 2, 3],
    act: (s) => s.ring({ members: [1, 2, 3], seq: 8 }),
    votes: all('ACK', [1, 2, 3]),
  },
  {
    name: 'lms: the largest part',
    algorithm: LMS,
    ids: [1, 2, 3],
    act: (s) => {
      s.ring({ members: [1, 2, 3], seq: 8 });
      s.ring({ members: [1], seq: 12 }, { members: [2, 3], seq: 12 });
    },
    votes: { 1: 'NACK', 2: 'ACK', 3: 'ACK' },
  },
  {
    name: 'lms: equal parts, lowest',
    algorithm: LMS,
    ids: four,
    act: (s) => {
      s.ring(whole());
      s.ring(...halves());
    },
    votes: { ...all('ACK', [1, 2]), ...all('NACK', [3, 4]) },
  },
  {
    name: 'lms: equal parts, a node: its whole part',
    algorithm: LMS,
    ids: four,
    options: { tieBreaker: { mode: 3, nodeId: 4 } },
    act: (s) => {
      s.ring(whole());
      s.ring(...halves());
    },
    votes: { ...all('NACK', [1, 2]), ...all('ACK', [3, 4]) },
  },
  {
    name: 'lms: the last one',
    algorithm: LMS,
    ids: [1, 2, 3],
    act: (s) => {
      s.ring({ members: [1, 2, 3], seq: 8 });
      s.leave(1);
      s.leave(2);
      s.ring({ members: [3], seq: 12 });
    },
    votes: { 3: 'ACK' },
  },
  {
    name: 'lms: who comes does not take quorum from who has it',
    algorithm: LMS,
    ids: [1, 2],
    act: (s) => {
      s.ring({ members: [1, 2], seq: 8 });
      s.leave(1);
      s.ring({ members: [2], seq: 12 });
      s.back(1);
      s.report(1, { members: [1], seq: 16 });
    },
    votes: { 1: 'NACK', 2: 'ACK' },
  },
  {
    name: '2nodelms: both',
    algorithm: TWO_LMS,
    ids: [1, 2],
    act: (s) => s.ring({ members: [1, 2], seq: 8 }),
    votes: all('ACK', [1, 2]),
  },
  {
    name: '2nodelms: cut, lowest',
    algorithm: TWO_LMS,
    ids: [1, 2],
    act: (s) => {
      s.ring({ members: [1, 2], seq: 8 });
      s.ring({ members: [1], seq: 12 }, { members: [2], seq: 12 });
    },
    votes: { 1: 'ACK', 2: 'NACK' },
  },
  {
    name: '2nodelms: heuristics before the tie breaker',
    algorithm: TWO_LMS,
    ids: [1, 2],
    act: (s) => {
      s.ring({ members: [1, 2], seq: 8, heuristics: 1 });
      s.report(1, { members: [1], seq: 12, heuristics: 2 });
      s.report(2, { members: [2], seq: 12, heuristics: 1 });
    },
    votes: { 1: 'NACK', 2: 'ACK' },
  },
  {
    name: 'test: everybody',
    algorithm: 0,
    ids: four,
    act: (s) => s.ring(...halves()),
    votes: all('ACK', four),
  },
];

function all(vote: string, ids: readonly number[]): Record<number, string> {
  return Object.fromEntries(ids.map((id) => [id, vote]));
}

for (const { name, algorithm, ids, options, keeps, act, votes } of CASES)
  t.test(name, async (t) => {
    const story = new Story(algorithm, ids, options, keeps);
    act(story);
    t.same(story.votes(), votes);
  });

t.test('ffsplit: nobody gets the vote before all others have confirmed that they have none', async (t) => {
  const harness = new ArbiterHarness();
  const [one, two] = [harness.join(1), harness.join(2)];
  const list = (client: ArbiterClient, listType: number, options: QnetOptions) =>
    harness.request(client, QnetMessageType.NODE_LIST, { sequence: 9, listType, ...options });
  for (const client of [one, two]) list(client, NodeListType.INITIAL_CONFIG, { nodes: nodes(1, 2) });
  const ringId = { nodeId: 1, seq: 8n };
  list(one, NodeListType.MEMBERSHIP, { ringId, nodes: nodes(1) });
  harness.take(two);
  list(two, NodeListType.MEMBERSHIP, { ringId: { nodeId: 2, seq: 8n }, nodes: nodes(2) });
  t.equal(one.vote, Vote.NO_CHANGE, 'the NACK to node 2 has not been confirmed');
  const nack = two.vote;
  t.not(nack, Vote.ACK);
  for (const sequence of [1, 2, 3]) harness.request(two, QnetMessageType.VOTE_INFO_REPLY, { sequence });
  t.equal(one.vote, Vote.ACK);
});

t.test('2nodelms takes two nodes', async (t) => {
  const harness = new ArbiterHarness();
  const client = harness.join(1, { algorithm: TWO_LMS });
  const options = { sequence: 1, listType: 0, nodes: nodes(1, 2, 3) };
  const reply = harness.request(client, QnetMessageType.NODE_LIST, options);
  t.match(reply, [{ type: QnetMessageType.SERVER_ERROR, sequence: 1, error: ReplyError.UNSUPPORTED_ALGORITHM }]);
});

t.test('status and list', async (t) => {
  const story = new Story(FFSPLIT, [1, 2], {}, true);
  story.ring({ members: [1, 2], seq: 8 });
  const { arbiter } = story.harness;
  const facts = { listening: '*:5403', clientsMax: 0 };
  t.equal(
    arbiterStatusText(arbiter, { ...SETTINGS, tls: TlsMode.SUPPORTED }, facts, true),
    [
      'QNetd address:\t\t\t*:5403',
      'TLS:\t\t\t\tSupported (client certificate required)',
      'Connected clients:\t\t2',
      'Connected clusters:\t\t1',
      'Maximum send/receive size:\t32768/32768 bytes',
      '',
    ].join('\n'),
  );
  t.equal(
    arbiterListText(arbiter, 'lab', false),
    [
      'Cluster "lab":',
      '    Algorithm:\t\tFifty-Fifty split (KAP Tie-breaker)',
      '    Tie-breaker:\tNode with lowest node ID',
      ...[1, 2].flatMap((id) => [
        `    Node ID ${id}:`,
        `        Client address:\t\tnode${id}`,
        '        Configured node list:\t1, 2',
        '        Membership node list:\t1, 2',
        '        Vote:\t\t\tNo change (ACK)',
      ]),
      '',
    ].join('\n'),
  );
  t.equal(arbiterListText(arbiter, 'other', false), '');
});
