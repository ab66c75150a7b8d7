// A cache in front of PostgreSQL that all programs share: what one of them has read is there for all, and what one has written is old for nobody.
// Run it on at least two of three nodes; it needs psql, and makes a table "example_items".
//   RONDO_IPC_INSTANCE=… node examples/cache.mjs postgresql:///DATABASE
// Standard input: `get KEY`, `fresh KEY` (not older than any confirmed put, anywhere), `put KEY VALUE`.
import { execFile } from 'node:child_process';
import { createInterface } from 'node:readline';
import { SharedMap } from 'rondo';

const DATABASE = process.argv[2] ?? 'postgresql:///postgres';
const ENTRIES_MAX = 10_000;
const STATEMENT_MS = 2_000;
/** By PostgreSQL's clock, since the put began: a program that stalled for longer writes nothing any more. */
const WRITE_MS = 5_000;
/** By this program's clock: longer than WRITE_MS and STATEMENT_MS together, so the put that is seen for so long is over. */
const ABANDONED_MS = 10_000;

/** One statement by psql; a program of yours uses a driver. */
const sql = (text, variables = {}) =>
  new Promise((resolve, reject) => {
    const settings = Object.entries(variables).flatMap(([name, value]) => ['-v', `${name}=${value}`]);
    const env = { ...process.env, PGOPTIONS: `-c statement_timeout=${STATEMENT_MS}`, PGCONNECT_TIMEOUT: '5' };
    const args = ['-XqAt', '-v', 'ON_ERROR_STOP=1', ...settings, DATABASE];
    const psql = execFile('psql', args, { env }, (error, out) =>
      error === null ? resolve(out.replace(/\n$/, '')) : reject(error),
    );
    psql.stdin.end(text);
  });
const select = (key) => sql("select value from example_items where key = :'key'", { key });

// An entry is one of: { value }, there for all; { empty: true }, to be filled; { writing: true }, somebody changes the row.
const cache = await SharedMap.open({ name: 'example.cache' });
const writingSince = new Map(); // key → revision and time at which this program saw it first

async function get(key) {
  // Without a majority, or while cut off, what is here may be old: the database has the truth.
  if (cache.state !== 'active') return `${await select(key)} (database)`;
  const entry = cache.get(key);
  if (entry?.value.writing) {
    await takeOver(key, entry.revision);
    return `${await select(key)} (database)`;
  }
  writingSince.delete(key);
  if (entry?.value.value !== undefined) return `${entry.value.value} (cache)`;
  // The place to fill is made, or found, before the row is read. A put in between changes its revision, and the row, which may be old, is not kept.
  const place = entry === null ? await cache.set(key, { empty: true }, { ifRevision: 0 }) : entry.revision;
  const value = await select(key);
  if (place !== null) {
    await cache.set(key, { value }, { ifRevision: place });
    await makeRoom();
  }
  return `${value} (database)`;
}

async function put(key, value) {
  const began = await sql('select extract(epoch from clock_timestamp())');
  const place = await cache.set(key, { writing: true }); // from here on nobody takes the old row from the cache
  const written = await sql(
    `insert into example_items select :'key', :'value'
       where clock_timestamp() < to_timestamp(:began) + interval '${WRITE_MS} ms'
       on conflict (key) do update set value = excluded.value returning 1`,
    { key, value, began },
  );
  await cache.set(key, { empty: true }, { ifRevision: place }); // no effect when another put has begun: that one does it
  if (written === '') throw new Error('it took too long, nothing was written');
}

/** The program that writes may have died. Its statement cannot come any more when its time is over. */
async function takeOver(key, revision) {
  const seen = writingSince.get(key);
  if (seen?.revision !== revision) writingSince.set(key, { revision, atMs: performance.now() });
  else if (performance.now() - seen.atMs > ABANDONED_MS) {
    writingSince.delete(key);
    await cache.set(key, { empty: true }, { ifRevision: revision });
  }
}

async function makeRoom() {
  const entries = cache.entries();
  if (entries.length <= ENTRIES_MAX) return;
  const oldest = entries.filter(([, { value }]) => !value.writing).sort(([, a], [, b]) => a.revision - b.revision)[0];
  if (oldest !== undefined) await cache.delete(oldest[0], { ifRevision: oldest[1].revision });
}

await sql('create table if not exists example_items (key text primary key, value text not null)').catch(() => {}); // two at once
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const [, what, key, value] = /^(\w+) (\S+) ?(.*)$/.exec(line) ?? [];
  try {
    if (what === 'fresh') await cache.read(key, { timeoutMs: STATEMENT_MS });
    if (what === 'put') await put(key, value);
    console.log(what === 'put' ? `${key} := ${value}` : `${key} = ${await get(key)}`);
  } catch (error) {
    console.log(`${line} failed: ${error.message.split('\n')[0]}`);
  }
}
await cache.close();
