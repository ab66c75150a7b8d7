import type { LogLevel } from '../lib/log.ts';
import { printable } from '../lib/printable.ts';
import { rulesOf } from './algorithms/index.ts';
import type { Rules, Voter, VoteVerdict } from './algorithms/rules.ts';
import {
  DECISION_ALGORITHMS,
  Heuristics,
  NodeListType,
  QNET_MESSAGE_TYPES,
  QnetMessageType,
  ReplyError,
  TlsMode,
  Vote,
} from './ids.ts';
import {
  CLUSTER_NODES_MAX,
  decodeQnet,
  echoReply,
  encodeQnet,
  QNET_OPTION_NUMBERS,
  type QnetMessage,
  type QnetNode,
  type QnetOptions,
  type QnetRingId,
  type QnetTieBreaker,
} from './messages.ts';

/** Lines of a configuration are not longer. */
const CLUSTER_NAME_BYTES_MAX = 512;
/** A node of a cluster, connected. Made by `Arbiter.connected`; only the arbiter changes it. */
export class ArbiterClient implements Voter {
  clusterName: string | null = null;
  cluster: ArbiterCluster | null = null;
  nodeId = 0;
  algorithm = 0;
  tieBreaker: QnetTieBreaker = { mode: 0, nodeId: 0 };
  keepsActivePartition = false;
  heartbeatMs: number;
  configuration: readonly QnetNode[] = [];
  configVersion: bigint | null = null;
  membership: readonly QnetNode[] = [];
  ringId: QnetRingId = { nodeId: 0, seq: 0n };
  quorumList: readonly QnetNode[] = [];
  heuristics: number = Heuristics.UNDEFINED;
  membershipHeuristics: number = Heuristics.UNDEFINED;
  regularHeuristics: number = Heuristics.UNDEFINED;
  vote: number = Vote.UNDEFINED;
  decidedVote: number = Vote.UNDEFINED;
  tlsStarted = false;
  certificateVerified = false;
  timerSequence = 0;

  constructor(
    /** `address:port`, as the tools show it. */
    readonly address: string,
    heartbeatMs: number,
  ) {
    this.heartbeatMs = heartbeatMs;
  }
}

export interface ArbiterCluster {
  readonly name: string;
  readonly clients: ArbiterClient[];
  readonly rules: Rules<ArbiterClient>;
}

export interface ArbiterSettings {
  /** `TlsMode`. */
  readonly tls: number;
  readonly clientCertificateRequired: boolean;
  readonly heartbeatMsMin: number;
  readonly heartbeatMsMax: number;
  readonly receiveBytesMax: number;
  readonly sendBytesMax: number;
  /** Of clients that do not say. */
  readonly keepActivePartition: boolean;
  /** All clusters; 0: no limit. */
  readonly clustersMax: number;
  /** Nodes in the lists of all clients. */
  readonly listedNodesMax: number;
}

export interface ArbiterPorts {
  send(client: ArbiterClient, message: Uint8Array): void;
  /** What comes behind the message is TLS. */
  startTls(client: ArbiterClient): void;
  /** Ends the connection, soon: `disconnected` is called then, and not from within. */
  disconnect(client: ArbiterClient): void;
  /** Whether the certificate that the client showed is for this name; `null`: it showed none. */
  certificateIsFor(client: ArbiterClient, clusterName: string): boolean | null;
  heartbeatChanged(client: ArbiterClient): void;
  /** `timer` is called once, after a quarter of the client's heartbeat interval; or not any more. */
  setTimer(client: ArbiterClient, on: boolean): void;
  log(level: LogLevel, message: string, kind?: string): void;
}

type Handler = (client: ArbiterClient, message: QnetMessage, bytes: Uint8Array) => void;

