import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { checkHistory, checkResource, type HistoryLine, type ResourceLine } from '../platform/history.ts';
import { seeded } from '../services/fake-clock.ts';
import { FULL, skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind, LabNode } from './lab/node.ts';
import { type Running, sleep } from './lab/process.ts';

const WORKER = fileURLToPath(new URL('./platform-worker.js', import.meta.url));
/** Seconds of faults in all; ten minutes by `RONDO_CHECK_SECONDS=600`. */
const SECONDS = Number(process.env['RONDO_CHECK_SECONDS'] ?? (FULL ? 120 : 12));
const SEED = Number(process.env['RONDO_CHECK_SEED'] ?? 1);
const AGAIN_MS = 90_000;

/** Three programs on three nodes, and those that break them. */
class Field {
  private readonly workers = new Map<LabNode, Running>();
  private readonly names = new Map<LabNode, string>();
  private readonly directory: string;
  private lives = 0;
  readonly faults = new Map<string, number>();

  constructor(
    readonly lab: Lab,
    private readonly onDisk: boolean,
  ) {
    this.directory = join(lab.directory, 'field');
    mkdirSync(this.directory);
  }

  start(node: LabNode): void {
    const name = `n${node.id}.${++this.lives}`;
    const store = this.onDisk ? [join(this.directory, `store-${node.id}`)] : [];
    this.names.set(node, name);
    this.workers.set(node, node.space.start(process.execPath, [WORKER, name, this.directory, ...store]));
  }

  async kill(node: LabNode): Promise<void> {
    await this.workers.get(node)?.stop('SIGKILL');
    this.isDead(node);
  }

  private isDead(node: LabNode): void {
    const line: ResourceLine = { what: 'dead', holder: this.names.get(node)! };
    appendFileSync(join(this.directory, 'resource'), `${JSON.stringify(line)}\n`);
  }

  /** Daemons and programs, at one moment. */
  async killAll(): Promise<void> {
    const { nodes } = this.lab;
    for (const node of nodes) for (const one of [this.workers.get(node), node.daemon]) one?.signal('SIGKILL');
    await Promise.all(nodes.flatMap((node) => [this.workers.get(node)?.exited, node.daemon?.exited]));
    for (const node of nodes) this.isDead(node);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.workers.values()].map((worker) => worker.stop('SIGKILL')));
  }

  get errors(): string {
    return [...this.workers.values()].map(({ errors }) => errors).join('');
  }

  /** Every program has the state: what is in memory may be forgotten by one of them at a time, and by the next one when that one has it again. */
  get isWhole(): boolean {
    return [...this.workers.values()].every(({ output }) => output.includes('ready'));
  }

  /** Calls with a result, of the newest life on each node. */
  private finished(): number[] {
    return [...this.names.values()].map((name) => {
      const path = join(this.directory, `history-${name}`);
      return existsSync(path) ? readFileSync(path, 'utf8').split('"ends"').length - 1 : 0;
    });
  }

  /** Every program has results again. `false`: not in time. */
  async works(): Promise<boolean> {
    const before = this.finished();
    const until = performance.now() + AGAIN_MS;
    while (performance.now() < until) {
      if (this.finished().every((calls, at) => calls >= before[at]! + 10)) return true;
      await sleep(200);
    }
    return false;
  }

  check(): { problems: readonly string[]; text: string; known: number; holders: number } {
    const history = readdirSync(this.directory)
      .filter((name) => name.startsWith('history-'))
      .flatMap((name) => lines<HistoryLine>(join(this.directory, name)));
    const { problems, known, unknown } = checkHistory(history);
    const lock = checkResource(lines<ResourceLine>(join(this.directory, 'resource')));
    const faults = [...this.faults].map(([kind, times]) => `${kind} ${times}`).join(', ');
    const text = `${known} calls, ${unknown} without a result, ${lock.holders} holders, ${lock.stalls} stalls; ${faults}`;
    return { problems: [...problems, ...lock.problems], text, known, holders: lock.holders };
  }

  count(kind: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
  }
}

/** Whole lines: who was killed may have left a torn one. */
function lines<T>(path: string): T[] {
  const parts = readFileSync(path, 'utf8').split('\n');
  return parts.slice(0, -1).map((line) => JSON.parse(line) as T);
}

/** Shorter and longer than the token timeout. */
async function fault(field: Field, int: (below: number) => number): Promise<void> {
  const node = field.lab.node(1 + int(3));
  const dice = int(field.isWhole ? 4 : 3);
  if (dice === 0) {
    field.count('daemon killed');
    await node.killDaemon();
    await sleep(int(2500));
    node.startDaemon();
  } else if (dice === 1) {
    field.count('daemon paused');
    node.freeze();
    await sleep(int(4000));
    node.thaw();
  } else if (dice === 2) {
    field.count('cut off');
    await node.cut();
    await sleep(int(5000));
    await node.heal();
  } else {
    field.count('program killed');
    await field.kill(node);
    await sleep(int(1000));
    field.start(node);
  }
  await sleep(1000 + int(2500));
}

const up = (kind: DaemonKind): Promise<Lab> =>
  Lab.up({ transport: 'knet', tokenMs: 1000, crypto: { cipher: 'aes128', hash: 'sha256' } }, [kind, kind, kind]);

for (const kind of ['ours', 'stock'] as const) {
  const title = `locks, a counter and a map on three nodes (${kind}) with faults: one order explains it all`;
  t.test(title, { skip: skipReason([kind], false, title) }, async (t) => {
    t.setTimeout(SECONDS * 1000 + 300_000);
    const random = seeded(SEED * 104_729);
    const lab = await up(kind);
    t.teardown(() => lab.close());
    const field = new Field(lab, false);
    for (const node of lab.nodes) field.start(node);
    t.ok(await field.works(), 'all work');
    const until = performance.now() + SECONDS * 1000;
    while (performance.now() < until) await fault(field, (below) => Math.floor(random() * below));
    t.ok(await field.works(), `all work again ${field.errors}`);
    await field.stop();
    const { problems, text, known, holders } = field.check();
    t.same(problems, [], text);
    t.ok(known > SECONDS && holders > SECONDS / 4, text);
  });

  const death = `all programs and daemons (${kind}) are killed at once: everything that was confirmed comes back from disk`;
  t.test(death, { skip: skipReason([kind], false, death) }, async (t) => {
    t.setTimeout(400_000);
    const lab = await up(kind);
    t.teardown(() => lab.close());
    const field = new Field(lab, true);
    for (const node of lab.nodes) field.start(node);
    for (let round = 0; round < (FULL ? 4 : 2); round++) {
      t.ok(await field.works(), `all work ${field.errors}`);
      await sleep(500);
      await field.killAll();
      field.count('all killed');
      for (const node of lab.nodes) node.startDaemon();
      for (const node of lab.nodes) field.start(node);
    }
    t.ok(await field.works(), `all work again ${field.errors}`);
    await field.stop();
    const { problems, text, known } = field.check();
    t.same(problems, [], text);
    t.ok(known > 60, text);
  });
}
