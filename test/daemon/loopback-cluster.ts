import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DaemonProcess } from '../../src/cli/demo/daemon-process.ts';
import { type DemoLayout, findPort, writeLayout } from '../../src/cli/demo/generate.ts';
import { Cpg, type CpgEvent, Quorum } from '../../src/client/index.ts';

export const DAEMON_ENTRY = fileURLToPath(new URL('../../src/daemon/entry.js', import.meta.url));
/** Generous: the machine may be busy with other tests. */
export const READY_MS = 60_000;

/** Daemons on 127.0.0.x as child processes, in a temporary directory, without root. */
export class LoopbackCluster {
  readonly daemons: readonly DaemonProcess[];

  private constructor(readonly layout: DemoLayout) {
    this.daemons = layout.nodes.map((node) => new DaemonProcess(node, DAEMON_ENTRY, () => {}));
  }

  static async create(count: number, transport: 'knet' | 'udpu'): Promise<LoopbackCluster> {
    const addresses = Array.from({ length: count }, (_, index) => `127.0.0.${index + 1}`);
    const port = await findPort(addresses, Math.random);
    const directory = mkdtempSync(join(tmpdir(), 'rondo-test-'));
    return new LoopbackCluster(writeLayout(directory, count, transport, port, `rondo-test-${process.pid}-${port}`));
  }

  instance(index: number): string {
    return this.layout.nodes[index]!.instance;
  }

  options(index: number): { readonly instance: string; readonly waitReadyMs: number } {
    return { instance: this.instance(index), waitReadyMs: READY_MS };
  }

  start(index: number): void {
    this.daemons[index]!.start();
  }

  /** Resolves when this node sees exactly these members. */
  async members(index: number, wanted: readonly number[]): Promise<void> {
    const quorum = await Quorum.connect(this.options(index));
    try {
      for await (const event of await quorum.watch({ signal: AbortSignal.timeout(READY_MS) })) {
        if (event.type === 'nodes' && event.members.join() === wanted.join()) return;
      }
      throw new Error(`node ${index + 1} never saw ${wanted.join(' ')}; its log ends:\n${this.logTail(index)}`);
    } finally {
      quorum.close();
    }
  }

  logText(index: number): string {
    try {
      return readFileSync(this.layout.nodes[index]!.logFile, 'utf8');
    } catch {
      return '';
    }
  }

  logTail(index: number, lines = 15): string {
    return this.logText(index).split('\n').slice(-lines).join('\n');
  }

  async end(): Promise<void> {
    for (const daemon of this.daemons) daemon.stop();
    await Promise.all(this.daemons.map((daemon) => daemon.gone(10_000)));
    rmSync(this.layout.directory, { recursive: true, force: true });
  }
}

/** A group member that keeps its events, in order. */
export class Recorder {
  readonly story: string[] = [];
  messages = 0;
  lastMembership: Extract<CpgEvent, { type: 'membership' }> | null = null;
  private readonly reading: Promise<void>;

  private constructor(readonly cpg: Cpg) {
    this.reading = this.read();
  }

  static async join(options: Parameters<typeof Cpg.connect>[0], group: string): Promise<Recorder> {
    const cpg = await Cpg.connect(options);
    await cpg.join(group);
    return new Recorder(cpg);
  }

  private async read(): Promise<void> {
    try {
      for await (const event of this.cpg.events()) {
        if (event.type === 'message') {
          this.messages++;
          const digest = createHash('sha1').update(event.data).digest('hex').slice(0, 8);
          this.story.push(`${event.nodeId}.${event.pid}:${event.data.length}:${digest}`);
        } else if (event.type === 'membership') this.lastMembership = event;
      }
    } catch {
      // The daemon ended.
    }
  }

  /** Waits until so many messages came, at most `READY_MS`. */
  async got(count: number): Promise<void> {
    await until(() => this.messages >= count, `${count} messages, got ${this.messages}`);
  }

  async memberCount(count: number): Promise<void> {
    await until(() => this.lastMembership?.members.length === count, `${count} group members`);
  }

  async close(): Promise<void> {
    await this.cpg.close();
    await this.reading;
  }
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + READY_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${READY_MS} ms for ${what}`);
    await delay(10);
  }
}
