import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { Cfg, Cmap, Cpg, type CpgEvent, Quorum, ServiceClient, Votequorum } from '../../src/client/index.ts';
import { createLoopbackCluster, createNode, type LoopbackNodes } from '../../src/node/index.ts';
import { until } from '../daemon/loopback-cluster.ts';

t.setTimeout(170_000);

const ENTRY = fileURLToPath(new URL('../../src/platform/entry.js', import.meta.url));
const PORT = 20_000 + 2 * (process.pid % 9000);

function configText(port: number): string {
  return `totem {
  version: 2
  cluster_name: embedded
  transport: udpu
  interface {
    linknumber: 0
    mcastport: ${port}
  }
}
nodelist {
  node {
    ring0_addr: 127.0.0.1
    name: here
    nodeid: 7
  }
}
quorum {
  provider: corosync_votequorum
}
`;
}

function stateDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'rondo-node-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** What a node must not change of its process. */
const processState = (): unknown => ({
  signals: process.eventNames().filter((name) => String(name).startsWith('SIG')),
  uncaught: process.listenerCount('uncaughtException') + process.listenerCount('unhandledRejection'),
  directory: process.cwd(),
  mask: process.umask(),
  title: process.title,
  priority: getPriority(),
  environment: { ...process.env },
  locked: /VmLck:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1],
});
const descriptors = (): number => readdirSync('/proc/self/fd').length;

async function firstMessage(cpg: Cpg): Promise<string> {
  for await (const event of cpg.events()) if (event.type === 'message') return Buffer.from(event.data).toString();
  throw new Error('the stream ended');
}

/** Sockets of this process that have a name, by which others could connect. */
function namedSockets(): readonly string[] {
  const links = readdirSync('/proc/self/fd').map((fd) => readLink(`/proc/self/fd/${fd}`));
  const own = new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  const lines = readFileSync('/proc/self/net/unix', 'latin1').split('\n');
  return lines.filter((line) => {
    const [, , , , , , inode = '', name = ''] = line.trim().split(/ +/);
    return own.has(inode) && name !== '';
  });
}
function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // the descriptor that lists them
  }
}
const ringFiles = (): readonly string[] =>
  readdirSync('/dev/shm').filter((name) => name.startsWith(`qb-${process.pid}-`));

t.test('a node in this process serves this process without sockets and files, and changes nothing of it', async (t) => {
  const before = processState();
  const sockets = namedSockets();
  const node = await createNode({ config: configText(PORT), stateDir: stateDirectory(t), node: 'here' });
  t.teardown(() => node.close());
  t.equal(node.nodeId, 7);
  const open = descriptors();
  const cpg = await Cpg.connect(node.connectOptions());
  await cpg.join('own');
  const place = await cpg.send('hello', { confirm: 'delivered' });
  t.type(place.index, 'number');
  t.equal(await firstMessage(cpg), 'hello');
  const quorum = await Quorum.connect(node.connectOptions());
  t.equal(await quorum.isQuorate(), true);
  t.same(processState(), before);
  t.same([namedSockets(), ringFiles(), descriptors()], [sockets, [], open], 'nobody else has a way in');

  await node.close();
  t.equal(await node.ended, 'closed');
  t.equal((await cpg.ended)?.code, 'RONDO_DISCONNECTED');
  t.equal((await quorum.ended)?.code, 'RONDO_DISCONNECTED');
  await t.rejects(Cpg.connect(node.connectOptions()), { code: 'RONDO_NOT_RUNNING' });
  await node.close();
});

t.test('every service, as over sockets', async (t) => {
  const node = await createNode({ config: configText(PORT), stateDir: stateDirectory(t), node: 'here' });
  t.teardown(() => node.close());
  const on = node.connectOptions();
  const [cmap, cfg, votes] = await Promise.all([Cmap.connect(on), Cfg.connect(on), Votequorum.connect(on)]);
  await cmap.set('user.key', 'str', 'value');
  t.equal(await cmap.getString('user.key'), 'value');
  const changes = (await cmap.watch('user.', { prefix: true }))[Symbol.asyncIterator]();
  const change = changes.next();
  await cmap.set('user.key', 'str', 'other');
  t.match((await change).value, { key: 'user.key' });
  t.equal((await votes.info()).nodeId, 7);
  t.ok((await cfg.nodeStatus(7)).reachable);
  await t.rejects(ServiceClient.connect('nosuch', on), { code: 'RONDO_NOT_RUNNING' });
  for (const one of [cmap, cfg, votes]) await one.close();
  const statistics = await Cmap.connect({ ...on, map: 'stats' });
  t.equal(await statistics.getNumber('stats.ipcs.global.active'), 1);
  t.equal(await statistics.getNumber('stats.ipcs.global.closed'), 3);
  statistics.destroy();
});

