import { TRACK_CHANGES, TrackEvent } from '../../config/icmap/index.ts';
import { ServiceId } from '../codec/ids.ts';
import type { EngineTimer, MainEngineContext, RunningService, ServiceEngine } from '../engine.ts';
import type { OpenWatchdog, WatchdogDevice } from './device.ts';
import { type RecoveryAction, WatchedResource } from './resource.ts';

const TIMEOUT_KEY = 'resources.watchdog_timeout';
const DEVICE_KEY = 'resources.watchdog_device';
const DEFAULT_TIMEOUT_SEC = 6;
const TIMEOUT_SEC_MIN = 2;
const TIMEOUT_SEC_MAX = 120;
/** New resources are looked for here; at the start below all of `resources.`. */
const WATCHED_PREFIXES = ['resources.process.', 'resources.system.'];
const STATE_KEY = /^(resources\.[^.]+\.([^.]+)\.)state$/;

export interface WatchdogPorts {
  readonly open: OpenWatchdog;
  /** Nanoseconds of the monotonic clock, as `last_updated` keys have it. */
  monotonicNs(): bigint;
  reboot(): void;
  powerOff(): void;
}

/** Service 7: keeps the hardware watchdog quiet as long as all watched resources are well (services.md 10.3). */
export class WatchdogEngine implements ServiceEngine<MainEngineContext, never, never> {
  readonly serviceId = ServiceId.WD;
  readonly name = 'wd';
  readonly description = 'corosync watchdog service';
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly calls = {};
  readonly messages = [];
  readonly takesPartInSync = false;

  constructor(private readonly ports: WatchdogPorts) {}

  start(context: MainEngineContext): RunningService<never, never> {
    const watchdog = new Watchdog(context, this.ports);
    watchdog.begin();
    return watchdog;
  }
}

class Watchdog implements RunningService<never, never> {
  readonly calls = {};
  readonly messages = {};
  /** `null`: not configured, or not accessible. */
  private device: WatchdogDevice | null = null;
  private timeoutSec = DEFAULT_TIMEOUT_SEC;
  private healthy = true;
  private tickleTimer: EngineTimer | null = null;
  private readonly resources = new Map<string, WatchedResource>();

  constructor(
    private readonly context: MainEngineContext,
    private readonly ports: WatchdogPorts,
  ) {}

  begin(): void {
    const { context } = this;
    this.followTimeout();
    this.openDevice();
    this.applyTimeout();
    context.track(TIMEOUT_KEY, TRACK_CHANGES, () => {
      this.followTimeout();
      this.applyTimeout();
    });
    const keys = [...context.cmap.keysWithPrefix('resources.')];
    const monitored = keys.filter((key) => this.consider(key));
    if (monitored.length === 0) context.log('info', 'WD', 'no resources configured.');
    for (const prefix of WATCHED_PREFIXES)
      context.track(prefix, TRACK_CHANGES | TrackEvent.PREFIX, (event, key) => this.changed(event, key));
  }

  private followTimeout(): void {
    const { context } = this;
    const wanted = context.cmap.getU32(TIMEOUT_KEY);
    if (wanted !== null && wanted >= TIMEOUT_SEC_MIN && wanted <= TIMEOUT_SEC_MAX) {
      this.timeoutSec = wanted;
      return;
    }
    if (wanted !== null) {
      const limits = `${TIMEOUT_SEC_MIN} to ${TIMEOUT_SEC_MAX}`;
      context.log('warning', 'WD', `watchdog_timeout ${wanted} is not within ${limits}, ${this.timeoutSec} stays`);
    }
    context.cmap.setU32(TIMEOUT_KEY, this.timeoutSec);
  }

  private openDevice(): void {
    const { context } = this;
    const path = context.cmap.getString(DEVICE_KEY) ?? '';
    if (path === '' || path === 'off') {
      context.log('warning', 'WD', 'Watchdog not enabled by configuration');
      return;
    }
    try {
      this.device = this.ports.open(path);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      context.log('warning', 'WD', `Watchdog ${path} not accessible: ${text}`, 'not accessible');
    }
  }

  private applyTimeout(): void {
    const { device, context } = this;
    if (device === null) return;
    if (!device.setTimeout(this.timeoutSec)) {
      context.log('warning', 'WD', `The watchdog does not take a timeout of ${this.timeoutSec} s`);
    }
    this.tickleTimer?.cancel();
    this.tickle();
  }

  /** Without it the machine is reset within the timeout. */
  private tickle(): void {
    const { device, context } = this;
    if (device === null) return;
    if (this.healthy) device.tickle();
    this.tickleTimer = context.setTimer((this.timeoutSec * 1000) / 2, () => this.tickle());
  }

  private changed(event: number, key: string): void {
    const found = STATE_KEY.exec(key);
    if (found !== null && event === TrackEvent.DELETE) {
      const resource = this.resources.get(found[1]!);
      this.resources.delete(found[1]!);
      resource?.remove();
    } else if (found !== null && event === TrackEvent.ADD) this.consider(key);
    else if (!key.endsWith('.last_updated') && !key.endsWith('.current')) {
      this.resources.get(key.slice(0, key.lastIndexOf('.') + 1))?.configure();
    }
  }

  /** Whether the key made a resource that is monitored. The others are kept too: their keys may come one by one. */
  private consider(key: string): boolean {
    const [, path, name] = STATE_KEY.exec(key) ?? [];
    if (path === undefined || name === undefined || this.resources.has(path)) return false;
    const resource = new WatchedResource(this.context, path, name, {
      monotonicNs: () => this.ports.monotonicNs(),
      failed: (recovery) => this.recover(recovery),
    });
    this.resources.set(path, resource);
    return resource.configure();
  }

  private recover(recovery: RecoveryAction): void {
    if (recovery === 'watchdog' || recovery === 'quit') this.healthy = false;
    else if (recovery === 'reboot') this.ports.reboot();
    else if (recovery === 'shutdown') this.ports.powerOff();
  }

  stop(): boolean {
    this.tickleTimer?.cancel();
    for (const resource of this.resources.values()) resource.stop();
    this.device?.close();
    this.device = null;
    return true;
  }
}
