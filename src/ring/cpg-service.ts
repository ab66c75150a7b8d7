import type { ClientDescriptor } from '../bridge/messages.ts';
import type { FrameMemory } from '../lib/frame-memory.ts';
import { CpgCore } from '../services/cpg/cpg-core.ts';
import type { CpgDropReason, CpgHost } from '../services/cpg/cpg-host.ts';
import { Group } from '../totem/index.ts';
import type { RingEnvironment, RunningRing } from './running-ring.ts';

/** CPG with its clients (to come). */
export class CpgService implements CpgHost {
  readonly core: CpgCore;
  readonly nodeId: number;
  readonly log;
  readonly zeroCopy = { open: () => false, close: () => {}, read: () => null, closeAll: () => {} };

  constructor(
    private readonly env: RingEnvironment,
    private readonly ring: RunningRing,
  ) {
    this.nodeId = ring.nodeId;
    this.log = env.bridge.log;
    this.core = new CpgCore(this);
  }

  attach(_client: ClientDescriptor): void {}
  closeAll(): void {}
  serve(): number {
    return 0;
  }
  finishTurn(): void {}
  tokenSent(): void {
    if (this.core.needsRetry) this.core.retry();
  }
  syncChanged(_inProgress: boolean): void {}
  nextDeadlineMs(_nowMs: number): number {
    return Number.POSITIVE_INFINITY;
  }
  deliver(fn: number, nodeId: number, memory: FrameMemory, offset: number, length: number): void {
    this.core.deliver(fn, nodeId, memory, offset, length);
  }

  mcast(message: Uint8Array): boolean {
    return this.ring.groups.mcast(Group.SERVICES, message);
  }

  mcastParts(
    headIn: Uint8Array,
    head: number,
    headBytes: number,
    bodyIn: Uint8Array,
    body: number,
    bodyBytes: number,
  ): boolean {
    const { groups } = this.ring;
    if (!groups.beginMessage(Group.SERVICES, headBytes + bodyBytes)) return false;
    groups.append(headIn, head, headBytes);
    groups.append(bodyIn, body, bodyBytes);
    groups.endMessage();
    return true;
  }

  syncInProgress(): boolean {
    return this.ring.sync.isInProgress();
  }

  hasRoom(_bytes: number): boolean {
    return true;
  }

  canEverSend(bytes: number): boolean {
    return bytes < this.ring.groups.messageBytesMax;
  }

  dropped(reason: CpgDropReason): void {
    const { values, slot } = this.env.statistics.counter(`rondo.cpg.dropped.${reason}`);
    values[slot]!++;
  }
}
