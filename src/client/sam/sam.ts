import { CsError, CsStatusError } from '../../lib/errors.ts';
import { checkedBoolean, type MessageData, messageBytes } from '../arguments.ts';
import { ArgumentError } from '../errors.ts';
import type { ConnectOptions } from '../session.ts';
import { CHILD_VARIABLE, isSamMessage, type ToChild, type ToMonitor } from './messages.ts';
import { supervise } from './monitor.ts';
import type { SamCommand, SamPolicy } from './monitor-core.ts';

/** Life of the object; `finalized` is the end. */
type SamLife = 'initialized' | 'registered' | 'started' | 'finalized';
const ALIVE: readonly SamLife[] = ['initialized', 'registered', 'started'];

/** Called while started, once an interval; `false` or a throw means: not well, and no heartbeat follows any more. */
export type HealthCheck = () => boolean | Promise<boolean>;

/** Heartbeats in an interval; the check runs with every fourth. */
const HEARTBEATS = 4;

/**
 * Simple availability manager: a program that wants to be restarted when it fails, hangs, or loses quorum. What stock's
 * library does by `fork()` is done here by running the program again as a child of itself:
 *
 * ```ts
 * const sam = Sam.initialize({ recovery: 'restart', intervalMs: 2000, quorum: true, cmap: true });
 * const { instance } = await sam.register(); // the first process stays here as the monitor, and ends with its last child
 * sam.onHealthCheck(() => database.isHealthy());
 * await sam.start();
 * ```
 *
 * Calls that stock's library refuses in a state are refused with its status, as `CsStatusError`.
 */
export class Sam {
  private life: SamLife = 'initialized';
  private data: Uint8Array = new Uint8Array(0);
  private warnSignal: NodeJS.Signals | null = null;
  private readonly replies: (() => void)[] = [];
  private check: HealthCheck | null = null;
  private timer: NodeJS.Timeout | null = null;
  private healthy = true;
  private beats = 0;

  private constructor(
    private readonly policy: SamPolicy,
    private readonly connect: ConnectOptions | undefined,
  ) {}

  /** @throws ArgumentError or CsStatusError: the policy is none. */
  static initialize(policy: SamPolicy, connect?: ConnectOptions): Sam {
    if (!Number.isInteger(policy.intervalMs) || policy.intervalMs < 0) {
      throw new CsStatusError(CsError.INVALID_PARAM, 'sam: interval');
    }
    if (policy.recovery !== 'quit' && policy.recovery !== 'restart') {
      throw new ArgumentError("the option recovery is 'quit' or 'restart'");
    }
    checkedBoolean(policy.quorum, 'the option quorum');
    checkedBoolean(policy.cmap, 'the option cmap');
    return new Sam(policy, connect);
  }

  private require(what: string, ...lives: readonly SamLife[]): void {
    if (!lives.includes(this.life)) throw new CsStatusError(CsError.BAD_HANDLE, `sam: ${what} while ${this.life}`);
  }

  /**
   * In the child: resolves with the number of this child, 1 for the first. In the process that was started by the user:
   * never resolves; it runs the children and exits with the status of the last one.
   */
  async register(): Promise<{ readonly instance: number }> {
    this.require('register', 'initialized');
    if (process.env[CHILD_VARIABLE] !== String(process.ppid) || process.send === undefined) {
      const [, script, ...args] = process.argv;
      if (script === undefined) throw new CsStatusError(CsError.LIBRARY, 'sam: there is no script to run again');
      const options = this.connect === undefined ? this.policy : { ...this.policy, connect: this.connect };
      process.exit(await supervise(script, args, options));
    }
    const hello = await this.hello();
    if (this.data.length === 0) this.data = hello.data;
    else await this.request({ sam: 'store', data: this.data });
    if (this.warnSignal !== null) await this.request({ sam: 'warnSignal', signal: this.warnSignal });
    this.life = 'registered';
    return { instance: hello.instance };
  }

