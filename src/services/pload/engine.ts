import { TRACK_CHANGES, TrackEvent } from '../../config/icmap/index.ts';
import { PloadFn, ServiceId } from '../codec/ids.ts';
import { messageNames, multicast, receive } from '../codec/message.ts';
import { PLOAD_MCAST, PLOAD_MESSAGES, PLOAD_START } from '../codec/pload.ts';
import type { ValuesOf } from '../codec/struct.ts';
import type { MainEngineContext, RunningService, ServiceEngine } from '../engine.ts';

/** Nobody starts it by accident (services.md 10.1). */
export const PLOAD_MAGIC = 'i_totally_understand_pload_will_crash_my_cluster_and_kill_corosync_on_exit';
const DEFAULT_COUNT = 1_500_000;
const DEFAULT_BYTES = 300;
const BYTES_MAX = 1 << 20;
const RETRY_MS = 1;
/** Messages sent in one go, so that the thread does other things in between. */
const BATCH_MESSAGES = 500;
export const PLOAD_EXIT_CODE = 99;

export interface PloadPorts {
  /** Ends the process at once. */
  exit(code: number): void;
}

type PloadMessage = keyof typeof PLOAD_MESSAGES;

interface Load {
  readonly count: number;
  readonly bytes: number;
  /** When the first message came back: what stock measures from. */
  firstMs: number;
  sent: number;
  received: number;
}

/** Service 4: a load generator that ends the cluster. Started by a sentence in cmap. */
export class PloadEngine implements ServiceEngine<MainEngineContext, never, PloadMessage> {
  readonly serviceId = ServiceId.PLOAD;
  readonly name = 'pload';
  readonly description = 'corosync profile loading service';
  readonly unloadPriority = 1;
  readonly allowInquorate = true;
  readonly calls = {};
  readonly messages = messageNames(PLOAD_MESSAGES);
  readonly takesPartInSync = false;

  constructor(private readonly ports: PloadPorts) {}

  start(context: MainEngineContext): RunningService<never, PloadMessage> {
    return new LoadGenerator(context, this.ports);
  }
}

class LoadGenerator implements RunningService<never, PloadMessage> {
  readonly calls = {};
  readonly messages = receive(PLOAD_MESSAGES, {
    start: (values) => this.started(values),
    data: () => this.received(),
  });
  private load: Load | null = null;

  constructor(
    private readonly context: MainEngineContext,
    private readonly ports: PloadPorts,
  ) {
    context.track('pload.', TRACK_CHANGES | TrackEvent.PREFIX, () => this.configured());
  }

  private configured(): void {
    const { context } = this;
    const { cmap } = context;
    const messageCount = cmap.getU32('pload.count') ?? DEFAULT_COUNT;
    const wanted = cmap.getU32('pload.size') ?? DEFAULT_BYTES;
    const messageBytes = Math.min(wanted, BYTES_MAX);
    if (wanted > BYTES_MAX) context.log('warning', 'PLOAD', `pload size limited to ${messageBytes}`);
    if (this.load !== null || cmap.getString('pload.start') !== PLOAD_MAGIC) return;
    context.log('warning', 'PLOAD', 'Starting pload!');
    multicast(context, PLOAD_START, { messageCount, messageBytes });
  }

  private started({ messageCount: count, messageBytes }: ValuesOf<typeof PLOAD_START>): void {
    const { context } = this;
    if (this.load !== null) return;
    const bytes = Math.min(messageBytes, BYTES_MAX);
    this.load = { count, bytes, firstMs: Number.NaN, sent: 0, received: 0 };
    context.log('debug', 'PLOAD', `Starting ${count} messages of ${bytes} bytes`);
    this.send(this.load);
  }

  private send(load: Load): void {
    const { context } = this;
    const message = new Uint8Array(Math.max(PLOAD_MCAST.bytes, load.bytes));
    const end = Math.min(load.count, load.sent + BATCH_MESSAGES);
    while (load.sent < end && context.trySend(PloadFn.MCAST, message)) load.sent++;
    if (load.sent < load.count) context.setTimer(RETRY_MS, () => this.send(load));
  }

  private received(): void {
    const { load, context } = this;
    if (load === null) return;
    if (load.received === 0) load.firstMs = context.nowMs();
    load.received++;
    if (load.received !== load.count) return;
    const seconds = Math.max(context.nowMs() - load.firstMs, 1) / 1000;
    context.log('notice', 'PLOAD', resultText(load.count, load.bytes, seconds));
    context.log('warning', 'PLOAD', 'Stopping corosync the hard way');
    this.ports.exit(PLOAD_EXIT_CODE);
  }
}

/** Stock's line, column widths and all; its MB are 2^20 bytes. */
function resultText(count: number, bytes: number, seconds: number): string {
  const fixed = (value: number, width: number): string => value.toFixed(3).padStart(width);
  const megabytes = (count * bytes) / seconds / 2 ** 20;
  const head = `${String(count).padStart(5)} Writes ${bytes} bytes per write ${fixed(seconds, 7)} seconds runtime`;
  return `${head}, ${fixed(count / seconds, 9)} TP/S, ${fixed(megabytes, 9)} MB/S.`;
}
