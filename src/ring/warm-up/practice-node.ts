import { KeyBox, keyRecord } from '../../bridge/key-box.ts';
import { RingBridge } from '../../bridge/ring-bridge.ts';
import { allocateShared } from '../../bridge/shared-layout.ts';
import type { TotemConfig } from '../../config/totem-config.ts';
import { NO_FLIGHT_LOG } from '../../observe/flight/index.ts';
import type { Arena } from '../../os/arena.ts';
import { Deafness } from '../deafness.ts';
import type { Descriptors } from '../descriptors.ts';
import type { RingEnvironment } from '../ring-engine.ts';
import { RunningRing } from '../running-ring.ts';
import { SharedStatistics } from '../shared-statistics.ts';
import { type MemoryNetwork, MemoryWire } from './memory-wire.ts';

/** Of Totem's part of the arena; what is not used is not touched. */
const REGION_BYTES = 24 << 20;
const RING_SEQ_RESERVED = 1000;
/** Nobody else has messages of this ring. */
const FINGERPRINT = '0'.repeat(64);
const KEY_BYTES = 1024;

/**
 * A configuration like the real one, of a ring of two that exists in memory only. By JSON, as the real one came: the shapes of objects are the
 * same then, and what is compiled for the ones fits the others.
 */
export function practiceConfig(config: TotemConfig, nodeId: number, nodes: number): TotemConfig {
  const [link] = config.links;
  const v6 = link?.family === 6;
  const address = (id: number): string => (v6 ? `fd00::${id}` : `127.0.0.${id}`);
  const { crypto, timings, knet } = config;
  const changed = {
    ...config,
    nodeId,
    links: [
      {
        ...link,
        linkId: 0,
        bindAddress: address(nodeId),
        broadcast: true,
        knet: { ...link?.knet, pingIntervalMs: 20, pingTimeoutMs: 1000, pongCount: 1 },
      },
    ],
    members: Array.from({ length: nodes }, (_, i) => ({ nodeId: i + 1, name: '', addresses: [address(i + 1)] })),
    crypto: { ...crypto, keyFingerprint: crypto.keyFingerprint === '' ? '' : FINGERPRINT },
    timings: { ...timings, joinMs: 5, sendJoinMs: 0 },
    knet: { ...knet, manualMtu: 1500 },
  };
  return JSON.parse(JSON.stringify(changed)) as TotemConfig;
}

/** What a node is made in: memory in place of the network, the main thread, files and counters. */
export interface PracticeEnvironment extends RingEnvironment {
  readonly wire: MemoryWire;
}

export function practiceEnvironment(
  arena: Arena,
  descriptors: Descriptors,
  network: MemoryNetwork,
  { crypto }: TotemConfig,
  nowMs: number,
): PracticeEnvironment {
  const bridge = new RingBridge(
    allocateShared(),
    () => {},
    () => nowMs,
  );
  const keys = new KeyBox();
  if (crypto.keyFingerprint !== '') keys.take(keyRecord(FINGERPRINT, new Uint8Array(KEY_BYTES).fill(1)));
  return {
    arena,
    bridge,
    descriptors,
    deafness: new Deafness(),
    statistics: new SharedStatistics(bridge.views.statistics),
    keys,
    flight: NO_FLIGHT_LOG,
    transmit: null,
    wire: new MemoryWire(network),
  };
}

/** One node of that ring, of the daemon's own parts. */
export class PracticeNode {
  readonly ring: RunningRing;

  constructor(
    private readonly environment: PracticeEnvironment,
    config: TotemConfig,
    nowMs: number,
  ) {
    const start = {
      op: 'start',
      config,
      storedRingSeq: 0,
      reservedRingSeq: RING_SEQ_RESERVED,
      reportProcesses: false,
      remoteServices: [],
    } as const;
    this.ring = new RunningRing(environment, start, REGION_BYTES, nowMs);
  }

  open(): void {
    this.ring.open();
    this.ring.servicesLoaded();
  }

  /** The ring of all nodes is there, and clients are served. */
  get isFormed(): boolean {
    return this.ring.synchronized && this.ring.groups.srp.members.length > 1 && !this.ring.sync.isInProgress();
  }

  /** What the loop asks for before it sleeps. */
  beforeSleep(nowMs: number): void {
    this.ring.beforeSleep(nowMs);
    this.ring.nextDeadlineMs();
  }

  close(): void {
    this.ring.die();
    this.environment.wire.close();
  }
}
