/** Pressure on the send queue, which the IPC servers act upon (totem.md 5.6). */
export const FlowLevel = { LOW: 0, GOOD: 1, HIGH: 2, CRITICAL: 3 } as const;
export type FlowLevelValue = (typeof FlowLevel)[keyof typeof FlowLevel];

/** With hysteresis: between the bands the level does not change. */
export function nextLevel(level: FlowLevelValue, percentUsed: number): FlowLevelValue {
  if (percentUsed < 30) return FlowLevel.LOW;
  if (percentUsed > 40 && percentUsed < 50) return FlowLevel.GOOD;
  if (percentUsed > 60 && percentUsed < 70) return FlowLevel.HIGH;
  if (percentUsed >= 75) return FlowLevel.CRITICAL;
  return level;
}
