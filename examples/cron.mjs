// A cron of which one runs in the whole cluster. Run it on at least two of three nodes.
//   RONDO_IPC_INSTANCE=… node examples/cron.mjs [EVERY_MS]
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Election } from 'rondo';

const everyMs = Number(process.argv[2] ?? 1000);
const election = await Election.open({ name: 'example.cron' });
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
console.log('ready');
for await (const term of election.terms({ signal: stop.signal })) {
  console.log(`leading, term ${term.token}`);
  const signal = AbortSignal.any([term.signal, stop.signal]);
  try {
    for (let run = 1; ; run++) {
      // The work. Hand the token on to what it changes: that refuses a leader of yesterday by it.
      console.log(`run ${run} of term ${term.token} on ${hostname()} ${process.pid}`);
      await delay(everyMs, undefined, { signal });
    }
  } catch {
    console.log(`term ${term.token} is over`);
  }
}
await election.close();
