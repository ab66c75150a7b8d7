import { RondoError } from '../../lib/errors.ts';
import type { InterfaceAddress } from './interface-address.ts';

export interface InterfaceMonitorHooks {
  find(): InterfaceAddress | null;
  /** (Re)opens the sockets on this address; throws when that does not work. */
  bind(at: InterfaceAddress): void;
  /** Closes the sockets: from now on only the own node is reachable. */
  unbind(): void;
  /** Reports to Totem. */
  up(at: InterfaceAddress): void;
  down(): void;
}

const BIND_RETRIES = 10;
const BIND_RETRY_MS = 100;

/**
 * Watches whether the host has the configured address (totem.md 6.4): at the start, which stock waits 100 ms for, every `downcheck` ms while it has not or
 * the ring has one member, and when a token is lost.
 *
 *   unbound ──interface there──> regular <──> loopback        loopback: the sockets are closed, frames reach the own node only
 */
export class InterfaceMonitor {
  state: 'unbound' | 'regular' | 'loopback' = 'unbound';
  nextCheckMs = Number.POSITIVE_INFINITY;
  private reported: 'nothing' | 'up' | 'down' = 'nothing';
  private bound: InterfaceAddress | null = null;
  private bindFailures = 0;
  private alone = true;

  constructor(
    private readonly hooks: InterfaceMonitorHooks,
    private readonly settings: {
      downcheckMs: number;
      /** udpu refuses to start without its interface; udp waits for it. */
      readonly fatalWithout: boolean;
      /** A multicast membership may be gone although the address is not. */
      readonly rebindAlways: boolean;
    },
  ) {}

  start(nowMs: number): void {
    this.nextCheckMs = nowMs;
  }

  setDowncheckMs(downcheckMs: number): void {
    this.settings.downcheckMs = downcheckMs;
  }

  membersChanged(count: number, nowMs: number): void {
    this.alone = count <= 1;
    if (this.alone && this.nextCheckMs === Number.POSITIVE_INFINITY) {
      this.nextCheckMs = nowMs + this.settings.downcheckMs;
    }
  }

  /** Checks at the next `tick`. */
  checkSoon(): void {
    this.nextCheckMs = 0;
  }

  tick(nowMs: number): void {
    if (nowMs < this.nextCheckMs) return;
    this.nextCheckMs = nowMs + this.settings.downcheckMs;
    const found = this.hooks.find();
    if (found === null) this.isDown();
    else this.isUp(found, nowMs);
    if (this.state === 'regular' && !this.alone) this.nextCheckMs = Number.POSITIVE_INFINITY;
  }

  private isUp(found: InterfaceAddress, nowMs: number): void {
    const same = this.bound !== null && this.bound.address === found.address && this.bound.name === found.name;
    const settled = this.state === 'regular' && same && this.reported === 'up';
    if (settled && (this.alone || !this.settings.rebindAlways)) return;
    if (!this.tryBind(found, nowMs)) return;
    this.state = 'regular';
    this.bound = found;
    if (this.reported === 'up') return;
    this.reported = 'up';
    this.hooks.up(found);
  }

  private isDown(): void {
    if (this.state === 'loopback') return;
    if (this.state === 'unbound' && this.settings.fatalWithout) {
      throw new RondoError('RONDO_TRANSPORT_NO_INTERFACE', 'No interface with the configured address is up');
    }
    if (this.state === 'regular') this.hooks.unbind();
    this.state = 'loopback';
    this.bound = null;
    if (this.reported === 'down') return;
    this.reported = 'down';
    this.hooks.down();
  }

  /** Ten tries at growing distance: the daemon before may still hold the port (totem.md 2). */
  private tryBind(found: InterfaceAddress, nowMs: number): boolean {
    try {
      this.hooks.bind(found);
      this.bindFailures = 0;
      return true;
    } catch (error) {
      this.bindFailures++;
      if (this.bindFailures > BIND_RETRIES) throw error;
      this.nextCheckMs = nowMs + BIND_RETRY_MS * this.bindFailures;
      return false;
    }
  }
}
