import { TRACK_CHANGES } from '../../config/icmap/index.ts';
import { ServiceId } from '../codec/ids.ts';
import type { EngineTimer, MainEngineContext, RunningService, ServiceEngine } from '../engine.ts';
import type { Sampler } from './sampler.ts';

const DEFAULT_PERIOD_MS = 3000;
const PERIOD_MS_MIN = 500;
const PERIOD_MS_MAX = 120_000;

export interface MonPorts {
  readonly sampler: Sampler;
  /** Nanoseconds of the monotonic clock. */
  monotonicNs(): bigint;
}

interface ResourceKind {
  readonly name: string;
  sample(): number;
  /** Writes the value in the type that stock uses; the first one before anything was measured. */
  write(context: MainEngineContext, key: string, value: number, first: boolean): void;
}

/** Service 6: watches memory and load, and writes them to cmap (services.md 10.2). */
export class MonEngine implements ServiceEngine<MainEngineContext, never, never> {
  readonly serviceId = ServiceId.MON;
  readonly name = 'mon';
  readonly description = 'corosync resource monitoring service';
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly calls = {};
  readonly messages = [];
  readonly takesPartInSync = false;

  constructor(private readonly ports: MonPorts) {}

  start(context: MainEngineContext): RunningService<never, never> {
    const { sampler } = this.ports;
    const kinds: readonly ResourceKind[] = [
      {
        name: 'memory_used',
        sample: () => sampler.memoryUsedPercent(),
        write: ({ cmap }, key, value, first) => {
          if (first) cmap.setI32(key, value);
          else cmap.setU32(key, value);
        },
      },
      {
        name: 'load_15min',
        sample: () => sampler.load15(),
        write: ({ cmap }, key, value) => void cmap.setDouble(key, value),
      },
    ];
    for (const kind of kinds) new Resource(kind, context, this.ports).start();
    return { calls: {}, messages: {} };
  }
}

/** One watched quantity. `failed` stays until its limit is changed. */
class Resource {
  private readonly path: string;
  private max: number | null = null;
  private periodMs = DEFAULT_PERIOD_MS;
  private timer: EngineTimer | null = null;

  constructor(
    private readonly kind: ResourceKind,
    private readonly context: MainEngineContext,
    private readonly ports: MonPorts,
  ) {
    this.path = `resources.system.${kind.name}.`;
  }

  start(): void {
    const { context, path } = this;
    this.kind.write(context, `${path}current`, 0, true);
    context.cmap.setU64(`${path}last_updated`, 0);
    this.setState('stopped');
    this.configure();
    for (const name of ['max', 'poll_period'])
      context.track(`${path}${name}`, TRACK_CHANGES, (_event, key, value) => {
        if (value === null) context.log('warning', 'MON', `resource "${key}" deleted from cmap!`, 'deleted');
        this.configure();
      });
  }

  private setState(state: 'stopped' | 'running' | 'failed'): void {
    this.context.cmap.setString(`${this.path}state`, state);
  }

  /** The limit counts only if it is a string; the period also as the number that the configuration file stores. */
  private configure(): void {
    const { cmap } = this.context;
    const periodKey = `${this.path}poll_period`;
    const given = cmap.getString(periodKey) ?? cmap.getU64(periodKey);
    const wanted = Number(given ?? Number.NaN);
    if (wanted >= PERIOD_MS_MIN && wanted <= PERIOD_MS_MAX) this.periodMs = wanted;
    else if (!Number.isNaN(wanted))
      this.context.log('warning', 'MON', `poll period ${given} of ${this.path} is invalid`, 'poll period');
    if (cmap.getString(periodKey) === null) cmap.setU64(periodKey, this.periodMs);
    const text = cmap.getString(`${this.path}max`);
    const limit = text === null || text.trim() === '' ? Number.NaN : Number(text);
    this.max = Number.isNaN(limit) ? null : limit;
    this.timer?.cancel();
    this.timer = null;
    this.setState(this.max === null ? 'stopped' : 'running');
    if (this.max !== null) this.update();
  }

  private update(): void {
    const { context, path, kind } = this;
    const value = kind.sample();
    kind.write(context, `${path}current`, value, false);
    context.cmap.setU64(`${path}last_updated`, this.ports.monotonicNs());
    if (this.max !== null && value > this.max && context.cmap.getString(`${path}state`) === 'running') {
      context.log('warning', 'MON', `resource ${kind.name} is above its limit: ${value} > ${this.max}`);
      this.setState('failed');
    }
    this.timer = context.setTimer(this.periodMs, () => this.update());
  }
}
