import { randomBytes } from 'node:crypto';
import { mixtures } from './lab/cases.ts';
import { corosyncConf } from './lab/conf.ts';
import type { LabNode } from './lab/node.ts';
import { sleep, until } from './lab/process.ts';
import { knetStory, MIXTURES } from './scenarios/knet-story.ts';

/** What happens to links, paths and keys while a mixed knet ring is under load. */
const story = knetStory(mixtures(MIXTURES));

/** `connected` of every link of `node` towards the others, as the node itself says. */
async function links(node: LabNode, others: readonly LabNode[], count: number): Promise<string> {
  const stats = await node.cmapDump('stats.knet.node', 'stats');
  const states = others.map((other) =>
    Array.from({ length: count }, (_, link) => stats.get(`stats.knet.node${other.id}.link${link}.connected`)).join(''),
  );
  return states.join(' ');
}

async function packetsSent(node: LabNode, to: LabNode, link: number): Promise<number> {
  return Number(await node.cmap(`stats.knet.node${to.id}.link${link}.tx_data_packets`, 'stats'));
}

/** A token that survives a busy machine beside a link that fails; its ping timeout, and what a tick of stock may add to it. */
const LINK_TOKEN_MS = 8_000;
const NOTICE_MS_MAX = LINK_TOKEN_MS / 2 + 1_500;
/** A link that came up or failed less than ten times a second ago has a longer ping timeout, so that it does not flap. */
const STEADY_MS = 10_500;

/** When this node last logged that the link to `peer` is down, in milliseconds of the day. */
function downLogged(node: LabNode, peer: LabNode, link: number): number {
  const pattern = new RegExp(`(\\d+):(\\d+):(\\d+\\.\\d+) .*link: host: ${peer.id} link: ${link} is down`, 'g');
  const [, hours, minutes, seconds] = [...node.log().matchAll(pattern)].at(-1) ?? [];
  return (Number(hours) * 60 + Number(minutes)) * 60_000 + Number(seconds) * 1_000;
}

function millisecondsOfDay(): number {
  const now = new Date();
  return now.getTime() - new Date(now).setHours(0, 0, 0, 0);
}

story('one link of two fails under load', { links: 2, tokenMs: LINK_TOKEN_MS }, async (scene) => {
  const { lab, t } = scene;
  const [first, ...others] = lab.nodes as [LabNode, ...LabNode[]];
  const rings = await scene.rings();
  let steadyAt = Date.now() + STEADY_MS;
  for (const how of ['cut', 'interface down'] as const) {
    await sleep(Math.max(0, steadyAt - Date.now()));
    scene.send(300, 1, 100_000);
    await sleep(200);
    const failedAt = millisecondsOfDay();
    if (how === 'cut') await first.cut({ link: 0 });
    else await first.linkState(0, 'down');
    const see = async (wanted: string) =>
      until(
        `links ${wanted}`,
        async () => {
          const mine = await links(first, others, 2);
          const theirs = await Promise.all(others.map((other) => links(other, [first], 2)));
          return mine === others.map(() => wanted).join(' ') && theirs.every((state) => state === wanted) ? true : null;
        },
        40_000,
      );
    await see('01');
    steadyAt = Date.now() + STEADY_MS;
    for (const [node, peer] of others.flatMap((other) => [[first, other] as const, [other, first] as const])) {
      const tookMs = Math.round(downLogged(node, peer, 0) - failedAt);
      t.ok(tookMs < NOTICE_MS_MAX, `${how}: ${node.plan.name} (${node.kind}) noticed after ${tookMs} ms`);
    }
    scene.send(200, 1, 100_000);
    await scene.settleAndCompare(`${how}, with one link`);
    if (how === 'cut') await first.heal();
    else await first.linkState(0, 'up');
    await see('11');
    const before = await packetsSent(first, others[0]!, 0);
    scene.send(100, 1, 100_000);
    await scene.settleAndCompare(`${how}, healed`);
    t.ok((await packetsSent(first, others[0]!, 0)) > before + 50, 'traffic is back on the preferred link');
    scene.compareWithSent(how);
  }
  t.same(await scene.rings(), rings, 'the ring never changed');
  for (const node of lab.nodes) {
    t.ok(!/A processor failed/.test(node.log()), `${node.plan.name} lost no token`);
  }
});

story('both links cut, and healed', { links: 2, tokenMs: 2_000 }, async (scene) => {
  const { lab } = scene;
  const [first, ...others] = lab.nodes as [LabNode, ...LabNode[]];
  await first.cut();
  await lab.waitRing(others);
  await lab.waitRing([first]);
  await first.heal();
  await lab.waitRing(lab.nodes, 60_000);
  await scene.quiet();
  scene.send(200, 1, 100_000);
  await scene.settleAndCompare('together again');
});