  private hello(): Promise<Extract<ToChild, { sam: 'hello' }>> {
    process.on('disconnect', () => process.exit(1)); // without its monitor it must not go on
    return new Promise((resolve) => {
      process.on('message', (message) => {
        if (!isSamMessage(message)) return;
        if (message.sam === 'hello') resolve(message);
        else if (message.sam === 'reply') this.replies.shift()?.();
      });
    });
  }

  /** Sends and waits for the monitor's reply. */
  private request(message: ToMonitor): Promise<void> {
    return new Promise((resolve, reject) => {
      this.replies.push(resolve);
      process.send?.(message, undefined, undefined, (error: Error | null) => {
        if (error !== null) reject(new CsStatusError(CsError.LIBRARY, `sam: ${error.message}`));
      });
    });
  }

  private notify(command: SamCommand): void {
    process.send?.({ sam: 'command', command } satisfies ToMonitor);
  }

  /** From now on the monitor expects heartbeats. With the quorum policy it resolves once the node is quorate. */
  async start(): Promise<void> {
    this.require('start', 'registered');
    await this.request({ sam: 'command', command: 'start' });
    this.life = 'started';
    if (this.check !== null && this.policy.intervalMs > 0) this.beatRegularly();
  }

  async stop(): Promise<void> {
    this.require('stop', 'started');
    this.stopBeating();
    await this.request({ sam: 'command', command: 'stop' });
    this.life = 'registered';
  }

  /** Only without a health check: with one, heartbeats are sent for you. */
  heartbeat(): void {
    this.require('heartbeat', 'started');
    this.notify('heartbeat');
  }

  /** This program says of itself that it failed: it is killed and not restarted. Needs the cmap policy. */
  markFailed(): void {
    this.require('mark failed', 'registered', 'started');
    if (!this.policy.cmap) throw new CsStatusError(CsError.INVALID_PARAM, 'sam: mark failed needs the cmap policy');
    this.notify('markFailed');
  }

  onHealthCheck(check: HealthCheck): void {
    this.require('health check', 'registered');
    if (this.policy.intervalMs === 0) throw new CsStatusError(CsError.INVALID_PARAM, 'sam: there is no interval');
    this.check = check;
  }

  /** Heartbeats stop for good when the check fails, or when the event loop hangs. */
  private beatRegularly(): void {
    this.timer = setInterval(() => {
      if (!this.healthy) return;
      this.notify('heartbeat');
      this.beats++;
      if (this.beats % HEARTBEATS === 0) void this.runCheck();
    }, this.policy.intervalMs / HEARTBEATS);
    this.timer.unref();
  }

  private async runCheck(): Promise<void> {
    try {
      if ((await this.check?.()) === false) this.healthy = false;
    } catch {
      this.healthy = false;
    }
  }

  private stopBeating(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  /** Kept by the monitor for the children that follow. @throws ArgumentError */
  async storeData(data: MessageData): Promise<void> {
    this.require('store data', ...ALIVE);
    const copy = new Uint8Array(messageBytes(data, 'stored data'));
    if (this.life !== 'initialized') await this.request({ sam: 'store', data: copy });
    this.data = copy;
  }

  /** What was stored last, by this child or one before; empty at first. */
  restoreData(): Uint8Array {
    this.require('restore data', ...ALIVE);
    return new Uint8Array(this.data);
  }

  /** What a hanging child gets before it is killed; default SIGTERM. */
  async setWarnSignal(signal: NodeJS.Signals): Promise<void> {
    this.require('warn signal', ...ALIVE);
    if (this.life !== 'initialized') await this.request({ sam: 'warnSignal', signal });
    this.warnSignal = signal;
  }

  /** The program goes on without being watched. */
  async finalize(): Promise<void> {
    this.require('finalize', ...ALIVE);
    if (this.life === 'started') await this.stop();
    this.life = 'finalized';
  }
}
