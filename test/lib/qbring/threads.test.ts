import { Worker } from 'node:worker_threads';
import t from 'tap';
import { Peek, RingReader } from '../../../src/lib/qbring/reader.ts';
import { createThreadRing } from '../../../src/lib/qbring/setup.ts';

t.setTimeout(120_000);

// One thread writes numbered messages of changing length as fast as it can, this one reads and checks them.
t.test('two threads, half a million messages', async (t) => {
  const [WORDS, LONGEST, COUNT] = [4096, 2000, 500_000];
  const { shared, memory } = createThreadRing(WORDS, LONGEST);
  const base = new URL('../../../src/lib/qbring/', import.meta.url).href;
  const worker = new Worker(
    `const { workerData } = require('node:worker_threads');
     (async () => {
       const { attachThreadRing } = await import('${base}setup.js');
       const { RingWriter } = await import('${base}writer.js');
       const writer = new RingWriter(attachThreadRing(workerData.shared, ${WORDS}, ${LONGEST}));
       for (let n = 0; n < ${COUNT}; ) {
         const length = 4 + ((n * 37) % 61 === 0 ? (n * 31) % ${LONGEST - 4} : n % 90);
         const at = writer.claim(length);
         if (at < 0) { writer.publish(); continue; }
         writer.i32[at >> 2] = n; writer.u8[at + length - 1] = length === 4 ? writer.u8[at + 3] : n;
         writer.commit();
         if (n++ % 7 === 0) writer.publish();
       }
       writer.publish();
     })();`,
    { eval: true, workerData: { shared } },
  );
  const reader = new RingReader(memory);
  let n = 0;
  let wrong = 0;
  for (let idle = 0; n < COUNT && idle < 20_000; ) {
    if (reader.peek() !== Peek.CHUNK) {
      reader.release();
      idle++;
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    idle = 0;
    const length = 4 + ((n * 37) % 61 === 0 ? (n * 31) % (LONGEST - 4) : n % 90);
    if (reader.length !== length || memory.i32[reader.offset >> 2] !== n) wrong++;
    if (length > 4 && memory.u8[reader.offset + length - 1] !== (n & 255)) wrong++;
    reader.reclaim();
    if (n++ % 5 === 0) reader.release();
  }
  t.equal(n, COUNT);
  t.equal(wrong, 0);
  t.equal(reader.fault, null);
  await worker.terminate();
});
