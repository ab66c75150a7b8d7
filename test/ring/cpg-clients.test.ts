import t from 'tap';
import type { FromRing } from '../../src/bridge/messages.ts';
import {
  CPG_CONFIGURATION_CHANGE,
  CPG_DELIVER,
  CPG_MCAST,
  CPG_PARTIAL_MCAST,
  decodeCpgConfigurationChange,
} from '../../src/services/codec/cpg.ts';
import { messageError, messageId } from '../../src/services/codec/struct.ts';
import { TestRing, testPort, totemConfig } from './ring-harness.ts';
import { listenForCpg, RawCpgClient } from './test-client.ts';

const mcast = (data: Uint8Array): Uint8Array => CPG_MCAST.message({ guarantee: 2, messageBytes: data.length }, data);

async function takeUntil(
  client: RawCpgClient,
  done: () => boolean,
  look: (bytes: Uint8Array, offset: number, length: number) => void,
): Promise<void> {
  const until = performance.now() + 20_000;
  while (!done()) {
    if (client.take(look) === 0) await new Promise(setImmediate);
    if (performance.now() > until) throw new Error('events did not come');
  }
}

/** The text of a message, or what changed in the group. */
function eventText(bytes: Uint8Array, offset: number, length: number): string {
  const event = bytes.slice(offset, offset + length);
  if (messageId(event) === CPG_CONFIGURATION_CHANGE.id) {
    const { joined, left } = decodeCpgConfigurationChange(event)!;
    return `+${joined.map(({ nodeId }) => nodeId)} -${left.map(({ nodeId, reason }) => `${nodeId}!${reason}`)}`;
  }
  if (messageId(event) !== CPG_DELIVER.id) return `event ${messageId(event)}`;
  const { messageBytes, nodeId } = CPG_DELIVER.decode(event)!;
  const data = CPG_DELIVER.tailBytes(event, messageBytes)!;
  return `${nodeId}:${messageBytes}:${data[0]}:${data[messageBytes - 1]}`;
}

async function start(nodes: number, port: number) {
  const rings = Array.from({ length: nodes }, () => new TestRing());
  const members = rings.map((_, i) => i + 1);
  for (const [i, ring] of rings.entries()) ring.start(totemConfig(i + 1, nodes, port));
  await Promise.all(rings.map((ring) => ring.synced(members)));
  const names = rings.map((_, i) => `t${process.pid}-${port}-${i}`);
  const listeners = rings.map((ring, i) => listenForCpg(ring, names[i]!));
  const stop = async (): Promise<void> => {
    for (const listener of listeners) listener.close();
    await Promise.all(rings.map((ring) => ring.stop()));
  };
  return { rings, names, stop };
}

t.test('three members on three nodes: messages of 1 byte to 1 MB, one order', { timeout: 120_000 }, async (t) => {
  const { names, stop } = await start(3, testPort(0));
  const clients: RawCpgClient[] = [];
  for (const name of names) {
    const client = await RawCpgClient.connect(name);
    t.equal(await client.join('grp'), 1);
    clients.push(client);
  }
  const sizes = [1, 64, 1399, 1400, 1401, 8000, 65_536, 1_000_000, 1, 64, 1399, 1400, 1401];
  const rounds = 1;
  const seen = clients.map(() => [] as string[]);
  const total = sizes.length * rounds * 3;
  const messages = (list: string[]): string[] => list.filter((event) => event.includes(':'));
  const pending = clients.map((_, index) =>
    Array.from({ length: rounds }, (_, round) =>
      sizes.map((size) => mcast(new Uint8Array(size).fill(index + round))),
    ).flat(),
  );
  const until = performance.now() + 100_000;
  while (seen.some((list) => messages(list).length < total)) {
    for (const [index, client] of clients.entries()) {
      const next = pending[index]![0];
      if (next !== undefined && client.post(next, 1) === 1) pending[index]!.shift();
      client.take((bytes, offset, length) => seen[index]!.push(eventText(bytes, offset, length)));
    }
    if (performance.now() > until) throw new Error(`only ${seen.map((list) => messages(list).length)} of ${total}`);
    await new Promise(setImmediate);
  }
  t.same(messages(seen[1]!), messages(seen[0]!));
  t.same(messages(seen[2]!), messages(seen[0]!));
  for (const client of clients) client.close();
  await stop();
});

