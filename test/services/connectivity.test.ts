import t from 'tap';
import { configurationFingerprint, trackedFingerprint } from '../../src/config/fingerprint.ts';
import { Icmap } from '../../src/config/icmap/index.ts';
import { type ConnectivityView, connectivityFaults, faultText, type SeenLink } from '../../src/lib/connectivity.ts';
import { ConnectivityEngine, FAULT_MS, LOOK_MS, REFRESH_MS } from '../../src/services/connectivity/engine.ts';
import { decodeView, encodeView, VIEW_LINKS_MAX } from '../../src/services/connectivity/messages.ts';
import { configured, FakeNode } from './fake-node.ts';
import { FakeRing } from './fake-ring.ts';

const link = (peerId: number, up = true, heard = up, number = 0): SeenLink => ({
  peerId,
  link: number,
  up,
  heard,
  latencyUs: 100,
  mtu: 1400,
  downs: 0,
});
const view = (nodeId: number, ...links: readonly SeenLink[]): ConnectivityView => ({
  nodeId,
  configuration: 'same',
  version: '1',
  key: 'k',
  keyFile: 'k',
  links,
});
const texts = (...views: readonly ConnectivityView[]): string[] => connectivityFaults(views).map(faultText);

t.test('what the views say together', async (t) => {
  t.same(texts(view(1, link(2), link(3)), view(2, link(1), link(3)), view(3, link(1), link(2))), []);
  t.same(texts(view(1, link(2, false, true)), view(2, link(1, false, false))), [
    'link 0 is one-way: packets of node 2 reach node 1, those of node 1 do not reach node 2',
  ]);
  t.same(texts(view(1, link(2, false, false)), view(2, link(1, false, true))), [
    'link 0 is one-way: packets of node 1 reach node 2, those of node 2 do not reach node 1',
  ]);
  t.same(texts(view(1, link(2, false)), view(2, link(1, false))), ['link 0 between nodes 1 and 2 is down']);
  t.same(texts(view(1, link(2, true, true)), view(2, link(1, false, true))), [
    'link 0 is up for node 1 and down for node 2',
  ]);
  t.same(texts(view(1, link(2), link(2, false, false, 1))), ['link 1 between nodes 1 and 2 is down'], 'of one view');
  t.same(
    texts(view(1, link(2), link(3, false)), view(2, link(1), link(3)), view(3, link(1, false), link(2))),
    ['link 0 between nodes 1 and 3 is down', 'nodes 1 and 3 do not reach each other, and node 2 reaches both'],
    'not transitive',
  );
  const redundant = [
    view(1, link(2), link(3, false), link(3, true, true, 1)),
    view(2, link(1), link(3)),
    view(3, link(1, false), link(1, true, true, 1), link(2)),
  ];
  t.same(texts(...redundant), ['link 0 between nodes 1 and 3 is down'], 'another link is a path');
  t.same(texts(), []);
});

t.test('a view on the wire; nonsense is none', async (t) => {
  const mine = view(7, link(2), link(3, false, true, 4));
  const { values, tail } = encodeView(mine);
  t.equal(values?.linkCount, 2);
  const { CONNECTIVITY_MESSAGES } = await import('../../src/services/connectivity/messages.ts');
  const bytes = CONNECTIVITY_MESSAGES.view.message(values, tail);
  t.same(decodeView(bytes, 7), mine);
  t.equal(decodeView(bytes.subarray(0, bytes.length - 1), 7), null, 'fewer links than it says');
  t.equal(decodeView(bytes.subarray(0, 40), 7), null);
  new DataView(bytes.buffer).setUint32(24, 0xffff_ffff, true);
  t.equal(decodeView(bytes, 7), null, 'a count beyond all bounds');
  const many = encodeView(view(1, ...Array.from({ length: 5000 }, (_, at) => link(at + 2))));
  t.equal(many.values?.linkCount, VIEW_LINKS_MAX);
});

interface Member {
  readonly node: FakeNode;
  links: SeenLink[];
  views: ReadonlyMap<number, ConnectivityView>;
  sent: number;
}

async function cluster(size: number, ours: readonly number[]) {
  const ring = new FakeRing(1);
  const members = new Map<number, Member>();
  for (let nodeId = 1; nodeId <= size; nodeId++) {
    const node = new FakeNode({ nodeId, clock: ring.clock, cmap: configured({}), full: ring.full });
    const others = Array.from({ length: size }, (_, at) => at + 1).filter((id) => id !== nodeId);
    const member: Member = { node, links: others.map((id) => link(id)), views: new Map(), sent: 0 };
    if (ours.includes(nodeId))
      await node.load(
        new ConnectivityEngine({
          links: () => member.links,
          peers: () => member.links.map(({ peerId }) => peerId),
          configuration: () => (nodeId === 3 ? 'other' : 'same'),
          version: '0.1.0',
          key: () => 'k',
          keyFile: () => 'k',
          changed: (views) => {
            member.views = new Map(views);
            member.sent++;
          },
        }),
      );
    ring.add(node);
    members.set(nodeId, member);
  }
  const run = (ms: number): void => ring.advance(ms);
  return { ring, members, run };
}

