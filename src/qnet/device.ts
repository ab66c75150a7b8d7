import type { LogLevel } from '../lib/log.ts';
import {
  DecisionAlgorithm,
  Heuristics,
  NodeListType,
  QNET_MESSAGE_TYPES,
  QnetMessageType,
  ReplyError,
  TlsMode,
  VOTE_NAMES,
  Vote,
} from './ids.ts';
import {
  decodeQnet,
  encodeQnet,
  HEURISTICS_OPTION,
  KEEP_ACTIVE_PARTITION_OPTION,
  QNET_OPTION_NUMBERS,
  type QnetMessage,
  type QnetNode,
  type QnetOptions,
  type QnetRingId,
  type QnetTieBreaker,
  sameQnetRing,
} from './messages.ts';

export interface DeviceSettings {
  readonly clusterName: string;
  readonly nodeId: number;
  /** `DecisionAlgorithm`. */
  readonly algorithm: number;
  readonly tieBreaker: QnetTieBreaker;
  /** `TlsMode`. */
  readonly tls: number;
  readonly heartbeatMs: number;
  readonly keepActivePartition: boolean;
  readonly waitForAll: boolean;
  readonly requestBytesMin: number;
  readonly replyBytesMax: number;
}

/** Why a connection, or the device, ends. Those of `RECONNECTS` are tried again. */
export type DeviceEnd =
  | 'cannotConnect'
  | 'serverClosed'
  | 'undecodable'
  | 'echoMissing'
  | 'otherNodesDiffer'
  | 'unexpectedMessage'
  | 'optionMissing'
  | 'incompatible'
  | 'serverError'
  | 'votesInvalid'
  | 'shutdown'
  | 'corosyncClosed';
const RECONNECTS: ReadonlySet<DeviceEnd> = new Set([
  'cannotConnect',
  'serverClosed',
  'undecodable',
  'echoMissing',
  'otherNodesDiffer',
] as const);
const FINAL: ReadonlySet<DeviceEnd> = new Set(['shutdown', 'corosyncClosed'] as const);

export type DeviceState = 'connecting' | 'preinit' | 'init' | 'heuristics' | 'connected' | 'failed';

export interface DevicePorts {
  send(message: Uint8Array): void;
  /** STARTTLS has been sent; what is sent from now on goes through TLS. */
  startTls(): void;
  /** Messages of the server may have this many bytes from now on. */
  setReplyBytesMax(bytes: number): void;
  /** Polls votequorum with this vote. */
  poll(castVote: boolean): void;
  /** `voteTimer` is called regularly, or not any more. */
  setVoteTimer(on: boolean): void;
  /** `echoTimer` is called each heartbeat interval, or not any more. */
  setEchoTimer(on: boolean): void;
  /** `heuristicsTimer` is called once, after the interval, where heuristics are enabled; or not any more. */
  setHeuristicsTimer(on: boolean): void;
  /** Runs them; one that runs already is superseded. `heuristicsDone` is called with the result, UNDEFINED where they are disabled. */
  runHeuristics(): void;
  heuristicsAreEnabled(): boolean;
  /** The server is there: the connect timeout is over. */
  established(): void;
  /** Ends the connection, and has `closed` called, soon. */
  disconnect(why: DeviceEnd): void;
  log(level: LogLevel, message: string, kind?: string): void;
}

interface DeviceHandler {
  readonly state: DeviceState | null;
  handle(message: QnetMessage): void;
}

type Purpose = 'membership' | 'connect' | 'regular';

/** The device's side of the protocol (qnet.md 4, 9): what it sends, and when it votes. */
export class Device {
  state: DeviceState = 'connecting';
  vote: number = Vote.ASK_LATER;
  votes = false;
  paused = false;
  usesTls = false;
  keepsActivePartitionKnown = false;
  heuristics: number = Heuristics.UNDEFINED;
  regularHeuristics: number = Heuristics.UNDEFINED;
  membershipHeuristics: number = Heuristics.UNDEFINED;
  connectHeuristics: number = Heuristics.UNDEFINED;
  configuration: readonly QnetNode[] = [];
  configVersion: bigint | null = null;
  ringId: QnetRingId = { nodeId: 0, seq: 0n };
  members: readonly number[] = [];
  quorate = false;
  quorumList: readonly QnetNode[] = [];
  private sentRingId: QnetRingId | null = null;
  private sequence = 1;
  private echoSent = 0;
  private echoReceived = 0;
  private serverHasHeuristics = false;
  private readonly purposes = new Set<Purpose>();