t.test(
  'who wants to know hears of processes that join and leave groups, on every node',
  { timeout: 60_000 },
  async (t) => {
    const { rings, names, stop } = await start(2, testPort(7));
    const client = await RawCpgClient.connect(names[0]!);
    await client.join('reported');
    const reports = (ring: TestRing) => ring.messages.filter((message) => message.op === 'processes');
    const place = { nodeId: 1, pid: process.pid };
    for (const ring of rings) {
      await ring.until('the join', () => reports(ring).length > 0);
      t.match(reports(ring)[0], { group: 'reported', joined: [place], left: [] });
    }
    client.close();
    for (const ring of rings) {
      await ring.until('the leave', () => reports(ring).length > 1);
      t.match(reports(ring)[1], { group: 'reported', joined: [], left: [place] });
    }
    await stop();
  },
);

t.test('clients that misbehave lose their own connection and nothing else', { timeout: 60_000 }, async (t) => {
  const { rings, names, stop } = await start(1, testPort(2));
  const watcher = await RawCpgClient.connect(names[0]!);
  await watcher.join('grp');
  const events: string[] = [];
  const look = (bytes: Uint8Array, offset: number, length: number): void => {
    events.push(eventText(bytes, offset, length));
  };
  const misbehave: Record<string, (client: RawCpgClient) => void> = {
    'garbage magic': (client) => {
      const { i32 } = client.rings.request;
      client.post(mcast(new Uint8Array(8)), 1);
      i32.fill(0x1234_5678, client.rings.request.i32.length - 1000);
      const at = i32.lastIndexOf(0xa1a1a1a1 | 0);
      if (at > 0) i32[at] = 7;
    },
    'a chunk longer than the ring': (client) => {
      const { request } = client.rings;
      const at = request.claim(100);
      request.commit();
      request.i32[(at >> 2) - 2] = 0x7fff_0000;
      request.publish();
      client.socket.write('x');
    },
    'a header that lies about its size': (client) => {
      const request = mcast(new Uint8Array(8));
      new DataView(request.buffer).setInt32(8, 1 << 20, true);
      client.post(request, 1);
    },
    'dies in the middle of a write': (client) => {
      client.rings.request.claim(5000);
      client.socket.write('x');
      setTimeout(() => client.close(), 20);
    },
    'hangs up': (client) => client.close(),
  };
  for (const [what, how] of Object.entries(misbehave)) {
    events.length = 0;
    const client = await RawCpgClient.connect(names[0]!);
    t.equal(await client.join(`grp`).catch(() => 0), 14, 'the same process cannot join twice');
    t.equal(await client.join(`other-${what}`), 1);
    how(client);
    const before = rings[0]!.messages.filter(({ op }) => op === 'clientClosed').length;
    if (what !== 'garbage magic') {
      await rings[0]!.until(`${what}: closed`, () => {
        watcher.take(look);
        return rings[0]!.messages.filter(({ op }) => op === 'clientClosed').length > before || client.closed;
      });
    } else client.close();
    watcher.post(mcast(new Uint8Array([1])), 1);
    await takeUntil(watcher, () => events.some((event) => event.startsWith('1:1:1')), look);
    t.pass(`${what}: the others go on`);
  }
  const groups = async () => ((await rings[0]!.query('engines')) as { group: string }[][]).flat();
  const listed = await groups();
  await rings[0]!.until('leaves', () => listed.length >= 1);
  t.ok((await groups()).every(({ group }) => !group.startsWith('other')));
  watcher.close();
  await stop();
});

