import t from 'tap';
import { QnetFramer } from '../../src/qnet/framer.ts';
import { QnetMessageType } from '../../src/qnet/ids.ts';
import { decodeQnet } from '../../src/qnet/messages.ts';
import { ArbiterHarness } from '../qnet/arbiter-harness.ts';
import { Mutator } from './mutator.ts';
import { qnetMessages } from './qnet-corpus.ts';

/** What any client of the network may send to an arbiter: no exception, no state that breaks it. `FUZZ_FRAMES` messages, `FUZZ_SEED`. */
const frames = Number(process.env['FUZZ_FRAMES'] ?? 20_000);
const seed = Number(process.env['FUZZ_SEED'] ?? 1);

const corpus = qnetMessages();

t.setTimeout(3_600_000); // a long run

t.test('messages of clients, mutated', async (t) => {
  const mutator = new Mutator(corpus, seed, 16_384);
  const harness = new ArbiterHarness();
  const clients = [1, 2, 3, 4].map((id) => harness.join(id, { algorithm: id % 2 === 0 ? 1 : 3 }, `cluster${id % 2}`));
  const fresh = harness.connect();
  const all = [...clients, fresh];
  for (let frame = 0; frame < frames; frame++) {
    const client = all[frame % all.length]!;
    harness.arbiter.received(client, mutator.next());
    if (frame % 97 === 0) for (const armed of [...harness.timers]) harness.arbiter.timer(armed);
    harness.take(client);
  }
  for (const client of clients) {
    const [echo] = harness.request(client, QnetMessageType.ECHO_REQUEST, { sequence: 12 });
    t.match(echo, { type: QnetMessageType.ECHO_REPLY, sequence: 12 }, 'it still works');
    harness.arbiter.disconnected(client);
  }
  harness.arbiter.disconnected(fresh);
  t.equal(harness.arbiter.clusters.size, 0);
});

t.test('streams of noise', async (t) => {
  const mutator = new Mutator(corpus, seed + 1, 2048);
  const framer = new QnetFramer(1024);
  let whole = 0;
  for (let frame = 0; frame < frames; frame++) {
    const chunk = mutator.next();
    for (let at = 0; ; ) {
      const taken = framer.take(chunk, at);
      if (taken === null) break;
      if (taken.next <= at && taken.next < chunk.length) return t.fail('no progress');
      at = taken.next;
      if (taken.framed.message !== null) whole += decodeQnet(taken.framed.message) === null ? 0 : 1;
      if (at >= chunk.length) break;
    }
  }
  t.ok(whole >= 0);
});
