/** How full the send queue is; steps with hysteresis (services.md 2.3). The numbers are those of the shared state word. */
export const QueueLevel = { LOW: 0, GOOD: 1, HIGH: 2, CRITICAL: 3 } as const;
export type QueueLevelValue = (typeof QueueLevel)[keyof typeof QueueLevel];

/** Values of the flow-control word that a client sees in its request ring. */
export const FlowWord = { ON: 0, OFF: 1, OFF_MESSAGES: 2 } as const;

/** `word` ≠ 0: no request of the service is read. `rate`: requests a turn otherwise (libqb-ipc.md 4.7). */
export interface FlowState {
  readonly word: 0 | 1 | 2;
  readonly rate: 'fast' | 'normal' | 'slow';
}

export interface FlowInputs {
  readonly allowInquorate: boolean;
  readonly servedDuringSync: boolean;
  readonly quorate: boolean;
  readonly syncInProgress: boolean;
  readonly level: QueueLevelValue;
}

const RATES = ['fast', 'normal', 'slow'] as const;

/** What the clients of a service may do now (services.md 2.3). */
export function flowState(inputs: FlowInputs): FlowState {
  if (!inputs.quorate && !inputs.allowInquorate) return { word: FlowWord.OFF, rate: 'slow' };
  const blockedBySync = inputs.syncInProgress && !inputs.servedDuringSync;
  if (inputs.level === QueueLevel.CRITICAL || blockedBySync) return { word: FlowWord.OFF_MESSAGES, rate: 'slow' };
  return { word: FlowWord.ON, rate: RATES[inputs.level] ?? 'slow' };
}

/** Used share of the queue in percent → level; in the gaps the previous level stays. */
export function queueLevel(usedPercent: number, previous: QueueLevelValue): QueueLevelValue {
  if (usedPercent >= 75) return QueueLevel.CRITICAL;
  if (usedPercent < 30) return QueueLevel.LOW;
  if (usedPercent > 40 && usedPercent < 50) return QueueLevel.GOOD;
  if (usedPercent > 60 && usedPercent < 70) return QueueLevel.HIGH;
  return previous;
}
