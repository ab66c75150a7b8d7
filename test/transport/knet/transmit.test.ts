import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { allocateTransmit, JobKind, TransmitShared } from '../../../src/transport/knet/transmit/shared.ts';
import { crypto, TestNode, totemConfig, until } from './harness.ts';

t.setTimeout(300_000); // the machine may be busy

const run = promisify(execFile);
const members = { 1: ['127.0.4.1'], 2: ['127.0.4.2'] };

/** Everything that a transport does, key changes, segmentation and links without a route included, when other threads seal and send. */
if (process.env['RONDO_TEST_TRANSMIT_THREADS'] === undefined)
  for (const [threads, names] of [
    ['1', ['transport', 'transmit']],
    ['2', ['transmit']],
    ['4', ['transmit']],
  ] as const)
    t.test(`the tests of the transport hold with ${threads} transmit threads`, async (t) => {
      const env = { ...process.env, RONDO_TEST_TRANSMIT_THREADS: threads };
      for (const name of names) {
        const file = new URL(`${name}.test.js`, import.meta.url).pathname;
        const result = await run(process.execPath, [file], { env, maxBuffer: 16 << 20 }).then(
          () => '',
          (error: { stdout: string }) => error.stdout,
        );
        t.equal(result, '', name);
      }
    });
else
  t.test(
    'messages arrive in the order of queueing, whichever thread has sealed them, and the threads end',
    async (t) => {
      const options = {
        members,
        port: 30_405 + 10 * Number(process.env['RONDO_TEST_TRANSMIT_THREADS']),
        tokenMs: 400,
        crypto: crypto('aes256', 'sha256', randomBytes(256)),
      };
      const nodes = [1, 2].map((nodeId) => new TestNode(totemConfig({ ...options, nodeId })).open());
      const [one, two] = nodes as [TestNode, TestNode];
      t.ok(await until(nodes, 10_000, () => one.connected(2) && two.connected(1)));
      const COUNT = 2000;
      two.received.length = 0;
      for (let i = 0; i < COUNT; i++) {
        one.multicast(100 + ((i * 37) % 4000), i & 255);
        if (i % 7 === 0) one.transport.flush();
        if (i % 40 === 0) for (const node of nodes) node.step();
      }
      one.transport.flush();
      t.ok(await until(nodes, 20_000, () => two.received.length === COUNT), `${two.received.length} of ${COUNT}`);
      t.ok(
        two.received.every((message, i) => message.length === 100 + ((i * 37) % 4000) && message[50] === (i & 255)),
        'in order',
      );
      t.ok(
        one.count('rondo.transmit.handed_over') > 100,
        `${one.count('rondo.transmit.handed_over')} queues went over`,
      );
      t.ok(await until(nodes, 1_000, () => one.stat('handle.tx_crypt_packets') >= COUNT), 'and were counted');
      const ends = nodes.flatMap(({ threads }) => threads).map((thread) => once(thread, 'exit'));
      for (const node of nodes) node.close();
      t.ok((await Promise.all(ends)).every(([code]) => code === 0));
    },
  );

t.test('who waits for a thread that is gone learns it', async (t) => {
  const shared = new TransmitShared(allocateTransmit(1));
  shared.post(0, { kind: JobKind.SEND, queue: 0, packets: 0, runs: 0, suite: 0 });
  t.throws(() => shared.awaitDone(1), /has not sent for/);
});

t.test('when a thread has failed nobody waits for jobs, for others, or for ends that have come', async (t) => {
  const shared = new TransmitShared(allocateTransmit(2));
  const job = { kind: JobKind.SEND, queue: 0, packets: 0, runs: 0, suite: 0 };
  shared.post(0, job);
  shared.fail();
  t.notOk(shared.take(1, job));
  t.notOk(shared.take(0, job), 'nor is anything begun');
  t.notOk(shared.awaitDone(1));
  t.notOk(shared.haveEnded);
  shared.noteEnded();
  shared.noteEnded();
  shared.awaitEnds();
  t.ok(shared.haveEnded);
});

t.test('numbers of jobs go round', async (t) => {
  const buffers = allocateTransmit(2);
  const shared = new TransmitShared(buffers);
  const job = { kind: 0, queue: 0, packets: 0, runs: 0, suite: 0 };
  let n = 0;
  // As far as the end of 32 bits, without counting up to it.
  const words = new Int32Array(buffers.control, (5 + 32) * 8, 4);
  words[0] = words[1] = n = 2 ** 31 - 3;
  for (let i = 0; i < 8; i++, n = (n + 1) | 0) {
    shared.post(n, { ...job, kind: JobKind.SEND, packets: i });
    shared.take(n, job);
    t.equal(job.packets, i);
    shared.finish(n, 10);
    shared.awaitDone((n + 1) | 0);
  }
  t.ok(n < 0, `${n}`);
});

t.test('a thread that nobody stops can be ended', async (t) => {
  const workerData = { buffers: allocateTransmit(1), index: 0, schedRr: false, schedPriority: 0 };
  const worker = new Worker(new URL('../../../workers/transmit.js', import.meta.url), { workerData });
  await once(worker, 'online');
  t.equal(await worker.terminate(), 1);
});
