import type { EngineTimer } from '../engine.ts';
import { QueueLevel, type QueueLevelValue } from './flow-control.ts';

/** How often the level is looked at while the send queue is not nearly empty. */
const LOOK_MS = 20;

/**
 * How full the send queue is, for the flow control of clients. The ring thread keeps the level in a word of shared memory. It is looked at
 * when a client asks for something, and by a timer only from then until the queue is low again: a ring that nobody uses wakes nobody.
 */
export class LevelWatch {
  level: QueueLevelValue = QueueLevel.LOW;
  private timer: EngineTimer | null = null;

  constructor(
    private readonly read: () => QueueLevelValue,
    private readonly setTimer: (delayMs: number, callback: () => void) => EngineTimer,
    private readonly changed: () => void,
  ) {}

  look(): void {
    const level = this.read();
    if (level !== QueueLevel.LOW && this.timer === null) this.timer = this.setTimer(LOOK_MS, () => this.lookAgain());
    if (level === this.level) return;
    this.level = level;
    this.changed();
  }

  private lookAgain(): void {
    this.timer = null;
    this.look();
  }
}
