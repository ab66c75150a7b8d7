import t from 'tap';
import type { ToRing } from '../../src/bridge/messages.ts';
import { RingQueries } from '../../src/daemon/ring-queries.ts';

function queries() {
  const sent: { readonly id: number; readonly what: string }[] = [];
  const ring = new RingQueries((message: ToRing) => {
    if (message.op === 'query') sent.push({ id: message.queryId, what: message.what });
  });
  return { ring, sent };
}

t.test('questions that come while one is asked share the next response', async (t) => {
  const { ring, sent } = queries();
  const first = ring.ask('links');
  const others = Array.from({ length: 1000 }, () => ring.ask('links'));
  const other = ring.ask('clients');
  t.same(sent, [
    { id: 1, what: 'links' },
    { id: 2, what: 'clients' },
  ]);
  ring.resultCame(1, 'old');
  t.equal(await first, 'old');
  t.same(sent.at(-1), { id: 3, what: 'links' }, 'asked after all of them, so no response is older than its question');
  ring.resultCame(3, 'new');
  t.same(new Set(await Promise.all(others)), new Set(['new']));
  ring.resultCame(2, 'clients');
  t.equal(await other, 'clients');
  t.equal(sent.length, 3);
  ring.resultCame(3, 'again'); // a response to nobody
});

t.test('the end of the ring thread', async (t) => {
  const { ring } = queries();
  const all = [ring.ask('links'), ring.ask('links'), ring.ask('stats')];
  ring.fail();
  for (const each of await Promise.allSettled(all)) t.match(each, { status: 'rejected', reason: /has ended/ });
});

t.test('a ring thread that does not respond', async (t) => {
  const { ring, sent } = queries();
  const [first, second] = [ring.ask('links'), ring.ask('links')];
  const keepAlive = setTimeout(() => {}, 10_000);
  t.teardown(() => clearTimeout(keepAlive));
  await t.rejects(first, { message: /did not respond within 2000 ms/ });
  t.equal(sent.length, 2);
  ring.resultCame(2, 'late');
  t.equal(await second, 'late');
});
