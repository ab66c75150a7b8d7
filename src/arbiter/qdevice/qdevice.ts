import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cmap } from '../../client/cmap.ts';
import { Votequorum, type VotequorumEvent } from '../../client/votequorum.ts';
import { CsError, CsStatusError } from '../../lib/errors.ts';
import { notifyServiceManager } from '../../os/service-manager.ts';
import { Device, type DeviceEnd, type DevicePorts } from '../../qnet/device.ts';
import { type DeviceFacts, deviceStatusObject, deviceStatusText } from '../../qnet/device-status.ts';
import { DecisionAlgorithm, QnetNodeState, TlsMode } from '../../qnet/ids.ts';
import { ArbiterProcess, type ProcessOptions } from '../arbiter-process.ts';
import type { ControlReply } from '../control-socket.ts';
import { loadKeys, secureContextOf, type TlsKeys } from '../keys.ts';
import type { ProcessLog } from '../process-log.ts';
import {
  type DeviceConfig,
  type HeuristicsConfig,
  readConfigVersion,
  readDebug,
  readDeviceConfig,
  readHeuristics,
  readNodes,
} from './device-config.ts';
import { HeuristicsRunner } from './heuristics-runner.ts';
import { QDEVICE_NAME, type QdeviceSettings } from './qdevice-settings.ts';
import { ServerLink } from './server-link.ts';
import { type CastVote, VotePoll } from './vote-poll.ts';

const AUTHORITY_NAME = 'QNet CA';
const NODE_STATES: Readonly<Record<string, number>> = {
  member: QnetNodeState.MEMBER,
  dead: QnetNodeState.DEAD,
  leaving: QnetNodeState.LEAVING,
};
/** Of a call: while a ring forms, the daemon may take its time. */
const CALL_MS_MAX = 60_000;
const RECONNECT_SHARE = 0.9;
const RETRY_MS = 1000;

export interface QdeviceOptions extends ProcessOptions {
  readonly settings: QdeviceSettings;
}

/** Runs the device until `signal` aborts, Corosync ends, or the server refuses it for good. Returns the exit status. */
export function runQdevice(options: QdeviceOptions, signal: AbortSignal): Promise<number> {
  const { settings } = options;
  const connect = { timeoutMs: CALL_MS_MAX, waitReadyMs: settings.max_cs_try_again * RETRY_MS, tryAgainMs: 0 };
  return ArbiterProcess.run(QDEVICE_NAME, options, async (daemon) => {
    const cmap = daemon.owns(await Cmap.connect(connect));
    if (!daemon.lock(settings)) return 1;
    const votequorum = daemon.owns(await Votequorum.connect(connect));
    return await new RunningDevice(options, daemon, cmap, votequorum).run(signal);
  });
}

/** The device with all that it is connected to. */
class RunningDevice {
  private readonly log: ProcessLog;
  private config!: DeviceConfig;
  private heuristicsConfig!: HeuristicsConfig;
  private device!: Device;
  private keys: TlsKeys | null = null;
  private link: ServerLink | null = null;
  private readonly runner: HeuristicsRunner;
  private readonly timers: {
    vote: NodeJS.Timeout | null;
    echo: NodeJS.Timeout | null;
    heuristics: NodeJS.Timeout | null;
  } = {
    vote: null,
    echo: null,
    heuristics: null,
  };
  private ringId: { readonly rep: number; readonly seq: bigint } = { rep: 0, seq: 0n };
  private expectedVotes = 0;
  private syncs = false;
  private connectMayBegin = false;
  private readonly votePoll = new VotePoll((vote) => this.cast(vote));
  private lastPoll: { readonly at: Date; readonly vote: boolean } | null = null;
  private connectedSince: Date | null = null;
  private lastEcho: Date | null = null;
  private reconnectTimer: NodeJS.Timeout | null = null;
  private finish: (status: number) => void = () => {};
  private readonly finished = new Promise<number>((resolve) => {
    this.finish = resolve;
  });