t.test('messages of all sizes, in order, also for a reader that lets them pile up', async (t) => {
  const node = await createNode({ config: configText(PORT), stateDir: stateDirectory(t), node: 'here' });
  t.teardown(() => node.close());
  const [writer, reader] = [
    await Cpg.connect(node.connectOptions()),
    await Cpg.connect({ ...node.connectOptions(), queueBytes: 1 }),
  ];
  await reader.join('all');
  await writer.join('other'); // a process is in a group once
  await writer.leave();
  const sizes = Array.from({ length: 300 }, (_, index) => [1, 64, 1400, 100_000, 1_000_000][index % 5]! + index);
  sizes.push(3_000_000);
  const sending = (async () => {
    for (const [index, size] of sizes.entries()) await reader.send(new Uint8Array(size).fill(index & 255));
  })();
  await delay(1_000); // far more than the ring holds is on its way
  let next = 0;
  for await (const event of reader.events()) {
    if (event.type !== 'message') continue;
    const [first, last] = [event.data[0], event.data.at(-1)];
    if (event.data.length !== sizes[next] || first !== (next & 255) || last !== first) t.fail(`message ${next}`);
    if (++next === sizes.length) break;
  }
  await sending;
  t.equal(next, sizes.length);
  for (const one of [writer, reader]) await one.close();
});

t.test('a client that is gone has left its group', async (t) => {
  const node = await createNode({ config: configText(PORT), stateDir: stateDirectory(t), node: 'here' });
  t.teardown(() => node.close());
  for (let life = 0; life < 5; life++) {
    const cpg = await Cpg.connect(node.connectOptions());
    await cpg.join('again'); // EXIST, if the one before were still there
    if (life % 2 === 0) cpg.destroy();
    else await cpg.close();
  }
  const watcher = await Cpg.connect(node.connectOptions());
  // That it left is told with the next rotation of the token.
  const deadlineMs = performance.now() + 2_000;
  while ((await watcher.members('again')).length > 0 && performance.now() < deadlineMs) await delay(5);
  t.same(await watcher.members('again'), [], 'nobody is left');
  watcher.destroy();
});

t.test('other processes connect by name, and a connection that is let go does not keep them', async (t) => {
  const instance = `rondo-test-${process.pid}`;
  const node = await createNode({ config: configText(PORT), stateDir: stateDirectory(t), node: 'here', ipc: instance });
  t.teardown(() => node.close());
  const child = (last: string): Promise<{ readonly stdout: string }> => {
    const program = `import { Cpg } from ${JSON.stringify(ENTRY)};
      const cpg = (await Cpg.connect({ instance: ${JSON.stringify(instance)} })).unref();
      await cpg.join('short');
      const { index } = await cpg.send('hello', { confirm: 'delivered' });
      console.log('place', typeof index);
      ${last}`;
    return promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 });
  };
  t.match((await child('')).stdout, 'place number', 'the program ends by itself');
  const kept = child('cpg.ref(); setTimeout(() => cpg.close().then(() => console.log("closed")), 200).unref();');
  t.match((await kept).stdout, 'closed', 'it is kept until close()');
});

t.test('a program and other processes are clients of its node at the same time', async (t) => {
  const instance = `rondo-both-${process.pid}`;
  const node = await createNode({ config: configText(PORT), stateDir: stateDirectory(t), node: 'here', ipc: instance });
  t.teardown(() => node.close());
  const own = await Cpg.connect(node.connectOptions());
  await own.join('both');
  const statistics = await Cmap.connect({ ...node.connectOptions(), map: 'stats' });
  t.same(ringFiles(), [], 'the program needs no files');
  t.equal(await statistics.getNumber('stats.ipcs.global.active'), 2);
  const program = `import { Cpg } from ${JSON.stringify(ENTRY)};
    const cpg = await Cpg.connect({ instance: ${JSON.stringify(instance)} });
    await cpg.join('both');
    await cpg.send('from outside');
    for await (const event of cpg.events())
      if (event.type === 'message' && Buffer.from(event.data).toString() === 'from inside') break;
    await cpg.close();`;
  const child = promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 });
  t.equal(await firstMessage(own), 'from outside');
  t.equal(await statistics.getNumber('stats.ipcs.global.active'), 3);
  await own.send('from inside');
  await child;
  for await (const event of own.events()) if (event.type === 'membership' && event.left.length > 0) break;
  t.equal(await statistics.getNumber('stats.ipcs.global.active'), 2);
  await node.close();
  t.equal((await own.ended)?.code, 'RONDO_DISCONNECTED');
});

t.test('nothing is left of nodes that came and went', async (t) => {
  const state = stateDirectory(t);
  const live = async (): Promise<void> => {
    const node = await createNode({ config: configText(PORT), stateDir: state, node: 'here' });
    await node.close();
  };
  await live();
  const once = descriptors();
  for (let life = 0; life < 3; life++) await live();
  // Sockets close in their own time; a descriptor that a life forgets would be three of them.
  await until(() => descriptors() < once + 3, `${descriptors()} descriptors, ${once} after the first life`);
});

