import t from 'tap';
import type { ArbiterClient } from '../../src/qnet/arbiter.ts';
import { Arbiter } from '../../src/qnet/arbiter.ts';
import { Device, type DeviceEnd, type DeviceSettings } from '../../src/qnet/device.ts';
import { deviceStatusText } from '../../src/qnet/device-status.ts';
import { Heuristics, QnetMessageType, ReplyError, TlsMode } from '../../src/qnet/ids.ts';
import { decodeQnet, encodeQnet } from '../../src/qnet/messages.ts';
import { nodes, SETTINGS } from './arbiter-harness.ts';

/** Devices of a cluster and their arbiter, both real, with a queue between them instead of a network. */
class Cluster {
  readonly devices = new Map<number, Device>();
  readonly polls = new Map<number, boolean>();
  readonly ends = new Map<number, DeviceEnd>();
  readonly heuristics = new Map<number, number>();
  private readonly clients = new Map<number, ArbiterClient>();
  private queue: (() => void)[] = [];
  private readonly armed = new Set<ArbiterClient>();
  readonly arbiter: Arbiter;
  private seq = 8n;

  constructor(
    private readonly ids: readonly number[],
    private readonly settings: Partial<DeviceSettings> = {},
    tls: number = TlsMode.UNSUPPORTED,
  ) {
    this.arbiter = new Arbiter(
      { ...SETTINGS, tls },
      {
        send: (client, message) => {
          const id = this.idOf(client);
          this.queue.push(() => {
            if (this.clients.get(id) === client) this.devices.get(id)?.received(message);
          });
        },
        startTls: () => {},
        disconnect: (client) => this.queue.push(() => this.cut(this.idOf(client))),
        certificateIsFor: () => true,
        heartbeatChanged: () => {},
        setTimer: (client, on) => (on ? this.armed.add(client) : this.armed.delete(client)),
        log: () => {},
      },
    );
    for (const id of ids) this.devices.set(id, this.device(id));
    this.ring(ids);
    for (const id of ids) this.connect(id);
  }

  private idOf(client: ArbiterClient): number {
    return Number(client.address);
  }

  private device(id: number): Device {
    const settings: DeviceSettings = {
      clusterName: 'lab',
      nodeId: id,
      algorithm: 1,
      tieBreaker: { mode: 1, nodeId: 0 },
      tls: TlsMode.SUPPORTED,
      heartbeatMs: 8000,
      keepActivePartition: true,
      waitForAll: false,
      requestBytesMin: 32768,
      replyBytesMax: 1 << 24,
      ...this.settings,
    };
    const device: Device = new Device(settings, {
      send: (message) => {
        const client = this.clients.get(id);
        if (client !== undefined) this.queue.push(() => this.arbiter.received(client, message));
      },
      startTls: () => {},
      setReplyBytesMax: () => {},
      poll: (vote) => this.polls.set(id, vote),
      setVoteTimer: (on) => on || this.polls.delete(id),
      setEchoTimer: () => {},
      setHeuristicsTimer: () => {},
      runHeuristics: () =>
        this.queue.push(() => device.heuristicsDone(this.heuristics.get(id) ?? Heuristics.UNDEFINED)),
      heuristicsAreEnabled: () => false,
      established: () => {},
      disconnect: (why) => {
        this.ends.set(id, why);
        this.queue.push(() => this.cut(id));
      },
      log: () => {},
    });
    device.configurationChanged(nodes(...this.ids), 3n);
    return device;
  }

  /** The nodes form rings; votequorum counts then. */
  ring(...parts: readonly (readonly number[])[]): void {
    this.seq += 4n;
    for (const part of parts)
      for (const id of part) this.devices.get(id)?.membershipChanged({ nodeId: part[0]!, seq: this.seq }, part);
    this.settle();
    for (const part of parts)
      for (const id of part) this.devices.get(id)?.quorumChanged(this.polls.get(id) === true, nodes(...this.ids));
    this.settle();
  }

  connect(id: number): void {
    this.clients.set(id, this.arbiter.connected(String(id)));
    this.devices.get(id)?.opened();
    this.settle();
  }

  cut(id: number): void {
    const client = this.clients.get(id);
    if (client === undefined) return;
    this.clients.delete(id);
    this.arbiter.disconnected(client);
    this.devices.get(id)?.closed(this.ends.get(id) ?? 'serverClosed');
  }

