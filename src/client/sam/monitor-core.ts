/**
 * The monitor's decisions: what it does when its child speaks, is silent, or is gone. Pure: the
 * process, the clock, cmap and quorum are on the other side of `MonitorOutput`.
 *
 *   child ── start, stop, heartbeat, mark failed ──►  core ── reply, warn, kill, state ──►
 *   clock ── timeout ──►                              at its end: recover (fork again, or failed) or quit
 */
export interface SamPolicy {
  readonly recovery: 'quit' | 'restart';
  /** Start only with quorum; losing it is a failure. */
  readonly quorum: boolean;
  /** Write the state to cmap, where the watchdog service sees it. */
  readonly cmap: boolean;
  /** Silence of a started child that is a failure; 0: none is. */
  readonly intervalMs: number;
}

/** Values of the key `….state`. */
export type SamState = 'stopped' | 'waiting for quorum' | 'running' | 'failed';
export type SamCommand = 'start' | 'stop' | 'heartbeat' | 'markFailed';
/** How a child's life ended for the monitor. */
export type MonitorEnd = 'quit' | 'restart' | 'failed';

export interface MonitorOutput {
  /** The command is done. */
  reply(): void;
  sendWarnSignal(): void;
  killChild(): void;
  setState(state: SamState): void;
  /** `….last_updated`. */
  touch(): void;
}

export class MonitorCore {
  private running = false;
  private warned = false;
  private waitingForQuorum = false;
  private recovering = false;
  private recovery: 'quit' | 'restart';

  constructor(
    private readonly policy: SamPolicy,
    private quorate: boolean,
    private readonly output: MonitorOutput,
  ) {
    this.recovery = policy.recovery;
  }

  /** After this much silence `timeout` is due; `null`: never. Any event starts it anew. */
  get timeoutMs(): number | null {
    return this.running && this.policy.intervalMs > 0 ? this.policy.intervalMs : null;
  }

  command(command: SamCommand): void {
    if (this.policy.cmap) this.output.touch();
    switch (command) {
      case 'start':
        this.start();
        break;
      case 'stop':
        this.running = false;
        this.waitingForQuorum = false;
        if (this.policy.cmap) this.output.setState('stopped');
        this.output.reply();
        break;
      case 'heartbeat':
        break; // being heard is all it wants
      case 'markFailed':
        this.running = true;
        this.warned = true;
        this.recovery = 'quit';
        this.fail();
        break;
    }
  }

  private start(): void {
    if (this.running) {
      this.output.reply();
      return;
    }
    if (this.policy.quorum && !this.quorate) {
      this.waitingForQuorum = true;
      if (this.policy.cmap) this.output.setState('waiting for quorum');
      return;
    }
    this.started();
  }

  private started(): void {
    this.waitingForQuorum = false;
    this.running = true;
    if (this.policy.cmap) this.output.setState('running');
    this.output.reply();
  }

  /** `false` also stands for a quorum service that is gone. */
  quorum(quorate: boolean): void {
    this.quorate = quorate;
    if (quorate && this.waitingForQuorum) this.started();
    else if (!quorate && this.running) this.fail();
  }

  timeout(): void {
    if (this.running) this.fail();
  }

  /** First a warning, so that the child can stop by itself; then the end. */
  private fail(): void {
    if (this.warned) {
      this.recovering = true;
      this.output.killChild();
    } else {
      this.warned = true;
      this.output.sendWarnSignal();
    }
  }

  /** The child is gone: what now. */
  childGone(): MonitorEnd {
    if (!this.running && !this.recovering) return 'quit';
    if (this.recovery === 'restart') return 'restart';
    if (this.policy.cmap) this.output.setState('failed');
    return 'failed';
  }
}