t.test('why a node cannot be is said', async (t) => {
  const state = stateDirectory(t);
  await t.rejects(createNode({ config: 'totem {\n', stateDir: state }), { code: 'RONDO_NODE_CONFIG' });
  await t.rejects(createNode({ config: configText(PORT), stateDir: state, ipc: 'a/b' }), { code: 'RONDO_NODE_CONFIG' });
  const node = await createNode({ config: configText(PORT), stateDir: state, node: 'here' });
  t.teardown(() => node.close());
  await t.rejects(createNode({ config: configText(PORT), stateDir: state, node: 'here' }), {
    code: 'RONDO_NODE_START',
    message: /state directory/,
  });
  await t.rejects(createNode({ config: configText(PORT), stateDir: stateDirectory(t), node: 'here' }), {
    code: 'RONDO_NODE_START',
  });
});

/** The members that a node sees, as quorum reports them. */
async function sees(cluster: LoopbackNodes, nodeId: number, wanted: string): Promise<void> {
  const quorum = await Quorum.connect(cluster.connectOptions(nodeId));
  try {
    for await (const { type, members } of await quorum.watch({ signal: AbortSignal.timeout(60_000) }))
      if (type === 'nodes' && [...members].sort().join() === wanted) return;
    throw new Error(`node ${nodeId} never saw ${wanted}`);
  } finally {
    await quorum.close();
  }
}

/** Quorum is decided a moment after the membership. */
async function becomes(client: Quorum, quorate: boolean): Promise<boolean> {
  for (const endMs = performance.now() + 60_000; performance.now() < endMs; await delay(10))
    if ((await client.isQuorate()) === quorate) return true;
  return false;
}

for (const transport of ['udpu', 'knet'] as const)
  t.test(`nodes in this process that do not hear each other, over ${transport}`, async (t) => {
    await using cluster = await createLoopbackCluster(3, { transport });
    const all = (wanted: string, nodeIds = cluster.nodeIds) =>
      Promise.all(nodeIds.map((nodeId) => sees(cluster, nodeId, wanted)));
    await all('1,2,3');
    const cpg = await Cpg.connect(cluster.connectOptions(1));
    await cpg.join('group');

    cluster.partition([1, 2]);
    await all('1,2', [1, 2]);
    await all('3', [3]);
    const [one, three] = await Promise.all([1, 3].map((nodeId) => Quorum.connect(cluster.connectOptions(nodeId))));
    t.ok(await becomes(one!, true));
    t.ok(await becomes(three!, false), 'who is alone may not work');
    await cpg.send('in the greater part', { confirm: 'delivered' });

    await cluster.kill(2);
    await all('1', [1]);
    await cluster.start(2);
    await all('1,2', [1, 2]);
    await all('3', [3]);
    t.notOk(await three!.isQuorate(), 'a node that starts is parted, too');

    cluster.heal();
    await all('1,2,3');
    t.ok(await becomes(three!, true));
    t.throws(() => cluster.partition([1], [4]), { code: 'RONDO_NODE_CONFIG', message: /node 4/ });
    t.throws(() => cluster.partition([1], [1, 2]), { code: 'RONDO_NODE_CONFIG', message: /twice/ });
    for (const connection of [cpg, one!, three!]) connection.destroy();
  });

t.test('three nodes in this process: killed, started, paused', async (t) => {
  await using cluster = await createLoopbackCluster(3);
  const events: CpgEvent[] = [];
  const [one, two, three] = await Promise.all(
    cluster.nodeIds.map(async (nodeId) => {
      const cpg = await Cpg.connect(cluster.connectOptions(nodeId));
      await cpg.join('group');
      return cpg;
    }),
  );
  const reading = (async () => {
    for await (const event of one!.events()) events.push(event);
  })();
  const members = (): readonly number[] => {
    const last = events.findLast((event) => event.type === 'membership');
    return last?.type === 'membership' ? last.members.map(({ nodeId }) => nodeId).sort() : [];
  };
  await until(() => members().join() === '1,2,3', 'all members');
  await three!.send('from three', { confirm: 'delivered' });
  await until(() => events.some((event) => event.type === 'message' && event.nodeId === 3), 'the message');

  await cluster.kill(2);
  t.equal((await two!.ended)?.code, 'RONDO_DISCONNECTED');
  await until(() => members().join() === '1,3', 'node 2 is gone');
  await cluster.start(2);
  const again = await Cpg.connect(cluster.connectOptions(2));
  await again.join('group');
  await until(() => members().join() === '1,2,3', 'node 2 is back');

  cluster.pause(3);
  await until(() => members().join() === '1,2', 'node 3 stalls');
  cluster.resume(3);
  await until(() => members().join() === '1,2,3', 'node 3 goes on');
  await one!.close();
  await reading;
  for (const cpg of [three!, again]) cpg.destroy();
});