/** The arbiter's side of the protocol (qnet.md 4): clusters, their clients, their votes. */
export class Arbiter {
  readonly clusters = new Map<string, ArbiterCluster>();
  readonly clients = new Set<ArbiterClient>();
  private listed = 0;
  private readonly handlers: Readonly<Partial<Record<number, Handler>>> = {
    [QnetMessageType.PREINIT]: (client, message) => this.preinit(client, message),
    [QnetMessageType.STARTTLS]: (client, message) => this.startTls(client, message),
    [QnetMessageType.INIT]: (client, message) => this.init(client, message),
    [QnetMessageType.SET_OPTION]: (client, message) => this.setOption(client, message),
    [QnetMessageType.ECHO_REQUEST]: (client, _message, bytes) => this.ports.send(client, echoReply(bytes)),
    [QnetMessageType.NODE_LIST]: (client, message) => this.nodeList(client, message),
    [QnetMessageType.ASK_FOR_VOTE]: (client, message) => this.askForVote(client, message),
    [QnetMessageType.VOTE_INFO_REPLY]: (client, message) => this.voteInfoReply(client, message),
    [QnetMessageType.HEURISTICS_CHANGE]: (client, message) => this.heuristicsChange(client, message),
  };

  constructor(
    private readonly settings: ArbiterSettings,
    private readonly ports: ArbiterPorts,
  ) {}

  connected(address: string): ArbiterClient {
    const client = new ArbiterClient(address, this.settings.heartbeatMsMax);
    this.clients.add(client);
    return client;
  }

  /** The connection has ended. `serverEnds`: nobody gets a vote any more. */
  disconnected(client: ArbiterClient, serverEnds = false): void {
    if (!this.clients.delete(client)) return;
    this.listed -= listedBy(client);
    const { cluster } = client;
    if (cluster === null) return;
    this.ports.log('debug', `Client ${client.address} (${who(client)}) disconnect`, 'client left');
    cluster.rules.left(client, serverEnds);
    this.ports.setTimer(client, false);
    cluster.clients.splice(cluster.clients.indexOf(client), 1);
    if (cluster.clients.length === 0) this.clusters.delete(cluster.name);
  }

  received(client: ArbiterClient, bytes: Uint8Array): void {
    const message = decodeQnet(bytes);
    if (message === null) {
      this.ports.log('error', `Client ${client.address} sent a message that cannot be decoded`, 'undecodable');
      this.refuse(client, {}, ReplyError.UNDECODABLE);
      return;
    }
    const handler = this.handlers[message.type];
    if (handler === undefined) {
      const text = `Received message ${message.type} of client ${client.address}, which only a server sends`;
      this.ports.log('error', text, 'unexpected message');
      this.refuse(client, message, ReplyError.UNEXPECTED_MESSAGE);
      return;
    }
    const begins = message.type === QnetMessageType.PREINIT || message.type === QnetMessageType.STARTTLS;
    if (!begins && !this.isSecure(client, message)) return;
    if (!begins && message.type !== QnetMessageType.INIT && client.cluster === null) {
      this.refuse(client, message, ReplyError.INIT_REQUIRED);
      return;
    }
    handler(client, message, bytes);
  }

  /** A message was skipped (framer). */
  skipped(client: ArbiterClient, error: number): void {
    this.refuse(client, {}, error);
  }

  timer(client: ArbiterClient): void {
    if (client.cluster === null) return;
    const { vote, again } = client.cluster.rules.timer(client);
    if (vote !== null) {
      client.timerSequence += 1;
      this.sendVote(client, client.timerSequence, client.ringId, vote);
    }
    if (again) this.ports.setTimer(client, true);
  }

  private refuse(client: ArbiterClient, { sequence }: QnetOptions, error: number): void {
    this.ports.send(client, encodeQnet(QnetMessageType.SERVER_ERROR, { ...numbered(sequence), error }));
  }

