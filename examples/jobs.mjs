// A queue of jobs: each is done by one worker, and by another one when that one dies. Run workers on at least two of three nodes.
//   RONDO_IPC_INSTANCE=… node examples/jobs.mjs work        takes jobs until it is stopped
//   RONDO_IPC_INSTANCE=… node examples/jobs.mjs put TEXT…   adds jobs, and ends
import { setTimeout as delay } from 'node:timers/promises';
import { Queue } from 'rondo';

const [, , what = 'work', ...texts] = process.argv;
const workMs = Number(process.env.WORK_MS ?? 500);
const queue = await Queue.open({ name: 'example.jobs' });

if (what === 'put') {
  for (const text of texts) console.log(`job ${await queue.put({ text })}: ${text}`);
  await queue.close();
} else {
  console.log('ready');
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
  for await (const job of queue.jobs({ signal: stop.signal })) {
    console.log(`began job ${job.id}: ${job.value.text}${job.attempt > 1 ? ` (attempt ${job.attempt})` : ''}`);
    await delay(workMs, undefined, { signal: job.lost }).then(
      async () => {
        const outcome = await job.confirm({ timeoutMs: 10_000 }).then(
          () => 'done',
          () => 'not confirmed:',
        );
        console.log(`${outcome} job ${job.id}`); // without a majority it may be done again
      },
      () => console.log(`lost job ${job.id}`), // somebody else does it again
    );
  }
  await queue.close();
}
