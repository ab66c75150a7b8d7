/** Works on a map, a counter and a lock of the cluster until it is killed, and writes down what it did. Run in the lab: NAME DIRECTORY [STORE] */
import { appendFileSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Counter, Locks, SharedMap } from '../../src/platform/index.ts';
import type { CounterInput, HistoryLine, MapInput, ResourceLine } from '../platform/history.ts';

const [name = '', directory = '', store] = process.argv.slice(2);
const file = openSync(join(directory, `history-${name}`), 'a');
const resource = join(directory, 'resource');
/** Keys in use at a time, and for how long, so that histories of a key stay short. */
const KEYS = 3;
const KEY_MS = 2_000;
const KEYS_READ_FIRST = 40;
const TIMEOUT_MS = 15_000;

/** Microseconds of the machine's clock, the same for all processes. */
const now = (): number => Number(process.hrtime.bigint() / 1000n);
const int = (below: number): number => Math.floor(Math.random() * below);
const write = (line: HistoryLine): void => void writeSync(file, `${JSON.stringify(line)}\n`);
const record = (line: ResourceLine): void => appendFileSync(resource, `${JSON.stringify(line)}\n`);

let beatMs = performance.now();
let stalls: { readonly atMs: number; readonly forMs: number }[] = [];
setInterval(() => {
  const atMs = performance.now();
  stalls = [...stalls.filter((stall) => atMs - stall.atMs < 5_000), { atMs, forMs: atMs - beatMs - 20 }];
  beatMs = atMs;
}, 20);
/** The longest time without a turn of the event loop of late. */
const stallMs = (): number =>
  Math.round(Math.max(performance.now() - beatMs - 20, ...stalls.map(({ forMs }) => forMs)));

let count = 0;
async function call(what: MapInput | CounterInput, run: () => Promise<string | boolean>): Promise<void> {
  const id = `${name}/${++count}`;
  write({ begins: id, what, at: now() });
  try {
    const output = await run();
    write({ ends: id, output, at: now() });
  } catch {
    // Whether it happened is not known.
  }
}

async function opened<T>(kind: string, open: (options: object) => Promise<T>): Promise<T> {
  for (;;) {
    try {
      const on = store === undefined ? {} : { store: { directory: join(store, kind) } };
      return await open({ name: 'lab', waitReadyMs: 30_000, openMs: Number.POSITIVE_INFINITY, ...on });
    } catch {
      await delay(200); // the daemon is down just now
    }
  }
}

type Map = SharedMap<string>;
const [map, counter, locks] = await Promise.all([
  opened('map', (options) => SharedMap.open<string>(options as { name: string })),
  opened('counter', (options) => Counter.open(options as { name: string })),
  opened('locks', (options) => Locks.open(options)),
]);

const limit = { timeoutMs: TIMEOUT_MS };
const read = (key: string): Promise<void> =>
  call({ key, op: 'read' }, async () => (await map.read(key, limit))?.value ?? '');

async function workOnMap(map: Map): Promise<never> {
  for (const [key] of map.entries().slice(-KEYS_READ_FIRST)) await read(key); // what others did before this process was there
  for (;;) {
    const key = `k${Math.floor(now() / 1000 / KEY_MS) * KEYS + int(KEYS)}`;
    const value = `${name}.${count}`;
    const dice = int(3);
    if (dice === 0) await read(key);
    else if (dice === 1) {
      await call({ key, op: 'write', value }, async () => (await map.set(key, value, limit)) !== null);
    } else {
      const entry = map.get(key);
      const what: MapInput = { key, op: 'swap', from: entry?.value ?? '', to: value };
      const ifRevision = entry?.revision ?? 0;
      await call(what, async () => (await map.set(key, value, { ...limit, ifRevision })) !== null);
    }
    await delay(10 + int(20));
  }
}

async function workOnCounter(): Promise<never> {
  for (;;) {
    if (int(4) === 0) await call({ key: null, op: 'read' }, async () => String(await counter.read(limit)));
    else await call({ key: null, op: 'add' }, async () => String(await counter.add(1, limit)));
    await delay(10 + int(20));
  }
}

async function workOnLock(): Promise<never> {
  for (;;) {
    const lock = await locks.acquire('resource');
    const token = lock.token.toString();
    let inside = true;
    lock.lost.addEventListener('abort', () => {
      if (inside) record({ what: 'lost', holder: name, token, stallMs: stallMs() });
      inside = false;
    });
    if (!lock.lost.aborted) record({ what: 'enter', holder: name, token });
    else inside = false;
    for (let i = int(5) === 0 ? 40 : int(4); i > 0 && !lock.lost.aborted; i--) await delay(20);
    if (inside) record({ what: 'leave', holder: name, token });
    inside = false;
    await lock.release();
    await delay(int(30));
  }
}

console.log('ready');
await Promise.all([workOnMap(map), workOnCounter(), workOnLock()]);