  private isSecure(client: ArbiterClient, message: QnetMessage): boolean {
    const { tls, clientCertificateRequired } = this.settings;
    if (tls === TlsMode.REQUIRED && !client.tlsStarted) {
      this.ports.log('error', `TLS is required, and client ${client.address} has not started it`, 'TLS required');
      this.refuse(client, message, ReplyError.TLS_REQUIRED);
      return false;
    }
    if (!client.tlsStarted || !clientCertificateRequired || client.certificateVerified) return true;
    const name = client.clusterName ?? '';
    const verified = this.ports.certificateIsFor(client, name);
    if (verified === true) {
      client.certificateVerified = true;
      return true;
    }
    const what = verified === null ? 'showed no certificate' : `has a certificate that is not for ${printable(name)}`;
    this.ports.log('error', `Client ${client.address} ${what}. Disconnecting`, 'certificate refused');
    this.ports.disconnect(client);
    return false;
  }

  private preinit(client: ArbiterClient, message: QnetMessage): void {
    if (message.clusterName === undefined) {
      this.refuse(client, message, ReplyError.REQUIRED_OPTION_MISSING);
      return;
    }
    if (message.clusterName.length > CLUSTER_NAME_BYTES_MAX) {
      this.refuse(client, message, ReplyError.UNDECODABLE);
      return;
    }
    // Its cluster is that of its INIT, and its certificate was judged by this name.
    if (client.cluster === null && !client.certificateVerified)
      client.clusterName = new TextDecoder().decode(message.clusterName);
    const { tls, clientCertificateRequired } = this.settings;
    this.ports.send(
      client,
      encodeQnet(QnetMessageType.PREINIT_REPLY, {
        ...numbered(message.sequence),
        tlsSupported: tls,
        clientCertificateRequired: clientCertificateRequired ? 1 : 0,
      }),
    );
  }

  private startTls(client: ArbiterClient, message: QnetMessage): void {
    if (client.clusterName === null) {
      this.refuse(client, message, ReplyError.PREINIT_REQUIRED);
      return;
    }
    if (client.tlsStarted || this.settings.tls === TlsMode.UNSUPPORTED) {
      this.ports.log('error', `Client ${client.address} starts TLS where it cannot. Disconnecting`, 'TLS refused');
      this.ports.disconnect(client);
      return;
    }
    client.tlsStarted = true;
    this.ports.startTls(client);
  }

  private init(client: ArbiterClient, message: QnetMessage): void {
    const error = client.cluster === null ? this.initError(client, message) : ReplyError.UNEXPECTED_MESSAGE;
    if (error !== ReplyError.NONE)
      this.ports.log('error', `INIT of client ${client.address} refused: error ${error}`, 'INIT refused');
    const { receiveBytesMax, sendBytesMax } = this.settings;
    this.ports.send(
      client,
      encodeQnet(QnetMessageType.INIT_REPLY, {
        error,
        ...(message.supportedMessages === undefined ? {} : { supportedMessages: QNET_MESSAGE_TYPES }),
        ...(message.supportedOptions === undefined ? {} : { supportedOptions: QNET_OPTION_NUMBERS }),
        ...numbered(message.sequence),
        requestBytesMax: receiveBytesMax,
        replyBytesMax: sendBytesMax,
        supportedAlgorithms: DECISION_ALGORITHMS,
      }),
    );
  }