t.test('everybody knows the views of all, and says what is wrong with them, once', async (t) => {
  const { ring, members, run } = await cluster(3, [1, 2, 3]);
  ring.partition([1, 2, 3]);
  ring.settle();
  run(2 * LOOK_MS);
  for (const { views } of members.values()) t.same([...views.keys()].sort(), [1, 2, 3]);
  t.equal(members.get(1)?.views.get(3)?.configuration, 'other');
  const one = members.get(1)!;
  one.links = [link(2), link(3, false, true)];
  members.get(3)!.links = [link(1, false, false), link(2)];
  run(FAULT_MS + 4 * LOOK_MS);
  const said = (nodeId: number): readonly string[] =>
    members.get(nodeId)!.node.logs.filter((line) => line.includes('Connectivity'));
  t.match(
    said(2)[0],
    /^warning KNET Connectivity: link 0 is one-way: packets of node 3 reach node 1/,
    'a third node says so',
  );
  t.match(said(2)[1], /nodes 1 and 3 do not reach each other, and node 2 reaches both/);
  run(60 * LOOK_MS);
  t.equal(said(2).length, 2, 'once');
  one.links = [link(2), link(3)];
  members.get(3)!.links = [link(1), link(2)];
  run(4 * LOOK_MS);
  t.equal(said(2).filter((line) => line.includes('notice KNET Connectivity, over:')).length, 2);
  ring.partition([1, 2], [3]);
  ring.settle();
  run(2 * LOOK_MS);
  t.same([...one.views.keys()].sort(), [1, 2], 'views of who has left are forgotten');
});

t.test('a member that names nodes that are none: nobody takes them up, and many messages are one change', async (t) => {
  const { ring, members, run } = await cluster(3, [1, 2]);
  ring.partition([1, 2, 3]);
  ring.settle();
  run(2 * LOOK_MS);
  const one = members.get(1)!;
  const madeUp = Array.from({ length: VIEW_LINKS_MAX - 1 }, (_, at) => link(1000 + at, false));
  members.get(2)!.links = [link(1), ...madeUp];
  run(FAULT_MS + 4 * LOOK_MS);
  t.same(one.views.get(2)?.links, [link(1)]);
  t.notOk(
    one.node.logs.some((line) => line.includes('Connectivity')),
    'nothing is said of them',
  );
  t.ok(
    connectivityFaults([view(2, link(1), ...madeUp)], 64).length === 64,
    'whoever shows faults shows so many at most',
  );
  const { sent } = one;
  for (let flip = 0; flip < 40; flip++) {
    members.get(2)!.links = [link(1, flip % 2 === 0)];
    run(LOOK_MS / 20);
  }
  t.ok(one.sent - sent <= 4, `${one.sent - sent} changes in two seconds`);
});

t.test(
  'views that are half as old as they may be come with those of others: the token need not go round for each',
  async (t) => {
    const { ring, members, run } = await cluster(3, [1, 2, 3]);
    ring.partition([1, 2, 3]);
    ring.settle();
    run(REFRESH_MS * 0.6);
    members.get(2)!.links = [link(1, false), link(3)]; // published at once: it has another time from now on
    run(REFRESH_MS * 0.6);
    members.get(2)!.links = [link(1), link(3)];
    run(REFRESH_MS * 1.2);
    const one = members.get(1)!;
    const changes: number[] = [];
    for (let ms = 0; ms < 3 * REFRESH_MS; ms += LOOK_MS) {
      const { sent } = one;
      run(LOOK_MS);
      if (one.sent > sent) changes.push(ms);
    }
    const bursts = changes.filter((ms, at) => at === 0 || ms - changes[at - 1]! > 3 * LOOK_MS);
    t.ok(bursts.length >= 2 && bursts.length <= 4, `at ${changes.join(' ')}`);
  },
);

t.test('a node without others of ours is quiet', async (t) => {
  const { ring, members, run } = await cluster(3, [1]);
  ring.partition([1, 2, 3]);
  ring.settle();
  run(3 * REFRESH_MS);
  const { node, sent } = members.get(1)!;
  t.ok(sent <= 3, `${sent} changes`);
  t.equal(node.normalQueue.length, 0);
  members.get(1)!.links = [link(2, false), link(3)];
  run(3 * LOOK_MS);
  t.equal(members.get(1)?.views.get(1)?.links[0]?.up, false, 'its own view is there');
});

t.test('the digest of a configuration: shared values, no secrets, nothing of this node alone', async (t) => {
  const map = new Icmap();
  const other = new Icmap();
  for (const each of [map, other]) {
    each.setU32('totem.token', 3000);
    each.setString('nodelist.node.0.ring0_addr', 'a');
  }
  const digest = trackedFingerprint(map);
  t.equal(digest(), configurationFingerprint(other));
  map.setString('totem.key', 'secret');
  map.setString('totem.interface.0.bindnetaddr', '10.0.0.1');
  map.setString('logging.logfile', '/x');
  t.equal(digest(), configurationFingerprint(other));
  map.setU32('totem.token', 4000);
  t.not(digest(), configurationFingerprint(other), 'made again');
  t.match(digest(), /^[0-9a-f]{32}$/);
});