  constructor(
    private readonly options: QdeviceOptions,
    private readonly daemon: ArbiterProcess,
    private readonly cmap: Cmap,
    private readonly votequorum: Votequorum,
  ) {
    this.log = daemon.log;
    const { heuristics_max_processes: processesMax, heuristics_use_execvp: searchesPath } = options.settings;
    this.runner = new HeuristicsRunner({ processesMax, searchesPath }, this.log.log);
  }

  async run(signal: AbortSignal): Promise<number> {
    const { settings } = this.options;
    const name = settings.votequorum_device_name;
    await this.votequorum.deviceRegister(name);
    await this.daemon.openControl(settings, (words) => this.command(words));
    try {
      await this.configure();
      const events = await this.votequorum.watch();
      const changes = await this.cmap.watch('', { prefix: true });
      void this.follow(events);
      void this.followMap(changes);
      signal.addEventListener('abort', () => this.shutdown(), { once: true });
      if (signal.aborted) this.shutdown();
      return await this.finished;
    } finally {
      this.stop();
      await this.votequorum.deviceUnregister(name).catch(() => {});
    }
  }

  private async configure(): Promise<void> {
    const { settings, debug } = this.options;
    this.log.debug = debug || (await readDebug(this.cmap));
    this.config = await readDeviceConfig(this.cmap, settings);
    for (const notice of this.config.notices) this.log.log('warning', notice);
    this.heuristicsConfig = await readHeuristics(this.cmap, this.config, settings, this.warn);
    const forced = settings.master_wins === 'model' ? false : /^(?:yes|on|1)$/.test(settings.master_wins);
    await this.votequorum.deviceMasterWins(settings.votequorum_device_name, forced);
    this.expectedVotes = (await this.votequorum.info()).expectedVotes;
    if (this.config.device.tls !== TlsMode.UNSUPPORTED) {
      const names = { authority: AUTHORITY_NAME, certificate: settings.net_nss_client_cert_nickname };
      this.keys = loadKeys(settings.net_nss_db_dir, names, 'optional', this.warn, dirname(settings.lock_file));
      secureContextOf(this.keys); // now, and not while a connection waits for it
    }
    this.device = new Device(this.config.device, this.ports());
    this.device.configurationChanged(await readNodes(this.cmap), await readConfigVersion(this.cmap));
    await this.checkVotes();
  }

  private readonly warn = (text: string): void => this.log.log('warning', text);

  private command([name = '', detail = '']: readonly string[]): ControlReply {
    switch (name.toLowerCase()) {
      case '':
        return { error: 'No command specified' };
      case 'shutdown':
        return { text: '', after: () => this.shutdown() };
      case 'status':
        if (this.device === undefined) return { error: "Can't get QDevice status" };
        return { text: deviceStatusText(this.device, this.facts(), detail.toLowerCase() === 'verbose') };
      case 'json':
        if (this.device === undefined) return { error: "Can't get QDevice status" };
        return { text: `${JSON.stringify(deviceStatusObject(this.device, this.facts()), null, 2)}\n` };
      default:
        return { error: `Unknown command '${name}'` };
    }
  }

  private facts(): DeviceFacts {
    const { config, keys } = this;
    return {
      timeoutMs: config.timeoutMs,
      syncTimeoutMs: config.syncTimeoutMs,
      connectTimeoutMs: config.connectMs,
      voteTimerMs: config.voteTimerMs,
      heuristicsMode: this.heuristicsConfig.mode,
      expectedVotes: this.expectedVotes,
      host: config.server.host,
      port: config.server.port,
      forcedIpVersion: config.server.family,
      certificateSent: keys?.pfx !== undefined || keys?.key !== undefined,
      lastPoll: this.lastPoll === null ? null : localTime(this.lastPoll.at),
      lastPollVote: this.lastPoll?.vote ?? false,
      connectedSince: this.connectedSince === null ? null : localTime(this.connectedSince),
      lastEcho: this.lastEcho === null ? null : localTime(this.lastEcho),
    };
  }

