import { type FrameMemory, frameMemory } from '../../src/lib/frame-memory.ts';
import {
  FrameClass,
  type SrpTimings,
  type TotemNetwork,
  type TotemObserver,
  type TotemOptions,
  type TotemUser,
} from '../../src/totem/index.ts';

/** Stock's parameters for a token timeout (config-and-tools.md 1.6), and what a test wants otherwise. */
export function timings(changes: Partial<SrpTimings> = {}): SrpTimings {
  const tokenMs = changes.tokenMs ?? 3000;
  const tokenRetransmitMs = Math.floor(tokenMs / 4.2);
  return {
    tokenMs,
    tokenWarningPercent: 75,
    tokenRetransmitMs,
    holdMs: Math.floor(tokenRetransmitMs * 0.8 - 10),
    joinMs: 50,
    sendJoinMs: 0,
    consensusMs: Math.floor(tokenMs * 1.2),
    mergeMs: 200,
    failRecvConst: 2500,
    seqnoUnchangedConst: 30,
    heartbeatFailuresAllowed: 0,
    maxNetworkDelayMs: 50,
    windowSize: 50,
    maxMessages: 17,
    missCountConst: 5,
    cancelTokenHoldOnRetransmit: false,
    acceleratedWindow: 0,
    silenceMs: Math.trunc(tokenMs * (2 / 3 + 1 / 16)),
    ...changes,
  };
}

/** A network that takes everything and never sends anything. */
export const quietNetwork = (changes: Partial<TotemNetwork> = {}): TotemNetwork => ({
  sendToken: () => {},
  multicast: () => {},
  resend: (offset, length) => changes.multicast?.(offset, length, FrameClass.NOFLUSH, 0),
  sendNow: () => {},
  knowsTarget: () => true,
  multicastSocket: null,
  watchedInterface: null,
  heartbeats: null,
  discardInput: () => 0,
  ...changes,
});

const quietUser = (changes: Partial<TotemUser>): TotemUser => ({
  deliver: () => {},
  configurationChange: () => {},
  sendsSoon: () => false,
  tokenSent: () => {},
  reserveRingSeq: () => {},
  ...changes,
});

type Required = Pick<TotemOptions, 'nodeId' | 'memory' | 'regionOffset' | 'regionBytes'>;
type Rest = Omit<TotemOptions, keyof Required | 'network' | 'user'>;

/** Everything that a core needs around it; a test names what matters to it. */
export function coreOptions(
  given: Required & Partial<Rest> & { readonly network?: Partial<TotemNetwork>; readonly user?: Partial<TotemUser> },
): TotemOptions {
  const observer: TotemObserver = { report: () => {} };
  return {
    netMtu: 1500,
    timings: timings(),
    storedRingSeq: 0,
    reservedRingSeq: 1 << 20,
    nowMs: 0,
    random: () => 0.5,
    observer,
    ...given,
    network: quietNetwork(given.network),
    user: quietUser(given.user ?? {}),
  };
}

/** Memory of one node: a place for the frame that arrives, and the core's region behind it. */
export function nodeMemory(
  inputBytes: number,
  regionBytes: number,
): Pick<TotemOptions, 'regionOffset' | 'regionBytes'> & {
  readonly memory: FrameMemory;
} {
  return { memory: frameMemory(new Uint8Array(inputBytes + regionBytes)), regionOffset: inputBytes, regionBytes };
}
