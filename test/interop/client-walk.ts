/** A walk through what the client library promises of any daemon; prints what must be equal on stock and on ours. Run in the lab. */
import { Cfg, Cmap, Cpg, Quorum, RondoError, Votequorum } from '../../src/client/index.ts';

const options = { waitReadyMs: 30_000 };
const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: unknown) => (error instanceof RondoError ? error.code : String(error)),
  );
const say = (...words: readonly unknown[]): void => console.log(words.map(String).join(' '));

const cpg = await Cpg.connect(options);
say('send before join', await code(cpg.send('x')));
await cpg.join('walk');
let received = 0;
let ticks = 0;
const timer = setInterval(() => ticks++, 10);
for (const until = performance.now() + 500; performance.now() < until; ) await cpg.send('x');
clearInterval(timer);
say('timers run', ticks >= 3);
await cpg.send('last');
while (received < 2) {
  for await (const event of cpg.events()) {
    if (event.type !== 'message') continue;
    if (Buffer.from(event.data).toString() === 'last') received = 2;
    break; // a loop for every message: nothing is lost in between
  }
}
say('all came', received);
say('given up', await code(cpg.send('x', { signal: AbortSignal.abort(new Error('enough')) })));
await cpg.leave();
say('send after leave', await code(cpg.send('x')));
await cpg.close();

for (const client of [await Quorum.connect(options), await Votequorum.connect(options)]) {
  for (let round = 0; round < 2; round++) {
    const watches = [await client.watch(), await client.watch()];
    for (const watch of watches) say('watch', (await watch.next()).done, await watch.return?.().then(() => 'left'));
  }
  await client.close();
}

const cmap = await Cmap.connect(options);
await cmap.set('test.float', 'flt', 1);
say('adjust a float', await code(cmap.adjust('test.float', 1)));
say('adjust', await code(cmap.adjust('test.none', 1)));
await cmap.close();

const listener = await Cfg.connect(options);
for (let round = 0; round < 2; round++) {
  const requests = await listener.shutdownRequests();
  say('second loop', await code(listener.shutdownRequests()));
  await requests.return?.();
}
const started = performance.now();
say(
  'shutdown',
  await code((await Cfg.connect(options)).shutdown()),
  performance.now() - started < 4000 ? 'at once' : 'late',
);