  private ports(): DevicePorts {
    const { voteTimerMs, device } = this.config;
    return {
      send: (message) => this.link?.send(message),
      startTls: () => {
        if (this.keys !== null) this.link?.startTls(this.keys, this.options.settings.net_nss_qnetd_cn);
      },
      setReplyBytesMax: (bytes) => this.link?.setReceiveBytesMax(bytes),
      poll: (vote) => {
        this.lastPoll = { at: new Date(), vote };
        this.votePoll.poll({ vote, ringId: this.ringId });
      },
      setVoteTimer: (on) => this.repeat('vote', on ? voteTimerMs : null, () => this.device.voteTimer()),
      setEchoTimer: (on) => this.repeat('echo', on ? device.heartbeatMs : null, () => this.device.echoTimer()),
      setHeuristicsTimer: (on) => {
        if (this.timers.heuristics !== null) clearTimeout(this.timers.heuristics);
        const runs = on && this.heuristicsConfig.mode === 'Enabled';
        this.timers.heuristics = runs
          ? setTimeout(() => this.device.heuristicsTimer(), this.heuristicsConfig.intervalMs)
          : null;
      },
      runHeuristics: () => this.runHeuristics(),
      heuristicsAreEnabled: () => this.heuristicsConfig.mode !== 'Disabled',
      established: () => this.link?.established(),
      disconnect: (why) => this.link?.end(why),
      log: this.log.log,
    };
  }

  private repeat(which: 'vote' | 'echo', ms: number | null, act: () => void): void {
    const timer = this.timers[which];
    if (timer !== null) clearInterval(timer);
    this.timers[which] = ms === null ? null : setInterval(act, ms);
  }

  private runHeuristics(): void {
    const { commands, timeoutMs, syncTimeoutMs } = this.heuristicsConfig;
    this.runner.start(commands, this.syncs ? syncTimeoutMs : timeoutMs, (result) => {
      const before = this.device.state;
      this.device.heuristicsDone(result);
      if (before !== 'connected' && this.device.state === 'connected') this.connectedSince = new Date();
      if (!this.connectMayBegin) {
        // The ring is known, and what heuristics say of it: now the server can be asked.
        this.connectMayBegin = true;
        this.log.log('debug', 'Qdevice ready to provide service');
        notifyServiceManager('READY=1');
        this.connect();
      }
    });
  }

  private async cast({ vote, ringId }: CastVote): Promise<void> {
    try {
      await this.votequorum.devicePoll(this.options.settings.votequorum_device_name, vote, ringId);
    } catch (error) {
      if (error instanceof CsStatusError && error.status === CsError.TRY_AGAIN) return;
      if (error instanceof CsStatusError && error.status === CsError.MESSAGE_ERROR) {
        this.log.log('info', 'votequorum was polled with an old ring id');
        return;
      }
      this.corosyncGone(`Can't poll votequorum: ${error instanceof Error ? error.message : error}`);
    }
  }

  private connect(): void {
    const { settings } = this.options;
    const { server, connectMs } = this.config;
    this.log.log('debug', `Trying connect to qnetd server ${server.host}:${server.port} (timeout = ${connectMs}ms)`);
    this.device.connects();
    const limits = {
      receiveBytesMax: settings.net_initial_msg_receive_size,
      sendMessagesMax: settings.net_max_send_buffers,
      connectMs,
    };
    const events = {
      opened: () => this.device.opened(),
      received: (message: Uint8Array) => {
        if (message[1] === 9) this.lastEcho = new Date();
        this.device.received(message);
      },
      closed: (why: DeviceEnd) => this.closed(why),
    };
    this.link = ServerLink.open(server, limits, events, this.log.log);
  }

  private closed(why: DeviceEnd): void {
    this.link = null;
    this.connectedSince = null;
    this.lastEcho = null;
    const wasThere = why !== 'cannotConnect';
    if (!this.device.closed(why)) {
      this.finish(why === 'shutdown' ? 0 : 1);
      return;
    }
    // Not all nodes at once; where there was no server, the connect timeout has passed or passes first.
    const ms = wasThere ? Math.random() * this.config.voteTimerMs * RECONNECT_SHARE : RETRY_MS;
    this.reconnectTimer = setTimeout(() => this.connect(), ms);
  }