  /** What a server may send, and in which state; `null`: in any. */
  private readonly handlers: Readonly<Partial<Record<number, DeviceHandler>>> = {
    [QnetMessageType.PREINIT_REPLY]: { state: 'preinit', handle: (message) => this.preinitReply(message) },
    [QnetMessageType.INIT_REPLY]: { state: 'init', handle: (message) => this.initReply(message) },
    [QnetMessageType.SERVER_ERROR]: { state: null, handle: (message) => this.serverError(message) },
    [QnetMessageType.SET_OPTION_REPLY]: { state: 'connected', handle: () => {} },
    [QnetMessageType.ECHO_REPLY]: { state: null, handle: (message) => this.echoReply(message) },
    [QnetMessageType.NODE_LIST_REPLY]: { state: 'connected', handle: (message) => this.voted(message) },
    [QnetMessageType.ASK_FOR_VOTE_REPLY]: { state: 'connected', handle: (message) => this.voted(message) },
    [QnetMessageType.HEURISTICS_CHANGE_REPLY]: { state: 'connected', handle: (message) => this.voted(message) },
    [QnetMessageType.VOTE_INFO]: { state: 'connected', handle: (message) => this.voted(message) },
  };

  constructor(
    readonly settings: DeviceSettings,
    private readonly ports: DevicePorts,
  ) {}

  /** TCP is connected. */
  opened(): void {
    this.state = 'preinit';
    this.send(QnetMessageType.PREINIT, { clusterName: new TextEncoder().encode(this.settings.clusterName) });
  }

  /** The connection is over, or could not be made. Returns whether another is to be made. */
  closed(why: DeviceEnd): boolean {
    this.ports.setEchoTimer(false);
    this.paused = false;
    const { algorithm, waitForAll } = this.settings;
    const keeps = algorithm === DecisionAlgorithm.LMS && this.quorate && waitForAll;
    const losesVote = algorithm === DecisionAlgorithm.FFSPLIT || (algorithm === DecisionAlgorithm.LMS && !keeps);
    if (losesVote) this.setVote(Vote.NACK);
    this.state = why === 'cannotConnect' ? 'failed' : 'connecting';
    this.usesTls = false;
    this.sentRingId = null;
    return !FINAL.has(why) && (algorithm === DecisionAlgorithm.LMS || RECONNECTS.has(why));
  }

  /** Another attempt begins. */
  connects(): void {
    this.state = 'connecting';
  }

  received(bytes: Uint8Array): void {
    const message = decodeQnet(bytes);
    if (message === null) {
      this.ports.disconnect('undecodable');
      return;
    }
    const row = this.handlers[message.type];
    if (row === undefined || (row.state !== null && row.state !== this.state)) this.unexpected(message);
    else row.handle(message);
  }

  /** votequorum has a new ring: until heuristics are done, it is not polled. */
  membershipChanged(ringId: QnetRingId, members: readonly number[]): void {
    this.ports.setHeuristicsTimer(false);
    this.purposes.delete('regular');
    this.ringId = ringId;
    this.members = members;
    this.disconnectedChange();
    this.paused = true;
    this.purposes.add('membership');
    this.ports.runHeuristics();
  }

  /** votequorum has counted. */
  quorumChanged(quorate: boolean, nodes: readonly QnetNode[]): void {
    this.quorate = quorate;
    this.quorumList = nodes;
    if (this.state === 'connected') this.sendQuorum();
    else this.disconnectedChange();
  }

  configurationChanged(nodes: readonly QnetNode[], version: bigint | null): void {
    this.configuration = nodes;
    this.configVersion = version;
    if (this.state === 'connected') this.sendConfiguration(NodeListType.CHANGED_CONFIG);
    else this.disconnectedChange();
  }

  /** `result`: `Heuristics`. */
  heuristicsDone(result: number): void {
    const purposes = [...this.purposes];
    this.purposes.clear();
    for (const purpose of purposes) {
      if (purpose === 'membership') this.membershipJudged(result);
      else if (purpose === 'connect') this.connectJudged(result);
      else this.regularJudged(result);
    }
  }

  voteTimer(): void {
    if (this.votes && !this.paused) this.ports.poll(this.vote === Vote.ACK);
  }

  echoTimer(): void {
    if (this.echoSent === this.echoReceived) {
      this.echoSent += 1;
      this.ports.send(encodeQnet(QnetMessageType.ECHO_REQUEST, { sequence: this.echoSent }));
      return;
    }
    this.ports.log('error', "Server didn't send echo reply message on time");
    const { algorithm, waitForAll } = this.settings;
    if (algorithm === DecisionAlgorithm.LMS && this.quorate && waitForAll) return;
    this.ports.disconnect('echoMissing');
  }