  settle(): void {
    for (let turns = 0; turns < 20; turns++) {
      while (this.queue.length > 0) this.queue.shift()?.();
      for (const client of [...this.armed]) {
        this.armed.delete(client);
        this.arbiter.timer(client);
      }
      for (const device of this.devices.values()) device.voteTimer();
    }
  }

  votes(): string {
    const show = (id: number): string => ({ true: '+', false: '-' })[String(this.polls.get(id))] ?? '.';
    return this.ids.map((id) => `${id}${show(id)}`).join(' ');
  }
}

const four = [1, 2, 3, 4];
for (const [algorithm, name] of [
  [1, 'ffsplit'],
  [3, 'lms'],
] as const)
  t.test(`${name}: cut in half, server lost, server back, healed`, async (t) => {
    const cluster = new Cluster(four, { algorithm }, TlsMode.SUPPORTED);
    t.equal(cluster.votes(), '1+ 2+ 3+ 4+', 'whole');
    t.ok([...cluster.devices.values()].every(({ state, usesTls }) => state === 'connected' && usesTls));
    cluster.ring([1, 2], [3, 4]);
    t.equal(cluster.votes(), '1+ 2+ 3- 4-', 'halves');
    cluster.ring(four);
    t.equal(cluster.votes(), '1+ 2+ 3+ 4+', 'healed');
    for (const id of four) cluster.cut(id);
    cluster.settle();
    t.equal(cluster.votes(), '1- 2- 3- 4-', 'server lost: nobody votes');
    cluster.ring([1, 2], [3, 4]);
    t.equal(cluster.votes(), '1- 2- 3- 4-', 'nor after a change');
    for (const id of four) cluster.connect(id);
    t.equal(cluster.votes(), '1+ 2+ 3- 4-', 'server back: one half has the vote');
    cluster.ring(four);
    t.equal(cluster.votes(), '1+ 2+ 3+ 4+', 'healed again');
  });

t.test('there are never two halves with the vote, in whatever order who is cut off', async (t) => {
  for (const algorithm of [1, 3])
    for (let seed = 0; seed < 200; seed++) {
      const cluster = new Cluster(four, { algorithm });
      let bits = seed * 2_654_435_761;
      for (let step = 0; step < 12; step++) {
        bits = (Math.imul(bits, 1_103_515_245) + 12_345) >>> 0;
        const id = 1 + ((bits >>> 16) % 4);
        if ((bits >>> 20) % 3 === 0) cluster.cut(id);
        else if ((bits >>> 20) % 3 === 1) cluster.ring([1, 2], [3, 4]);
        else cluster.ring(four);
        for (const other of four)
          if ((bits >>> (8 + other)) % 2 === 0 && cluster.devices.get(other)?.state !== 'connected')
            cluster.connect(other);
        cluster.settle();
        const parts = new Map<string, string>();
        for (const [node, device] of cluster.devices)
          if (cluster.polls.get(node) === true) parts.set(device.members.join(), `${device.ringId.nodeId}`);
        if (parts.size > 1) t.fail(`algorithm ${algorithm}, seed ${seed}, step ${step}: ${cluster.votes()}`);
      }
    }
});

t.test('lms with wait_for_all keeps its vote when the server dies', async (t) => {
  const cluster = new Cluster([1, 2], { algorithm: 3, waitForAll: true });
  cluster.ring([1, 2]);
  cluster.cut(1);
  cluster.settle();
  t.equal(cluster.votes(), '1+ 2+');
  t.equal(cluster.devices.get(1)?.closed('serverError'), true, 'and comes again whatever the reason');
});

t.test('heuristics decide', async (t) => {
  const cluster = new Cluster(four);
  cluster.heuristics.set(3, Heuristics.PASS);
  cluster.heuristics.set(1, Heuristics.FAIL);
  cluster.ring([1, 2], [3, 4]);
  t.equal(cluster.votes(), '1- 2- 3+ 4+');
  cluster.heuristics.set(3, Heuristics.FAIL);
  cluster.heuristics.set(1, Heuristics.PASS);
  for (const id of [1, 3]) cluster.devices.get(id)?.heuristicsTimer();
  cluster.settle();
  t.equal(cluster.votes(), '1+ 2+ 3- 4-', 'a change at regular heuristics moves the vote');
});

