import { randomBytes } from 'node:crypto';
import t from 'tap';
import { crypto, TestNode, totemConfig, until } from './harness.ts';

t.setTimeout(300_000); // the machine may be busy

const members = { 1: ['127.0.0.1', '127.0.1.1'], 2: ['127.0.0.2', '127.0.1.2'], 3: ['127.0.0.3', '127.0.1.3'] };
let port = 25_405 + 1000 * Number(process.env['RONDO_TEST_TRANSMIT_THREADS'] ?? 0);
const ring = (ids: readonly number[], options: object = {}): TestNode[] => {
  port += 10;
  return ids.map((nodeId) => new TestNode(totemConfig({ nodeId, members, port, tokenMs: 400, ...options })).open());
};

t.test('three encrypted nodes exchange messages of all sizes', async (t) => {
  const nodes = ring([1, 2, 3], { crypto: crypto('aes256', 'sha256', randomBytes(256)) });
  const [one, two, three] = nodes as [TestNode, TestNode, TestNode];
  const up = () => nodes.every((node) => [1, 2, 3].every((id) => id === node.config.nodeId || node.connected(id)));
  t.ok(await until(nodes, 3_000, up), 'links are up');
  t.ok(
    await until(nodes, 2_000, () => nodes.every((node) => node.transport.core.dataMtu > 10_000)),
    `the path of the loopback interface is found: ${one.transport.core.dataMtu}`,
  );
  for (const length of [13, 100, 1_397, 1_398, 9_000, 65_446, 65_536]) {
    one.multicast(length, length & 255);
    one.sendToken(3, 71, 9);
    one.transport.flush();
    const all = () => two.received.length === 1 && three.received.length === 2;
    t.ok(await until(nodes, 1_000, all), `${length} bytes arrived`);
    t.equal(two.received[0]?.length, length);
    t.ok(two.received[0]?.subarray(13).every((byte) => byte === (length & 255)));
    t.ok(three.received[0]?.equals(two.received[0]!), 'the message is ahead of the token');
    two.received.length = 0;
    three.received.length = 0;
  }
  one.sendToken(1, 71);
  t.equal(one.received.length, 0, 'a token to oneself is not delivered inside the call');
  t.ok(one.transport.hasLocalInput());
  t.ok(await until([one], 100, () => one.received.length === 1));
  t.same(
    // A late pong means that the machine was busy, not that something was lost.
    [one, two, three].map((node) => ({ ...node.drops(), late_pong: 0 })),
    Array.from({ length: 3 }, () => ({ late_pong: 0 })),
    'nothing was dropped',
  );
  t.equal(two.stat('node1.link0.tx_data_packets'), 0);
  t.ok(one.stat('handle.tx_crypt_packets') > 20);
  for (const node of nodes) node.close();
});

t.test('a burst through small packets: segmentation and joining', async (t) => {
  const nodes = ring([1, 2], { crypto: crypto('aes128', 'sha1', randomBytes(128)), knetMtu: 1_500 });
  const [one, two] = nodes as [TestNode, TestNode];
  t.ok(await until(nodes, 3_000, () => one.connected(2) && two.connected(1)));
  t.equal(one.transport.core.dataMtu, 1_397);
  for (let i = 0; i < 60; i++) one.multicast(65_000, i);
  one.transport.flush();
  t.ok(await until(nodes, 3_000, () => two.received.length === 60), `${two.received.length} of 60 arrived`);
  t.ok(two.received.every((message, i) => message.length === 65_000 && message[500] === i));
  for (const node of nodes) node.close();
});