  /** Regular heuristics are due. */
  heuristicsTimer(): void {
    if (this.purposes.size === 0) {
      this.purposes.add('regular');
      this.ports.runHeuristics();
    } else this.ports.setHeuristicsTimer(true);
  }

  private serverError({ error }: QnetMessage): void {
    this.ports.log('error', `Received server error ${error}. Disconnecting from server`, 'server error');
    this.ports.disconnect('serverError');
  }

  private unexpected({ type }: QnetMessage): void {
    this.ports.log('error', `Received unexpected message ${type}. Disconnecting from server`);
    this.ports.disconnect('unexpectedMessage');
  }

  private missing({ type }: QnetMessage): void {
    this.ports.log(
      'error',
      `Received message ${type} without required options. Disconnecting from server`,
      'lacks options',
    );
    this.ports.disconnect('optionMissing');
  }

  private preinitReply(message: QnetMessage): void {
    const { sequence, tlsSupported, clientCertificateRequired } = message;
    if (sequence !== this.sequence || tlsSupported === undefined || clientCertificateRequired === undefined) {
      this.missing(message);
      return;
    }
    const modes = [tlsSupported, this.settings.tls];
    if (modes.includes(TlsMode.UNSUPPORTED)) {
      if (!modes.includes(TlsMode.REQUIRED)) {
        this.sendInit();
        return;
      }
      this.ports.log('error', `Incompatible tls configuration (server ${modes[0]} client ${modes[1]})`);
      this.ports.disconnect('incompatible');
      return;
    }
    this.send(QnetMessageType.STARTTLS, {});
    this.usesTls = true;
    this.ports.startTls();
    this.sendInit();
  }

  private sendInit(): void {
    const { nodeId, algorithm, heartbeatMs, tieBreaker } = this.settings;
    this.state = 'init';
    this.send(QnetMessageType.INIT, {
      supportedMessages: QNET_MESSAGE_TYPES,
      supportedOptions: QNET_OPTION_NUMBERS,
      nodeId,
      algorithm,
      heartbeatMs,
      tieBreaker,
      ringId: this.ringId,
    });
  }

  private initReply(message: QnetMessage): void {
    const { sequence, error, supportedOptions, supportedAlgorithms, requestBytesMax, replyBytesMax } = message;
    if (sequence !== this.sequence || error === undefined) {
      this.missing(message);
      return;
    }
    if (error !== ReplyError.NONE) {
      this.ports.log('error', `Received init reply message with error code ${error}. Disconnecting from server`);
      this.ports.disconnect(OTHERS_DIFFER.includes(error) ? 'otherNodesDiffer' : 'serverError');
      return;
    }
    if (
      supportedOptions === undefined ||
      supportedAlgorithms === undefined ||
      message.supportedMessages === undefined
    ) {
      this.missing(message);
      return;
    }
    if (requestBytesMax === undefined || replyBytesMax === undefined) {
      this.missing(message);
      return;
    }
    const problem = this.incompatibility(message);
    if (problem !== null) {
      this.ports.log('error', problem, 'incompatible');
      this.ports.disconnect('incompatible');
      return;
    }
    this.ports.setReplyBytesMax(replyBytesMax);
    this.serverHasHeuristics = supportedOptions.includes(HEURISTICS_OPTION);
    this.keepsActivePartitionKnown = supportedOptions.includes(KEEP_ACTIVE_PARTITION_OPTION);
    this.ports.established();
    this.echoSent = 0;
    this.echoReceived = 0;
    this.ports.setEchoTimer(true);
    this.state = 'heuristics';
    this.purposes.add('connect');
    this.ports.runHeuristics();
  }

  private incompatibility(message: QnetMessage): string | null {
    const { supportedOptions = [], supportedAlgorithms = [], requestBytesMax = 0, replyBytesMax = 0 } = message;
    const { requestBytesMin, replyBytesMax: ownMax, algorithm } = this.settings;
    if (requestBytesMax < requestBytesMin)
      return `Server accepts maximum ${requestBytesMax} bytes message but this client minimum is ${requestBytesMin} bytes.`;
    if (replyBytesMax > ownMax)
      return `Server may send message up to ${replyBytesMax} bytes message but this client maximum is ${ownMax} bytes.`;
    if (!supportedAlgorithms.includes(algorithm)) return "Server doesn't support required decision algorithm";
    if (this.ports.heuristicsAreEnabled() && !supportedOptions.includes(HEURISTICS_OPTION))
      return 'Heuristics are enabled but not supported by server';
    return null;
  }