t.test('what a server may not send', async (t) => {
  const cases: readonly (readonly [string, Uint8Array, DeviceEnd])[] = [
    ['what cannot be decoded', Uint8Array.of(0, 1, 0, 0, 0, 1, 0), 'undecodable'],
    ['INIT', encodeQnet(QnetMessageType.INIT, {}), 'unexpectedMessage'],
    ['PREINIT_REPLY again', encodeQnet(QnetMessageType.PREINIT_REPLY, {}), 'unexpectedMessage'],
    ['an error', encodeQnet(QnetMessageType.SERVER_ERROR, { error: 9 }), 'serverError'],
    ['a vote without a ring', encodeQnet(QnetMessageType.VOTE_INFO, { sequence: 1, vote: 1 }), 'optionMissing'],
    ['an echo that nobody asked for', encodeQnet(QnetMessageType.ECHO_REPLY, { sequence: 99 }), 'echoMissing'],
  ];
  for (const [name, message, why] of cases) {
    const cluster = new Cluster([1, 2]);
    cluster.devices.get(1)?.received(message);
    t.equal(cluster.ends.get(1), why, name);
  }
  const old = new Cluster([1, 2]);
  const ringId = { nodeId: 1, seq: 1n };
  old.devices.get(1)?.received(encodeQnet(QnetMessageType.VOTE_INFO, { sequence: 7, vote: 2, ringId }));
  t.equal(old.votes(), '1+ 2+', 'a vote for another ring changes nothing');
});

t.test('INIT refused', async (t) => {
  for (const [error, why] of [
    [ReplyError.DUPLICATE_NODE_ID, 'otherNodesDiffer'],
    [ReplyError.ALGORITHM_DIFFERS, 'otherNodesDiffer'],
    [ReplyError.INVALID_HEARTBEAT, 'serverError'],
  ] as const) {
    const sent: Uint8Array[] = [];
    const ends: DeviceEnd[] = [];
    const none = (): void => {};
    const device = new Device(new Cluster([1]).devices.get(1)!.settings, {
      send: (message) => sent.push(message),
      startTls: none,
      setReplyBytesMax: none,
      poll: none,
      setVoteTimer: none,
      setEchoTimer: none,
      setHeuristicsTimer: none,
      runHeuristics: none,
      heuristicsAreEnabled: () => false,
      established: none,
      disconnect: (end) => ends.push(end),
      log: none,
    });
    device.opened();
    const last = (): number => decodeQnet(sent.at(-1)!)?.sequence ?? -1;
    device.received(
      encodeQnet(QnetMessageType.PREINIT_REPLY, { sequence: last(), tlsSupported: 0, clientCertificateRequired: 1 }),
    );
    device.received(encodeQnet(QnetMessageType.INIT_REPLY, { error, sequence: last() }));
    t.same(ends, [why]);
    t.equal(device.closed(why), why === 'otherNodesDiffer', 'whether it comes again');
  }
});

t.test('status', async (t) => {
  const cluster = new Cluster([1, 2]);
  const facts = {
    timeoutMs: 10_000,
    syncTimeoutMs: 30_000,
    connectTimeoutMs: 8000,
    voteTimerMs: 5000,
    heuristicsMode: 'Disabled',
    expectedVotes: 3,
    host: 'arbiter',
    port: 5403,
    forcedIpVersion: 0,
    certificateSent: false,
    lastPoll: '2026-01-31T12:00:00',
    lastPollVote: true,
    connectedSince: '2026-01-31T11:00:00',
    lastEcho: null,
  } as const;
  t.equal(
    deviceStatusText(cluster.devices.get(1)!, facts, false),
    [
      'Qdevice information',
      '-------------------',
      'Model:\t\t\tNet',
      'Node ID:\t\t1',
      'Configuration version:\t3',
      'Configured node list:',
      '    0\tNode ID = 1',
      '    1\tNode ID = 2',
      'Membership node list:\t1, 2',
      '',
      'Qdevice-net information',
      '----------------------',
      'Cluster name:\t\tlab',
      'QNetd host:\t\tarbiter:5403',
      'Algorithm:\t\tFifty-Fifty split',
      'Tie-breaker:\t\tNode with lowest node ID',
      'State:\t\t\tConnected',
      '',
    ].join('\n'),
  );
  t.match(deviceStatusText(cluster.devices.get(1)!, facts, true), /Poll timer running:\tYes \(cast vote\)\n/);
});