story('the path MTU falls to 1300 and rises again', { totem: ['knet_pmtud_interval: 5'] }, async (scene) => {
  const { lab, t } = scene;
  const [first] = lab.nodes as [LabNode];
  const rings = await scene.rings();
  const mtu = async () => first.cmap('stats.knet.node2.link0.mtu', 'stats');
  t.equal(await mtu(), '1397');
  scene.send(200, 1, 100_000);
  await sleep(200);
  for (const node of lab.nodes) await node.setMtu(0, 1300);
  scene.send(200, 1, 100_000);
  await scene.settleAndCompare('1300');
  await until('the smaller MTU', async () => (Number(await mtu()) < 1300 ? true : null), 30_000);
  for (const node of lab.nodes) await node.setMtu(0, 1500);
  await until('the larger MTU', async () => ((await mtu()) === '1397' ? true : null), 60_000);
  scene.send(100, 1, 100_000);
  await scene.settleAndCompare('1500');
  scene.compareWithSent('both');
  t.same(await scene.rings(), rings, 'the ring never changed');
});

story('key, cipher and compression change by reload under load', {}, async (scene, kinds) => {
  const { lab, t } = scene;
  const rings = await scene.rings();
  const changes = [
    { cipher: 'aes256', hash: 'sha256', key: 256, compression: '', mtu: '1397' },
    { cipher: 'aes128', hash: 'sha512', key: 0, compression: 'zlib', mtu: '1365' },
    { cipher: 'none', hash: 'none', key: 0, compression: 'lz4', mtu: '1446' },
    { cipher: 'aes192', hash: 'sha384', key: 1000, compression: 'lz4', mtu: '1381' },
  ];
  for (const [at, { cipher, hash, key, compression, mtu }] of changes.entries()) {
    const bytes = randomBytes(key);
    for (const node of lab.nodes) if (key > 0) node.writeKey(bytes);
    lab.writeConfs({
      crypto: { cipher, hash },
      totem: compression === '' ? [] : [`knet_compression_model: ${compression}`],
    });
    scene.send(300, 1, 50_000);
    await sleep(300);
    const by = lab.nodes[at % kinds.length]!;
    const { code, stdout, stderr } = await by.tool('corosync-cfgtool', '-R');
    t.equal(code, 0, `reload by ${by.kind}: ${stdout}${stderr}`);
    scene.send(300, 1, 50_000);
    const what = `${cipher} ${hash} ${compression}`;
    await scene.settleAndCompare(what);
    scene.compareWithSent(what);
    for (const [node, to] of [[lab.nodes[0]!, 2] as const, [lab.nodes[1]!, 1] as const]) {
      const seen = async () => node.cmap(`stats.knet.node${to}.link0.mtu`, 'stats');
      await until(`${what}: the MTU of ${mtu} on ${node.plan.name}`, async () =>
        (await seen()) === mtu ? true : null,
      );
    }
  }
  t.same(await scene.rings(), rings, 'the ring never changed');
});

story('links and priorities change by reload', { links: 2 }, async (scene) => {
  const { lab, t } = scene;
  const [first, ...others] = lab.nodes as [LabNode, ...LabNode[]];
  const rings = await scene.rings();
  const reload = async (which: readonly number[], totem: readonly string[] = []): Promise<void> => {
    const plans = lab.nodes.map(({ plan }) => ({
      ...plan,
      addresses: plan.addresses.map((address, link) => (which.includes(link) ? address : '')),
    }));
    for (const node of lab.nodes) {
      node.writeConf(corosyncConf({ ...lab.options, totem }, plans).replace(/^.*ring\d_addr: *$\n/gm, ''));
    }
    scene.send(200, 1, 50_000);
    await sleep(200);
    const { code, stdout, stderr } = await first.tool('corosync-cfgtool', '-R');
    t.equal(code, 0, `reload: ${stdout}${stderr}`);
    await scene.settleAndCompare(`links ${which.join(' and ')}`);
  };
  const connected = async (wanted: Readonly<Record<number, string>>) =>
    until(`links ${JSON.stringify(wanted)}`, async () => {
      for (const node of lab.nodes) {
        for (const other of lab.nodes) {
          if (other === node) continue;
          for (const [link, state] of Object.entries(wanted)) {
            if ((await node.cmap(`stats.knet.node${other.id}.link${link}.connected`, 'stats')) !== state) return null;
          }
        }
      }
      return true;
    });
  await reload([0, 1], ['interface {', '  linknumber: 1', '  knet_link_priority: 9', '}']);
  const before = await packetsSent(first, others[0]!, 1);
  scene.send(50, 1, 1_000);
  await scene.settleAndCompare('link 1 is preferred');
  t.ok((await packetsSent(first, others[0]!, 1)) > before, 'and is used');
  await reload([1]);
  scene.send(100, 1, 50_000);
  await scene.settleAndCompare('link 1 alone');
  await reload([0, 1]);
  await connected({ 0: '1', 1: '1' });
  scene.send(100, 1, 50_000);
  await scene.settleAndCompare('both again');
  scene.compareWithSent('all reloads');
  t.same(await scene.rings(), rings, 'the ring never changed');
});