  private echoReply(message: QnetMessage): void {
    if (message.sequence === undefined) {
      this.missing(message);
      return;
    }
    if (message.sequence === this.echoSent) this.echoReceived = message.sequence;
    else {
      this.ports.log('warning', 'Received echo reply message seq_number is not expected one.');
      this.ports.disconnect('echoMissing');
    }
  }

  private voted(message: QnetMessage): void {
    const { sequence, vote, ringId } = message;
    if (sequence === undefined || vote === undefined || ringId === undefined) {
      this.missing(message);
      return;
    }
    const current = this.sentRingId !== null && sameQnetRing(ringId, this.sentRingId);
    this.ports.log('debug', `Received vote ${VOTE_NAMES[vote]}${current ? '' : ' for an old ring'}`);
    if (current && vote !== Vote.UNDEFINED) this.setVote(vote);
    if (message.type === QnetMessageType.VOTE_INFO)
      this.ports.send(encodeQnet(QnetMessageType.VOTE_INFO_REPLY, { sequence }));
  }

  private setVote(vote: number): void {
    if (vote === Vote.NO_CHANGE) return;
    this.vote = vote;
    const votes = vote === Vote.ACK || vote === Vote.NACK;
    if (votes !== this.votes) this.ports.setVoteTimer(votes);
    this.votes = votes;
    this.voteTimer();
  }

  /** Something changed and nobody can be asked: an ACK is not for that. */
  private disconnectedChange(): void {
    if (this.state !== 'connected' && this.vote === Vote.ACK) this.setVote(Vote.NACK);
  }

  private membershipJudged(result: number): void {
    const connected = this.state === 'connected';
    if (connected) this.sendMembership(result);
    else this.disconnectedChange();
    this.paused = false;
    if (connected) this.setVote(Vote.WAIT_FOR_REPLY);
    this.membershipHeuristics = result;
    this.heuristics = result;
    this.ports.setHeuristicsTimer(true);
  }

  private connectJudged(result: number): void {
    if (this.state !== 'heuristics') return;
    if (this.keepsActivePartitionKnown)
      this.send(QnetMessageType.SET_OPTION, { keepActivePartition: this.settings.keepActivePartition ? 1 : 0 });
    this.sendConfiguration(NodeListType.INITIAL_CONFIG);
    this.sendMembership(result);
    this.sendQuorum();
    this.setVote(Vote.WAIT_FOR_REPLY);
    this.state = 'connected';
    this.connectHeuristics = result;
    this.heuristics = result;
  }

  private regularJudged(result: number): void {
    if (result === Heuristics.UNDEFINED) return; // disabled meanwhile
    if (this.heuristics !== result && this.state === 'connected') {
      if (!this.serverHasHeuristics) {
        this.ports.disconnect('incompatible');
        return;
      }
      this.send(QnetMessageType.HEURISTICS_CHANGE, { heuristics: result });
    }
    this.regularHeuristics = result;
    this.heuristics = result;
    this.ports.setHeuristicsTimer(true);
  }

  private sendConfiguration(listType: number): void {
    const { configVersion, configuration } = this;
    const version = configVersion === null ? {} : { configVersion };
    this.send(QnetMessageType.NODE_LIST, { listType, ...version, nodes: configuration });
  }

  private sendMembership(heuristics: number): void {
    const { ringId, members } = this;
    const nodes = members.map((nodeId) => ({ nodeId, dataCenterId: 0, state: 0 }));
    const judged = heuristics === Heuristics.UNDEFINED ? {} : { heuristics };
    this.send(QnetMessageType.NODE_LIST, { listType: NodeListType.MEMBERSHIP, ringId, nodes, ...judged });
    this.sentRingId = ringId;
  }

  private sendQuorum(): void {
    const { quorate, quorumList: nodes } = this;
    this.send(QnetMessageType.NODE_LIST, { listType: NodeListType.QUORUM, quorate: quorate ? 1 : 0, nodes });
  }

  private send(type: number, options: QnetOptions): void {
    this.sequence += 1;
    this.ports.send(encodeQnet(type, { sequence: this.sequence, ...options }));
  }
}

const OTHERS_DIFFER: readonly number[] = [
  ReplyError.DUPLICATE_NODE_ID,
  ReplyError.TIE_BREAKER_DIFFERS,
  ReplyError.ALGORITHM_DIFFERS,
];
