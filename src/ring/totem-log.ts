import { gatherReasonLogged } from '../lib/gather-reason.ts';
import type { LogFunction } from '../lib/log.ts';
import { ringIdText } from '../lib/ring-id.ts';
import { type SrpTimings, TotemDrop, type TotemObserver, type TotemReport } from '../totem/index.ts';

const list = (nodeIds: readonly number[]): string => nodeIds.map((nodeId) => ` ${nodeId}`).join('');
/** Log lines of the ring protocol, in stock's words where stock has them (config-and-tools.md 4.4). */
export class TotemLog implements TotemObserver {
  constructor(
    private readonly log: LogFunction,
    private readonly timings: () => SrpTimings,
    /** A ring waits for its number on disk. */
    private readonly onMissing: () => void = () => {},
  ) {}

  report(event: TotemReport): void {
    switch (event.kind) {
      case 'gather':
        this.debug(`entering GATHER state from ${event.reason}(${gatherReasonLogged(event.reason)}).`);
        break;
      case 'commit':
        this.debug(`entering COMMIT state: ring ${ringIdText(event.ringId)}`);
        break;
      case 'recovery':
        this.debug(`entering RECOVERY state: ring ${ringIdText(event.ringId)}, from${list(event.transitional)}`);
        break;
      case 'recoverMessages':
        this.debug(`copying ${event.count} old ring messages from ${hex(event.from)}-${hex(event.to)}.`);
        break;
      case 'operational':
        this.operational(event);
        break;
      case 'tokenLost':
        this.tokenLost(event.state);
        break;
      case 'tokenWarning':
        this.notice(`Token has not been received in ${Math.round(event.silentMs)} ms `);
        break;
      case 'memberDied':
        this.notice(`The process of node ${event.nodeId} has ended, forming new configuration at once.`);
        break;
      case 'membersSilent':
        this.notice(`No link to node${list(event.nodeIds)} works from any other node, forming new configuration.`);
        break;
      case 'consensusTimeout':
        this.debug(`consensus timeout, no agreement with${list(event.missing)}`);
        break;
      case 'retransmitRequest':
        this.log('notice', 'TOTEM', `Retransmit List: ${event.seqs.map(hex).join(' ')} `, 'retransmit list');
        break;
      case 'failedToReceive':
        this.log('error', 'TOTEM', 'FAILED TO RECEIVE');
        break;
      case 'pause': {
        const ms = Math.round(event.pausedMs);
        this.log('error', 'TOTEM', `Process pause detected for ${ms} ms, flushing membership messages.`);
        break;
      }
      case 'leaveReceived':
        this.debug(`Received leave message from ${event.nodeId}`);
        break;
      case 'ringSeqNotReserved':
        this.onMissing();
        this.log('warning', 'TOTEM', `Waiting for ring sequence ${hex(event.needed)} to be on disk`, 'ring sequence');
        break;
      case 'firewallSuspected':
        this.log('warning', 'MAIN', FIREWALL_TEXT);
        break;
      case 'frameDropped':
        this.stranger(event);
        break;
    }
  }

  private operational(event: Extract<TotemReport, { kind: 'operational' }>): void {
    const joined = event.joined.length > 0 ? ` joined:${list(event.joined)}` : '';
    const left = event.left.length > 0 ? ` left:${list(event.left)}` : '';
    this.notice(`A new membership (${ringIdText(event.ringId)}) was formed. Members${joined}${left}`);
    if (event.lost.length > 0) this.notice(`Failed to receive the leave message. failed:${list(event.lost)}`);
  }

  private tokenLost(state: string): void {
    const { tokenMs, consensusMs } = this.timings();
    if (state !== 'operational') {
      this.debug(`The token was lost in the ${state.toUpperCase()} state.`);
      return;
    }
    const text = `token timed out (${tokenMs}ms), waiting ${consensusMs}ms for consensus.`;
    this.notice(`A processor failed, forming new configuration: ${text}`);
  }

  private stranger({ reason, detail }: Extract<TotemReport, { kind: 'frameDropped' }>): void {
    if (reason === TotemDrop.BAD_RING_SEQ) {
      const what = `Node ${detail} is at a ring sequence above 2^52, where only forged packets bring it: it is not heard`;
      const todo = `If that lasts, stop it and remove its file ringid_${detail} before it starts again`;
      this.log('warning', 'TOTEM', `${what}. ${todo}`, 'far ring sequence');
      return;
    }
    const what =
      reason === TotemDrop.BAD_MAGIC
        ? `bad magic number (probably sent by ${detail})`
        : `unsupported version ${detail}`;
    this.log('warning', 'TOTEM', `Message received has ${what}.. Ignoring`, 'generation');
  }

  private notice(message: string): void {
    this.log('notice', 'TOTEM', message);
  }

  private debug(message: string): void {
    this.log('debug', 'TOTEM', message);
  }
}

const hex = (value: number): string => value.toString(16);

const FIREWALL_TEXT =
  'Totem is unable to form a cluster because of an operating system or network fault (reason: totem is continuously ' +
  'in gather state). The most common cause of this message is that the local firewall is configured improperly.';