  private shutdown(): void {
    if (this.device !== undefined) this.device.closed('shutdown');
    this.finish(0);
  }

  private stop(): void {
    const { vote, echo, heuristics } = this.timers;
    for (const timer of [vote, echo]) if (timer !== null) clearInterval(timer);
    for (const timer of [heuristics, this.reconnectTimer]) if (timer !== null) clearTimeout(timer);
    this.runner.close();
    this.link?.end('shutdown');
  }

  private corosyncGone(text: string): void {
    this.log.log('error', text, 'corosync gone');
    this.device.closed('corosyncClosed');
    this.finish(1);
  }

  private async follow(events: AsyncIterable<VotequorumEvent>): Promise<void> {
    try {
      for await (const event of events) await this.take(event);
      this.corosyncGone('The connection to votequorum has ended');
    } catch (error) {
      this.corosyncGone(`votequorum: ${error instanceof Error ? error.message : error}`);
    }
  }

  private async take(event: VotequorumEvent): Promise<void> {
    switch (event.type) {
      case 'nodes':
        this.syncs = true;
        this.ringId = event.ringId;
        this.device.membershipChanged({ nodeId: event.ringId.rep, seq: event.ringId.seq }, event.members);
        break;
      case 'quorum': {
        this.syncs = false;
        const nodes = event.nodes
          .filter(({ nodeId }) => nodeId !== 0)
          .map(({ nodeId, state }) => ({
            nodeId,
            dataCenterId: 0,
            state: NODE_STATES[state] ?? QnetNodeState.NOT_SET,
          }));
        this.device.quorumChanged(event.quorate, nodes);
        break;
      }
      case 'expectedVotes':
        this.expectedVotes = event.expectedVotes;
        await this.checkVotes();
        break;
      case 'deviceExtraInfo': // what other devices say
    }
  }

  /** ffsplit counts nodes: each must have one vote, and the device one. */
  private async checkVotes(): Promise<void> {
    if (this.config.device.algorithm !== DecisionAlgorithm.FFSPLIT) return;
    for (const { nodeId } of this.device.configuration) {
      const info = await this.votequorum.info(nodeId).catch((error: unknown) => {
        if (error instanceof CsStatusError && error.status === CsError.NOT_EXIST) return null;
        throw error;
      });
      if (info === null || (info.votes === 1 && info.device.votes === 1)) continue;
      const votes = `Node ${nodeId} has ${info.votes} votes, its qdevice ${info.device.votes}!`;
      throw new Error(`50:50 split algorithm works only if all nodes and qdevice have exactly 1 vote. ${votes}`);
    }
  }

  private async followMap(changes: AsyncIterable<{ readonly key: string }>): Promise<void> {
    try {
      for await (const { key } of changes) {
        if (!/^(?:nodelist\.|logging\.|quorum\.device\.heuristics\.|config\.totemconfig_reload_in_progress$)/.test(key))
          continue;
        if ((await this.cmap.getNumber('config.totemconfig_reload_in_progress')) !== 1) await this.reconfigure();
      }
    } catch (error) {
      this.corosyncGone(`cmap: ${error instanceof Error ? error.message : error}`);
    }
  }

  private async reconfigure(): Promise<void> {
    await sleep(0);
    const { settings, debug } = this.options;
    this.log.debug = debug || (await readDebug(this.cmap));
    const before = JSON.stringify(this.heuristicsConfig);
    this.heuristicsConfig = await readHeuristics(this.cmap, this.config, settings, this.warn);
    if (before !== JSON.stringify(this.heuristicsConfig)) this.ports().setHeuristicsTimer(true);
    const nodes = await readNodes(this.cmap);
    if (JSON.stringify(nodes) === JSON.stringify(this.device.configuration)) return;
    this.device.configurationChanged(nodes, await readConfigVersion(this.cmap));
    await this.checkVotes();
  }
}

/** `2026-01-31T12:00:00`, local. */
function localTime(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
