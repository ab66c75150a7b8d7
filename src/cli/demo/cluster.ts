import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { counted } from '../../lib/counted.ts';
import { processExists } from '../../os/credentials.ts';
import { removeOwnDirectory } from '../../os/own-file.ts';
import { DaemonProcess } from './daemon-process.ts';
import { type DemoLayout, findPort, writeLayout } from './generate.ts';
import { CHANGES_KEPT, type Change, type DemoView, type NodeView, ordersAgree } from './model.ts';
import { NodeObserver } from './observer.ts';

/** Followed by the pid of the demonstration and six random characters. */
const DIRECTORY_PREFIX = 'rondo-demo-';
const STOP_MS_MAX = 5_000;
const LOAD_EVERY_MS = 20;
const LOAD_BATCH = 25;

export interface DemoOptions {
  readonly nodeCount: number;
  readonly transport: 'knet' | 'udpu';
  readonly daemonEntry: string;
}

/** The daemons of the demonstration with their observers, and everything they leave on the machine. */
export class DemoCluster {
  private readonly daemons: readonly DaemonProcess[];
  private readonly observers: readonly NodeObserver[];
  private readonly changes: Change[] = [];
  private readonly startedMs = performance.now();
  private loadTimer: NodeJS.Timeout | null = null;
  private sent = 0;
  private ended = false;
  /** Called for every change of the story. */
  onChange: (change: Change) => void = () => {};

  private constructor(
    readonly layout: DemoLayout,
    daemonEntry: string,
  ) {
    this.observers = layout.nodes.map(
      (node, index) =>
        new NodeObserver(
          node,
          () => {
            this.daemons[index]?.ready();
            this.note(index, 'serves clients');
          },
          (text) => this.note(index, text),
        ),
    );
    this.daemons = layout.nodes.map(
      (node, index) => new DaemonProcess(node, daemonEntry, (text) => this.processChanged(index, text)),
    );
  }

  static async create(options: DemoOptions): Promise<DemoCluster> {
    const addresses = Array.from({ length: options.nodeCount }, (_, index) => `127.0.0.${index + 1}`);
    const port = await findPort(addresses, Math.random);
    sweepAbandoned();
    const directory = mkdtempSync(join(tmpdir(), `${DIRECTORY_PREFIX}${process.pid}-`));
    const instance = `rondo-demo-${process.pid}`;
    const layout = writeLayout(directory, options.nodeCount, options.transport, port, instance, true);
    return new DemoCluster(layout, options.daemonEntry);
  }

  get size(): number {
    return this.daemons.length;
  }

  start(index: number): void {
    this.daemons[index]?.start();
    this.observers[index]?.begin();
  }

  startAll(): void {
    for (let index = 0; index < this.size; index++) this.start(index);
  }

  kill(index: number): void {
    this.daemons[index]?.kill();
  }

  stop(index: number): void {
    this.daemons[index]?.stop();
  }

  sendOne(index: number): boolean {
    const text = `message ${this.sent + 1} of node${index + 1}`;
    const sent = this.observers[index]?.send(text) === true;
    if (sent) this.sent++;
    this.note(index, sent ? `sent "${text}"` : 'cannot send now');
    return sent;
  }

  toggleLoad(): void {
    if (this.loadTimer !== null) {
      clearInterval(this.loadTimer);
      this.loadTimer = null;
      return;
    }
    this.loadTimer = setInterval(() => this.sendBatch(), LOAD_EVERY_MS);
  }

  view(selected: number): DemoView {
    const { layout } = this;
    const security = layout.transport === 'knet' ? 'knet, aes256/sha256' : layout.transport;
    return {
      title: `Rondo · ${counted(this.size, 'node')} on 127.0.0.1-${this.size}:${layout.port} · ${security} · ${layout.directory}`,
      usage: `RONDO_IPC_INSTANCE=${layout.nodes[selected]?.instance} bin/rondo status   (or your program; node K: …-K)`,
      page: `http://${layout.nodes[selected]?.page}/`,
      nodes: this.daemons.map((daemon, index) => nodeView(daemon, this.observers[index]!)),
      selected,
      load: this.loadTimer !== null,
      sent: this.sent,
      sameOrder: this.sameOrder(),
      changes: this.changes,
      elapsedMs: performance.now() - this.startedMs,
    };
  }

  /** Stops every daemon in order and removes all that was made. Idempotent. */
  async end(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    if (this.loadTimer !== null) clearInterval(this.loadTimer);
    for (const observer of this.observers) observer.end();
    for (const daemon of this.daemons) daemon.stop();
    await Promise.all(this.daemons.map((daemon) => daemon.gone(STOP_MS_MAX)));
    this.remove();
  }

  /** For an exit handler: whatever is left goes now. */
  destroy(): void {
    for (const daemon of this.daemons) daemon.destroy();
    this.remove();
  }

  private remove(): void {
    rmSync(this.layout.directory, { recursive: true, force: true });
  }

  private sendBatch(): void {
    for (const observer of this.observers) {
      for (let count = 0; count < LOAD_BATCH; count++) {
        if (!observer.send(`load ${this.sent + 1}`)) break;
        this.sent++;
      }
    }
  }

  private processChanged(index: number, text: string): void {
    if (this.daemons[index]?.running === false) this.observers[index]?.end();
    this.note(index, text);
  }

  private note(index: number, text: string): void {
    if (this.ended) return;
    const change = { timeMs: Date.now(), node: this.layout.nodes[index]!.name, text };
    this.changes.push(change);
    if (this.changes.length > CHANGES_KEPT) this.changes.shift();
    this.onChange(change);
  }

  private sameOrder(): boolean {
    const logs = this.observers.map(({ order }) => order.last);
    return logs.every((log, index) => index === 0 || ordersAgree(logs[0]!, log));
  }
}

function nodeView(daemon: DaemonProcess, observer: NodeObserver): NodeView {
  return {
    nodeId: daemon.node.nodeId,
    name: daemon.node.name,
    process: daemon.state,
    pid: daemon.pid,
    ready: observer.ready,
    ringId: observer.ringId,
    members: observer.members,
    quorate: observer.quorate,
    votes: observer.votes,
    tokensPerSec: observer.tokensPerSec,
    messagesPerSec: observer.messagesPerSec,
    delivered: observer.delivered,
    groups: observer.groups,
  };
}

/** A demonstration that was killed leaves its directory; its daemons stopped by themselves. */
export function sweepAbandoned(directory: string = tmpdir()): void {
  for (const name of readdirSync(directory)) {
    const pid = new RegExp(`^${DIRECTORY_PREFIX}(\\d+)-\\w{6}$`).exec(name)?.[1];
    if (pid !== undefined && !processExists(Number(pid))) removeOwnDirectory(join(directory, name));
  }
}