  private initError(client: ArbiterClient, message: QnetMessage): number {
    const { nodeId, ringId, heartbeatMs, tieBreaker, algorithm } = message;
    const { heartbeatMsMin, heartbeatMsMax, keepActivePartition } = this.settings;
    if (client.clusterName === null) return ReplyError.PREINIT_REQUIRED;
    if (nodeId === undefined || ringId === undefined || heartbeatMs === undefined)
      return ReplyError.REQUIRED_OPTION_MISSING;
    if (tieBreaker === undefined || algorithm === undefined) return ReplyError.REQUIRED_OPTION_MISSING;
    if (heartbeatMs < heartbeatMsMin || heartbeatMs > heartbeatMsMax) return ReplyError.INVALID_HEARTBEAT;
    if (!DECISION_ALGORITHMS.includes(algorithm)) return ReplyError.UNSUPPORTED_ALGORITHM;
    Object.assign(client, { nodeId, ringId, heartbeatMs, tieBreaker, algorithm });
    client.keepsActivePartition = keepActivePartition;
    const cluster = this.clusters.get(client.clusterName);
    if ((cluster?.clients.length ?? 0) >= CLUSTER_NODES_MAX) return ReplyError.INTERNAL;
    for (const other of cluster?.clients ?? []) {
      if (other.tieBreaker.mode !== tieBreaker.mode || other.tieBreaker.nodeId !== tieBreaker.nodeId)
        return ReplyError.TIE_BREAKER_DIFFERS;
      if (other.algorithm !== algorithm) return ReplyError.ALGORITHM_DIFFERS;
      if (other.nodeId === nodeId) return ReplyError.DUPLICATE_NODE_ID;
    }
    const joined = cluster ?? this.newCluster(client.clusterName, algorithm);
    if (joined === null) return ReplyError.INTERNAL;
    // By node id, as the tools list them.
    const at = joined.clients.findIndex((other) => other.nodeId > nodeId);
    joined.clients.splice(at < 0 ? joined.clients.length : at, 0, client);
    client.cluster = joined;
    joined.rules.joined(client);
    this.ports.heartbeatChanged(client);
    this.ports.log('debug', `New client connected: ${client.address} (${who(client)})`, 'client came');
    return ReplyError.NONE;
  }

  private newCluster(name: string, algorithm: number): ArbiterCluster | null {
    const { clustersMax } = this.settings;
    if (clustersMax !== 0 && this.clusters.size >= clustersMax) return null;
    const clients: ArbiterClient[] = [];
    const rules = rulesOf<ArbiterClient>(algorithm, {
      voters: () => clients,
      sendVote: (client, sequence, ringId, vote) => this.sendVote(client, sequence, ringId, vote),
      setTimer: (client, on) => this.ports.setTimer(client, on),
      log: (level, text, kind) => this.ports.log(level, text, kind),
    });
    if (rules === null) return null;
    const cluster = { name, clients, rules };
    this.clusters.set(name, cluster);
    return cluster;
  }

  private sendVote(client: ArbiterClient, sequence: number, ringId: QnetRingId, vote: number): void {
    noteVote(client, vote);
    this.ports.send(client, encodeQnet(QnetMessageType.VOTE_INFO, { sequence, vote, ringId }));
  }

  private setOption(client: ArbiterClient, message: QnetMessage): void {
    const { sequence, heartbeatMs, keepActivePartition } = message;
    if (heartbeatMs !== undefined) {
      if (heartbeatMs < this.settings.heartbeatMsMin || heartbeatMs > this.settings.heartbeatMsMax) {
        this.refuse(client, message, ReplyError.INVALID_HEARTBEAT);
        return;
      }
      client.heartbeatMs = heartbeatMs;
      this.ports.heartbeatChanged(client);
    }
    if (keepActivePartition !== undefined) client.keepsActivePartition = keepActivePartition === 1;
    this.ports.send(
      client,
      encodeQnet(QnetMessageType.SET_OPTION_REPLY, {
        ...numbered(sequence),
        ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
        ...(keepActivePartition === undefined ? {} : { keepActivePartition }),
      }),
    );
  }

