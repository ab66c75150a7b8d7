import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { type ClusterOptions, corosyncConf } from './lab/conf.ts';
import { Lab } from './lab/lab.ts';
import type { LabNode } from './lab/node.ts';
import { type Running, sleep, until } from './lab/process.ts';

/**
 * Keys of the statistics map come and go: with links and nodes of a reload, with connections. What a tracker of stock's tool prints is the same from
 * both daemons (corosync-notifyd learns links this way).
 */
const kinds = ['ours', 'stock'] as const;
const OPTIONS: ClusterOptions = { transport: 'knet', links: 2, tokenMs: 3_000 };

t.test('birth and death of statistics', { skip: skipReason(kinds) }, async (t) => {
  t.setTimeout(120_000);
  const lab = await Lab.create(OPTIONS, kinds);
  t.teardown(() => lab.close());
  const plans = lab.nodes.map(({ plan }) => plan);
  const oneLink = plans.map((plan) => ({ ...plan, addresses: plan.addresses.slice(0, 1) }));
  const third = { id: 3, name: 'node3', addresses: ['10.91.0.3', '10.91.1.3'] };
  const write = (nodes: typeof plans) => {
    for (const node of lab.nodes) node.writeConf(corosyncConf(OPTIONS, nodes));
  };
  write(oneLink);
  for (const node of lab.nodes) node.startDaemon();
  await lab.waitRing(lab.nodes);

  const track = async (...args: readonly string[]): Promise<Running[]> => {
    const trackers = lab.nodes.map(({ space }) =>
      space.start('stdbuf', ['-oL', 'corosync-cmapctl', '-m', 'stats', ...args]),
    );
    await sleep(700);
    return trackers;
  };
  /** Kinds and keys of the events, with own and other node named so and without what differs by nature. */
  const events = (node: LabNode, tracker: Running, pattern: RegExp): string[] =>
    tracker.output
      .split('\n')
      .filter((line) => /^(?:create|delete|modify)> /.test(line) && pattern.test(line))
      .map((line) =>
        line
          .replace(/ = .*/, '')
          .replace(`node${node.id}.`, 'own.')
          .replace(`node${3 - node.id}.`, 'other.')
          .replace(/\.\d+\.0x[0-9a-f]+\./, '.'),
      )
      .sort();
  const compare = async (
    what: string,
    trackers: readonly Running[],
    pattern: RegExp,
    atLeast: number,
  ): Promise<void> => {
    const seen = () => lab.nodes.map((node, at) => events(node, trackers[at]!, pattern));
    await until(`${what} on both`, () => (seen().every((list) => list.length >= atLeast) ? true : null), 10_000).catch(
      () => {},
    );
    await sleep(300);
    const [ours, stock] = seen();
    t.ok((stock?.length ?? 0) >= atLeast, `${what}: stock tells ${stock?.length} events`);
    t.same(ours, stock, `${what}: the same events`);
  };
  const stop = async (trackers: readonly Running[]) => {
    await Promise.all(trackers.map((tracker) => tracker.stop('SIGTERM')));
  };
  const reload = async (nodes: typeof plans) => {
    write(nodes);
    const { code, stdout, stderr } = await lab.node(2).tool('corosync-cfgtool', '-R');
    t.equal(code, 0, `reload: ${stdout}${stderr}`);
  };

  await t.test('links and nodes', async () => {
    const prefix = await track('-T', 'stats.knet.');
    const exact = await track('-t', 'stats.knet.node3.link0.enabled');
    await reload([...plans, third]);
    await compare('links and a node come', prefix, /^create/, 40);
    await compare('one key comes', exact, /^create/, 1);
    await stop([...prefix, ...exact]);
    const gone = await track('-T', 'stats.knet.');
    const exactGone = await track('-t', 'stats.knet.node3.link0.enabled');
    await reload(oneLink);
    await compare('links and a node go', gone, /^delete/, 40);
    await compare('one key goes', exactGone, /^delete/, 1);
    await stop([...gone, ...exactGone]);
  });

  await t.test('connections', async () => {
    const trackers = await track('-T', 'stats.ipcs.');
    for (const node of lab.nodes) await node.tool('corosync-cmapctl', '-g', 'totem.version');
    for (const node of lab.nodes) await node.tool('corosync-cpgtool');
    await compare('connections of cmap come and go', trackers, /service0\./, 26);
    await compare('connections of cpg come and go', trackers, /service2\./, 26);
    await stop(trackers);
  });

  await t.test('a key that does not change', async () => {
    const trackers = lab.nodes.map(({ space, id }) =>
      space.start('stdbuf', ['-oL', 'corosync-cmapctl', '-m', 'stats', '-t', `stats.knet.node${3 - id}.link0.mtu`]),
    );
    await sleep(4_000);
    const [ours, stock] = trackers.map(({ output }) => output);
    t.equal(ours, stock, 'no event from either');
    await stop(trackers);
  });
});