t.test('a stranger with another key, and one without', async (t) => {
  port += 10;
  const base = { members, port, tokenMs: 400 };
  const good = crypto('aes256', 'sha256', randomBytes(256));
  const one = new TestNode(totemConfig({ ...base, nodeId: 1, crypto: good })).open();
  const wrong = new TestNode(totemConfig({ ...base, nodeId: 2, crypto: crypto('aes256', 'sha256', randomBytes(256)) }));
  const clear = new TestNode(totemConfig({ ...base, nodeId: 3 }));
  wrong.open();
  clear.open();
  await until([one, wrong, clear], 1_500, () => false);
  t.notOk(one.connected(2) || one.connected(3) || wrong.connected(1) || clear.connected(1));
  t.ok((one.drops()['authentication'] ?? 0) >= 8);
  t.equal(one.stat('node2.link0.rx_ping_packets'), 0, 'not even counted');
  const lines = one.log.filter(({ message }) => message.includes('authentication failed'));
  t.equal(lines.length, 4, 'one line per address, two links each');
  t.match(lines[0]?.message, /from 127\.0\.\d\.\d:\d+ dropped: authentication failed/);
  for (const node of [one, wrong, clear]) node.close();
});

t.test('a frame may throw away what waits behind it: a JOIN after a pause', async (t) => {
  const nodes = ring([1, 2], { crypto: crypto('aes256', 'sha256', randomBytes(256)) });
  const [one, two] = nodes as [TestNode, TestNode];
  t.ok(await until(nodes, 3_000, () => one.connected(2) && two.connected(1)));
  let discarded = 0;
  two.onMessage = () => {
    discarded += two.transport.discardInput();
  };
  for (let i = 0; i < 20; i++) one.multicast(200, i);
  one.transport.flush();
  t.ok(await until(nodes, 1_000, () => two.receivedCount + discarded >= 20));
  t.ok(discarded > 0, `${discarded} thrown away`);
  two.onMessage = null;
  const before = two.receivedCount;
  one.multicast(200, 1);
  one.transport.flush();
  t.ok(await until(nodes, 1_000, () => two.receivedCount > before), 'it goes on afterwards');
  for (const node of nodes) node.close();
});

t.test('the key changes under load without a message lost', async (t) => {
  const first = crypto('aes256', 'sha256', randomBytes(256));
  const second = crypto('aes128', 'sha512', randomBytes(256));
  const nodes = ring([1, 2], { crypto: first });
  const [one, two] = nodes as [TestNode, TestNode];
  t.ok(await until(nodes, 3_000, () => one.connected(2) && two.connected(1)));
  let sent = 0;
  const burst = () => {
    for (let i = 0; i < 20; i++) {
      one.multicast(3_000, sent++ & 255);
      two.multicast(3_000, 1);
    }
    for (const node of nodes) node.transport.flush();
  };
  const steps: (() => unknown)[] = [];
  for (const next of [
    second,
    { ...first, cipher: 'aes192' as const },
    { ...first, cipher: 'aes256-ctr' as const },
    crypto('none', 'none', new Uint8Array()),
    first,
  ]) {
    // Each step on one node, then on the other, with messages in flight in between.
    for (const node of nodes) steps.push(() => node.transport.reconfigure({ ...node.config, crypto: next }));
    for (const phase of [1, 2]) for (const node of nodes) steps.push(() => node.transport.keys.phase(phase));
  }
  for (const step of steps) {
    burst();
    step();
    burst();
    t.ok(await until(nodes, 1_000, () => two.receivedCount === sent && one.receivedCount === sent));
  }
  t.ok(one.connected(2) && two.connected(1));
  t.same([one.drops(), two.drops()], [{}, {}]);
  t.ok(two.received.every((message, i) => message[100] === (i & 255)));
  for (const node of nodes) node.close();
});

t.test('packets under a key that is being loaded wait for it', async (t) => {
  const first = crypto('aes256', 'sha256', randomBytes(256));
  const second = crypto('aes256', 'sha256', randomBytes(256));
  const nodes = ring([1, 2], { crypto: first });
  const [one, two] = nodes as [TestNode, TestNode];
  t.ok(await until(nodes, 3_000, () => one.connected(2) && two.connected(1)));
  two.transport.keys.expect(true);
  one.transport.reconfigure({ ...one.config, crypto: second });
  one.multicast(5_000, 1);
  one.transport.keys.phase(1);
  for (let i = 2; i <= 40; i++) one.multicast(20_000, i);
  one.transport.flush();
  t.ok(await until(nodes, 1_000, () => two.transport.keys.waiting));
  t.equal(two.received.length, 1, 'what the old key opens is there');
  await until(nodes, 50, () => false);
  two.transport.reconfigure({ ...two.config, crypto: second });
  two.transport.keys.expect(false);
  t.ok(await until(nodes, 1_000, () => two.received.length === 40), `all of it: ${two.received.length}`);
  t.same(
    two.received.map((message) => message[100]),
    Array.from({ length: 40 }, (_, i) => i + 1),
    'in order',
  );
  t.same([one.drops(), two.drops()], [{}, {}]);
  t.equal(two.transport.core.slots.inUseSlot, 2, 'and as everybody else uses the new key, so do we');
  for (const node of nodes) node.close();
});