  private nodeList(client: ArbiterClient, message: QnetMessage): void {
    const { sequence, listType, nodes = [], configVersion } = message;
    if (this.listed + nodes.length > this.settings.listedNodesMax) {
      this.ports.log('error', `The lists of all clients have ${this.listed} nodes: no more are kept`, 'lists full');
      this.refuse(client, message, ReplyError.INTERNAL);
      return;
    }
    const before = listedBy(client);
    const judged = this.judgeList(client, message, nodes);
    if (sequence === undefined || listType === undefined || judged === null) {
      this.refuse(client, message, ReplyError.REQUIRED_OPTION_MISSING);
      return;
    }
    if (judged.error !== undefined) {
      this.refuse(client, message, judged.error);
      return;
    }
    switch (listType) {
      case NodeListType.MEMBERSHIP:
        client.membership = nodes;
        client.ringId = message.ringId ?? client.ringId;
        client.membershipHeuristics = message.heuristics ?? Heuristics.UNDEFINED;
        client.heuristics = client.membershipHeuristics;
        break;
      case NodeListType.QUORUM:
        client.quorumList = nodes;
        break;
      default:
        client.configuration = nodes;
        client.configVersion = configVersion ?? null;
    }
    this.listed += listedBy(client) - before;
    noteVote(client, judged.vote);
    const { ringId } = client;
    const reply = { sequence, listType, ringId, vote: judged.vote };
    this.ports.send(client, encodeQnet(QnetMessageType.NODE_LIST_REPLY, reply));
  }

  /** `null`: an option is missing. */
  private judgeList(client: ArbiterClient, message: QnetMessage, nodes: readonly QnetNode[]): VoteVerdict | null {
    const { sequence, listType, ringId, quorate, heuristics = Heuristics.UNDEFINED } = message;
    const rules = client.cluster?.rules;
    if (sequence === undefined || listType === undefined || rules === undefined) return null;
    switch (listType) {
      case NodeListType.MEMBERSHIP:
        return ringId === undefined ? null : rules.membership(client, ringId, nodes, heuristics);
      case NodeListType.QUORUM:
        return quorate === undefined ? null : rules.quorum(client);
      default:
        return rules.configured(client, nodes, listType === NodeListType.INITIAL_CONFIG);
    }
  }

  private askForVote(client: ArbiterClient, message: QnetMessage): void {
    const { sequence } = message;
    const judged = client.cluster?.rules.askedForVote(client);
    if (sequence === undefined || judged === undefined) {
      this.refuse(client, message, ReplyError.REQUIRED_OPTION_MISSING);
      return;
    }
    if (judged.error !== undefined) {
      this.refuse(client, message, judged.error);
      return;
    }
    noteVote(client, judged.vote);
    const reply = { sequence, vote: judged.vote, ringId: client.ringId };
    this.ports.send(client, encodeQnet(QnetMessageType.ASK_FOR_VOTE_REPLY, reply));
  }

  private voteInfoReply(client: ArbiterClient, message: QnetMessage): void {
    if (message.sequence === undefined) {
      this.refuse(client, message, ReplyError.REQUIRED_OPTION_MISSING);
      return;
    }
    client.cluster?.rules.voteInfoReplied(client, message.sequence);
  }

  private heuristicsChange(client: ArbiterClient, message: QnetMessage): void {
    const { sequence, heuristics = Heuristics.UNDEFINED } = message;
    if (sequence === undefined || heuristics === Heuristics.UNDEFINED || client.cluster === null) {
      this.refuse(client, message, ReplyError.REQUIRED_OPTION_MISSING);
      return;
    }
    const judged = client.cluster.rules.heuristics(client, heuristics);
    if (judged.error !== undefined) {
      this.refuse(client, message, judged.error);
      return;
    }
    noteVote(client, judged.vote);
    client.regularHeuristics = heuristics;
    client.heuristics = heuristics;
    const reply = { sequence, vote: judged.vote, ringId: client.ringId, heuristics };
    this.ports.send(client, encodeQnet(QnetMessageType.HEURISTICS_CHANGE_REPLY, reply));
  }
}

function noteVote(client: ArbiterClient, vote: number): void {
  client.vote = vote;
  if (vote === Vote.ACK || vote === Vote.NACK) client.decidedVote = vote;
}

const listedBy = ({ configuration, membership, quorumList }: ArbiterClient): number =>
  configuration.length + membership.length + quorumList.length;

const numbered = (sequence: number | undefined): QnetOptions => (sequence === undefined ? {} : { sequence });
const who = ({ clusterName, nodeId }: ArbiterClient): string =>
  `cluster ${printable(clusterName ?? '')}, node_id ${nodeId}`;
