import { randomBytes } from 'node:crypto';
import { getHeapStatistics } from 'node:v8';
import t from 'tap';
import { CLEAR, crypto, TestNode, totemConfig } from './harness.ts';

/**
 * Nothing is allocated for a packet: system calls put some numbers (addresses, times) into boxes, which is so much per batch,
 * whatever is in it. One small object per packet would be 20 bytes or more each.
 */
const BYTES_PER_BATCH_MAX = 3_000;
const BATCHES = 40;
const PARTS = 12;

t.setTimeout(180_000);

for (const [name, suite] of [
  ['clear', CLEAR],
  ['aes256/sha256', crypto('aes256', 'sha256', randomBytes(256))],
] as const) {
  for (const [bytes, frames] of [
    [200, 200],
    [20_000, 60],
  ] as const) {
    t.test(`${frames} frames of ${bytes} bytes, ${name}`, async (t) => {
      const members = { 1: ['127.0.10.1'], 2: ['127.0.10.2'] };
      const [one, two] = [1, 2].map((nodeId) =>
        new TestNode(
          totemConfig({ nodeId, members, port: 28_405, tokenMs: 4_000, knetMtu: 1_500, crypto: suite }),
        ).open(),
      ) as [TestNode, TestNode];
      one.keep = false;
      two.keep = false;
      while (!(one.connected(2) && two.connected(1))) {
        one.step();
        two.step();
      }
      let goal = 0;
      const batch = (): void => {
        goal += frames;
        for (let i = 0; i < frames; i++) one.multicast(bytes, i);
        one.transport.flush();
        while (two.receivedCount < goal) two.transport.poll(1_000);
      };
      for (let i = 0; i < 400; i++) batch();
      const grown: number[] = [];
      for (let part = 0; part < PARTS; part++) {
        const before = getHeapStatistics().used_heap_size;
        for (let i = 0; i < BATCHES; i++) batch();
        const growth = getHeapStatistics().used_heap_size - before;
        if (growth >= 0) grown.push(growth / BATCHES); // with a collection in between the figure means nothing
      }
      grown.sort((a, b) => a - b);
      const median = grown[grown.length >> 1] ?? 0;
      t.ok(grown.length > 3 && median < BYTES_PER_BATCH_MAX, `${Math.round(median)} bytes a batch`);
      one.close();
      two.close();
    });
  }
}