t.test('compression: every model, and the threshold', async (t) => {
  for (const model of ['zlib', 'lz4', 'lz4hc', 'lzo2', 'lzma', 'bzip2', 'zstd']) {
    const nodes = ring([1, 2], {
      crypto: crypto('aes256', 'sha256', randomBytes(256)),
      compression: { model, thresholdBytes: 0, level: 3 },
      knetMtu: 1_500,
    });
    const [one, two] = nodes as [TestNode, TestNode];
    t.ok(await until(nodes, 3_000, () => one.connected(2) && two.connected(1)));
    for (const length of [50, 101, 5_000, 65_500]) one.multicast(length, 6);
    one.transport.flush();
    t.ok(await until(nodes, 1_000, () => two.received.length === 4), model);
    t.ok(two.received.every((message) => message.subarray(13).every((byte) => byte === 6)));
    t.equal(two.stat('handle.rx_compressed_packets'), 3, 'all above the threshold were compressed');
    t.ok(one.stat('node2.link0.tx_data_bytes') < 2_000);
    t.same([one.drops(), two.drops()], [{}, {}]);
    for (const node of nodes) node.close();
  }
});

t.test('IPv6, and links that come and go with the configuration', async (t) => {
  port += 10;
  const six = { 1: ['::1'], 2: ['::1'] };
  const node = new TestNode(totemConfig({ nodeId: 1, members: six, port })).open();
  t.equal(node.watched.size, 1);
  node.close();
  t.equal(node.watched.size, 0);

  const nodes = ring([1, 2]);
  const [one, two] = nodes as [TestNode, TestNode];
  t.ok(await until(nodes, 3_000, () => one.connected(2, 1) && two.connected(1, 1)));
  for (const node of nodes) {
    const config = totemConfig({ nodeId: node.config.nodeId, members, port, tokenMs: 400 });
    node.transport.reconfigure({ ...config, links: config.links.filter(({ linkId }) => linkId === 1) });
    t.equal(node.watched.size, 1, 'the socket of link 0 is closed');
  }
  one.multicast(100, 5);
  one.transport.flush();
  t.ok(await until(nodes, 1_000, () => two.received.length === 1), 'link 1 carries on');
  for (const node of nodes) node.transport.reconfigure(node.config);
  t.ok(await until(nodes, 3_000, () => one.connected(2, 0) && two.connected(1, 0)), 'and link 0 comes back');
  for (const node of nodes) node.close();
});

t.test('a process that ends while its host lives is reported at once, whatever the number of links', async (t) => {
  for (const links of [1, 2]) {
    const ends = Object.fromEntries(Object.entries(members).map(([id, list]) => [id, list.slice(0, links)]));
    const nodes = ring([1, 2, 3], { members: ends, tokenMs: 3_000 });
    const [one, two, three] = nodes as [TestNode, TestNode, TestNode];
    const up = () => [2, 3].every((id) => one.connected(id)) && three.connected(2);
    t.ok(await until(nodes, 10_000, up), `${links}: links are up`);
    await until(nodes, 500, () => false);
    two.close(); // as SIGKILL: no LEAVE, and the kernel refuses what comes
    const start = performance.now();
    t.ok(await until([one, three], 3_000, () => one.died.length > 0 && three.died.length > 0), `${links}: noticed`);
    t.comment(`${links} links: ${Math.round(performance.now() - start)} ms`);
    t.same([...one.died, ...three.died], [2, 2], `${links}: the dead one, once`);
    t.ok(one.connected(3) && three.connected(1), `${links}: the others stay`);
    for (const node of [one, three]) node.close();
  }
});
