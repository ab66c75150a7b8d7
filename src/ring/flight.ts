import type { FlightMemory } from '../bridge/ring-worker-data.ts';
import type { TotemTimings } from '../config/totem-config.ts';
import type { KnetReport } from '../knet/effects.ts';
import {
  FLIGHT_STATES,
  type FlightLog,
  FlightWriter,
  flightLayout,
  LINK_CAUSES,
  LOSS_TIMERS,
  NEVER_HEARD_MS,
  NO_FLIGHT_LOG,
  PAUSE_NOTICED_BY,
} from '../observe/flight/index.ts';
import { Arena } from '../os/arena.ts';
import { monotonicMs } from '../os/clock.ts';
import type { TotemObserver, TotemReport } from '../totem/index.ts';
import type { RingTransport, StatCounter } from '../transport/transport.ts';

/** This thread's part of the flight recorder: stores into memory, and no system call. */
export function openRingFlight(memory: FlightMemory | null): FlightLog {
  if (memory === null) return NO_FLIGHT_LOG;
  const { u8 } = Arena.attach(memory.address, memory.byteLength);
  const { life, lastSequence } = memory;
  const clock = { monotonicMs, wallMs: () => Date.now() };
  return new FlightWriter(u8, { part: 'ring', layout: flightLayout(memory.records), life, lastSequence, clock });
}

const stateNumber = (state: (typeof FLIGHT_STATES)[number]): number => FLIGHT_STATES.indexOf(state);

/** The ring protocol's reports as records. All of them are rare; what comes for every message or token is counted elsewhere. */
export class TotemFlight implements TotemObserver {
  constructor(
    private readonly flight: FlightLog,
    private readonly transport: Pick<RingTransport, 'linkStatus'>,
    private readonly nodeId: number,
    /** Messages that this node has asked for. */
    private readonly requested: StatCounter,
  ) {}

  report(event: TotemReport): void {
    const { flight } = this;
    switch (event.kind) {
      case 'gather':
        flight.write('gather', { ...event, from: stateNumber(event.from) });
        if (event.from === 'operational' && event.node > 0) this.heard(); // another member may have lost the ring first
        break;
      case 'commit':
        flight.ring = event.ringId;
        flight.write('commit', {});
        break;
      case 'recovery':
        flight.ring = event.ringId;
        flight.write('recovery', event);
        break;
      case 'recoverMessages':
        flight.write('recoverMessages', event);
        break;
      case 'operational':
        flight.ring = event.ringId;
        flight.write('operational', event);
        break;
      case 'tokenLost':
        flight.write('tokenLost', {
          ...event,
          state: stateNumber(event.state),
          timer: LOSS_TIMERS.indexOf(event.timer),
        });
        this.heard();
        break;
      case 'tokenWarning':
        flight.write('tokenWarning', event);
        break;
      case 'consensusTimeout':
        flight.write('consensusTimeout', event);
        this.heard();
        break;
      case 'failedToReceive':
        flight.write('failedToReceive', {});
        break;
      case 'pause':
        flight.write('pause', { ms: event.pausedMs, noticedBy: PAUSE_NOTICED_BY.indexOf('totem'), thresholdMs: 0 });
        break;
      case 'memberDied':
        flight.write('memberDied', { node: event.nodeId });
        this.heard();
        break;
      case 'membersSilent':
        flight.write('membersSilent', { nodes: event.nodeIds });
        this.heard();
        break;
      case 'leaveReceived':
        flight.write('leave', { node: event.nodeId });
        break;
      case 'ringSeqNotReserved':
        flight.write('ringSeqWait', event);
        break;
      case 'firewallSuspected':
        flight.write('firewallSuspected', {});
        break;
      case 'frameDropped':
        flight.write('stranger', event);
        break;
      case 'retransmitRequest':
        this.requested.values[this.requested.slot]! += event.seqs.length;
        break;
    }
  }

  /** What the transport knows of every other node, at a moment when that decides. */
  private heard(): void {
    const nowMs = monotonicMs();
    const nodes: number[] = [];
    const links: number[] = [];
    const silentMs: number[] = [];
    const up: number[] = [];
    for (const { linkId, peers } of this.transport.linkStatus()) {
      for (const { nodeId, heardMs, connected } of peers) {
        if (nodeId === this.nodeId || heardMs === null) continue;
        nodes.push(nodeId);
        links.push(linkId);
        silentMs.push(heardMs === 0 ? NEVER_HEARD_MS : Math.max(0, Math.round(nowMs - heardMs)));
        up.push(connected ? 1 : 0);
      }
    }
    this.flight.write('heard', { nodes, links, silentMs, up });
  }
}

/** What happens to the links. */
export function writeLinkReport(flight: FlightLog, report: KnetReport): void {
  switch (report.kind) {
    case 'linkUp':
      flight.write('link', { node: report.nodeId, link: report.linkId, up: 1, cause: 0 });
      break;
    case 'linkDown': {
      const cause = LINK_CAUSES.indexOf(report.cause);
      flight.write('link', { node: report.nodeId, link: report.linkId, up: 0, cause });
      break;
    }
    case 'hostReachable':
      flight.write('host', { node: report.nodeId, reachable: report.reachable ? 1 : 0 });
      break;
    case 'activeLink':
      flight.write('activeLink', { node: report.nodeId, link: report.linkId });
      break;
    case 'linkMtu':
      flight.write('linkMtu', { node: report.nodeId, link: report.linkId, mtu: report.mtu });
      break;
    case 'dataMtu':
      flight.write('dataMtu', report);
      break;
    case 'peerRestarted':
      flight.write('peerRestarted', { node: report.nodeId });
      break;
    case 'paused':
      flight.write('pause', { ms: report.ms, noticedBy: PAUSE_NOTICED_BY.indexOf('knet'), thresholdMs: 0 });
      break;
    case 'peersUseSlot':
    case 'hostDied': // comes from Totem, too
      break;
  }
}

/** The timeouts in force. */
export function writeTimings(flight: FlightLog, timings: TotemTimings): void {
  flight.write('timings', timings);
}
