/** The client of this project under load, as `clientload.c` is that of libcpg: both|bothlent|receive|lend|borrow GROUP SIZE SECONDS. Run by client.ts. */
import { setTimeout as delay } from 'node:timers/promises';
import { Cpg, type CpgMessageEvent, type CpgOptions } from '../src/client/index.ts';
import { LoopWatch } from './loop-watch.ts';

const [mode, group = 'perf', size = '64', seconds = '2'] = process.argv.slice(2);
let received = 0;
let bytesSeen = 0;
const seen = ({ data }: CpgMessageEvent): void => {
  received++;
  bytesSeen += data.length + data[data.length - 1]!;
};
const receiving: CpgOptions =
  mode === 'borrow'
    ? { onMessage: seen }
    : { messageMemory: mode === 'lend' || mode === 'bothlent' ? 'lent' : 'owned' };
const cpg = await Cpg.connect({ waitReadyMs: 30_000, ...receiving });
await cpg.join(group);
const reading = (async () => {
  for await (const event of cpg.events()) {
    if (event.type === 'message') seen(event);
  }
})();
reading.catch(() => {});
console.log('ready');

const data = new Uint8Array(Number(size));
let isOver = false;
const sending = (async () => {
  while (mode?.startsWith('both') === true && !isOver) await cpg.send(data);
})();
while (received === 0) await delay(1);
// A fresh process compiles its hot code during its first second.
await delay(1_000);

const watch = new LoopWatch();
const first = received;
const startedMs = performance.now();
const cpu = process.cpuUsage();
watch.start();
await delay(Number(seconds) * 1000);
const messages = received - first;
const took = (performance.now() - startedMs) / 1000;
const { user, system } = process.cpuUsage(cpu);
const loop = await watch.stop();
console.log(JSON.stringify({ messages, seconds: took, cpuMs: (user + system) / 1000, ...loop }));
isOver = true;
await sending.catch(() => {});
process.exit(bytesSeen < 0 ? 1 : 0);