t.test('a client that does not read is bounded, then disconnected, alone', { timeout: 60_000 }, async (t) => {
  const { rings, names, stop } = await start(1, testPort(4));
  const fast = await RawCpgClient.connect(names[0]!);
  await fast.join('grp');
  const slow = await RawCpgClient.connect(names[0]!);
  const name = slow.join('x'); // joined under another group of the same process: it gets nothing of grp
  t.equal(await name, 1);
  const data = mcast(new Uint8Array(500_000));
  // The fast client stops reading too: its own messages pile up for it.
  let posted = 0;
  while (!fast.closed && posted < 1000) {
    posted += fast.post(data, 1);
    await new Promise(setImmediate);
  }
  t.ok(fast.closed, `disconnected after ${posted} messages of 0.5 MB`);
  t.ok(posted > 500, 'but not before 256 MB');
  const closed = rings[0]!.messages.filter((message) => message.op === 'log' && message.message.includes('closed'));
  t.equal(closed.length, 1);
  t.equal(await slow.call(CPG_PARTIAL_MCAST.message({ type: 1 })).then(messageError), 1, 'the other one lives');
  slow.close();
  await stop();
});

t.test('an event that a client cannot receive is dropped for it alone, counted, and logged once', async (t) => {
  const { rings, names, stop } = await start(2, testPort(5));
  const small = await RawCpgClient.connect(names[0]!, 12_288);
  const sender = await RawCpgClient.connect(names[1]!);
  t.equal(await small.join('grp'), 1);
  t.equal(await sender.join('grp'), 1);
  const seen: string[] = [];
  const look = (bytes: Uint8Array, offset: number, length: number) => seen.push(eventText(bytes, offset, length));
  for (const bytes of [100_000, 200_000, 100]) sender.post(mcast(new Uint8Array(bytes).fill(7)), 1);
  await takeUntil(small, () => seen.includes('2:100:7:7'), look);
  t.notOk(seen.some((text) => text.startsWith('2:100000') || text.startsWith('2:200000')));
  const isLogged = (message: FromRing): boolean => message.op === 'log' && message.message.includes('was dropped');
  await rings[0]!.until('logged', () => rings[0]!.messages.some(isLogged));
  const lines = rings[0]!.messages.filter(isLogged);
  t.equal(lines.length, 1);
  t.match(lines[0], {
    level: 'warning',
    message: /^An event of 100184 bytes for .* was dropped: it receives \d+ bytes/,
  });
  await rings[0]!.until('both counted', () => rings[0]!.statistic('rondo.dropped.cpg.too_large_for_client') === 2);
  small.close();
  sender.close();
  await stop();
});

t.test('a client that has not read for a while gets everything when it reads again', async (t) => {
  const { names, stop } = await start(2, testPort(6));
  const late = await RawCpgClient.connect(names[0]!);
  const sender = await RawCpgClient.connect(names[1]!);
  t.equal(await late.join('grp'), 1);
  t.equal(await sender.join('grp'), 1);
  const count = 60;
  for (let number = 1; number <= count; ) {
    if (sender.post(mcast(new Uint8Array(100_000).fill(number)), 1) === 1) number++;
    else await new Promise(setImmediate);
    sender.take();
  }
  await new Promise((resolve) => setTimeout(resolve, 700)); // long enough for the longest pause between two looks
  const seen: string[] = [];
  const look = (bytes: Uint8Array, offset: number, length: number) => seen.push(eventText(bytes, offset, length));
  await takeUntil(late, () => seen.filter((text) => text.startsWith('2:100000')).length === count, look);
  const messages = seen.filter((text) => text.startsWith('2:'));
  t.same(
    messages,
    Array.from({ length: count }, (_, at) => `2:100000:${at + 1}:${at + 1}`),
  );
  late.close();
  sender.close();
  await stop();
});
