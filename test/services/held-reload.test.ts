import t from 'tap';
import { CsError } from '../../src/lib/errors.ts';
import { CfgEngine } from '../../src/services/cfg/engine.ts';
import type { CfgPorts, PreparedReload } from '../../src/services/cfg/ports.ts';
import * as wire from '../../src/services/codec/cfg.ts';
import { ServiceId } from '../../src/services/codec/ids.ts';
import { messageError } from '../../src/services/codec/struct.ts';
import { HELD_BYTES_MAX, HOLD_MS_MAX } from '../../src/services/host/ring-order.ts';
import { type QuorumNode as Node, nodeList, QuorumNode } from './cluster.ts';
import type { FakeConnection } from './fake-node.ts';
import { FakeRing } from './fake-ring.ts';

/**
 * Stock applies a reload before it looks at the next message of the ring. Here the file is read meanwhile, by some nodes sooner
 * than by others: what follows in the order of the ring waits on each, so that the outcome is the same.
 */
const VERSION = 'totem.config_version';
const BARRIER = 'runtime.votequorum.ev_barrier';
const TRACKED = 'runtime.votequorum.ev_tracking_barrier';

/** A node whose file is read when the test says so. */
interface Reader {
  readonly node: Node;
  /** Reads that wait, oldest first. */
  readonly reads: (() => void)[];
  /** What the file changes. */
  change: (node: Node) => void;
}

async function cluster(size: number, settings: Readonly<Record<string, string | number | boolean | bigint>> = {}) {
  const ring = new FakeRing();
  const ids = Array.from({ length: size }, (_, at) => at + 1);
  const readers: Reader[] = [];
  for (const nodeId of ids) {
    const node = new QuorumNode(ring, nodeId, {
      'quorum.provider': 'corosync_votequorum',
      ...nodeList(ids, nodeId),
      ...settings,
    });
    const reader: Reader = { node, reads: [], change: () => {} };
    await node.start(new CfgEngine(ports(reader)));
    ring.add(node);
    readers.push(reader);
  }
  ring.partition(ids);
  ring.settle();
  return { ring, readers, client: readers[0]!.node.connect(ServiceId.CFG) };
}

function ports(reader: Reader): CfgPorts {
  const { node } = reader;
  const prepared: PreparedReload = {
    ok: true,
    ignoredKeys: [],
    apply: () => {
      reader.change(node);
      return { cryptoChanged: false, errorMessage: null };
    },
  };
  return {
    reloader: {
      prepare: () => new Promise((resolve) => void reader.reads.push(() => resolve(prepared))),
    },
    ringLinks: () => [],
    nodeReport: () => null,
    nodeAddresses: () => null,
    reopenLogs: () => CsError.OK,
    killed: () => {},
    shutdown: () => {},
    holdRing: (what) => node.host.hold(what),
    reloadDone: () => {},
  };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** The reload message is delivered everywhere, and every node begins to read. */
async function ask(ring: FakeRing, client: FakeConnection): Promise<void> {
  t.equal(client.status(wire.CFG_RELOAD.message()), -1);
  ring.settle();
  await turn();
}

async function read(ring: FakeRing, ...readers: readonly Reader[]): Promise<void> {
  for (const { reads } of readers) reads.shift()!();
  await turn();
  ring.settle();
  await turn();
}

const addDevice = ({ cmap }: Node): void => void cmap.setString('quorum.device.model', 'net');

t.test("other nodes' votes after a reload are not adopted before the own reload", async (t) => {
  for (const last of [0, 1, 2]) {
    const { ring, readers, client } = await cluster(3, { 'quorum.allow_downscale': true });
    for (const reader of readers) reader.change = addDevice;
    await ask(ring, client);
    const slow = readers[last]!;
    await read(ring, ...readers.filter((reader) => reader !== slow));
    t.equal(slow.node.cmap.getU32(TRACKED), 3, 'they have told that they expect five votes now: not heard yet');
    await read(ring, slow);
    t.same(
      readers.map(({ node }) => [node.cmap.getU32(BARRIER), node.cmap.getU32(TRACKED)]),
      [
        [3, 5],
        [3, 5],
        [3, 5],
      ],
      `the barrier of stock, node ${last + 1} reads last`,
    );
  }
});

t.test('a change of the membership waits, too: what is synchronised is what the file says now', async (t) => {
  const { ring, readers, client } = await cluster(3, { [VERSION]: 1n });
  for (const reader of readers) reader.change = ({ cmap }) => cmap.setU64(VERSION, 2n);
  const [slow, ...others] = readers;
  await ask(ring, client);
  await read(ring, ...others);
  ring.kill(3);
  ring.partition([1, 2]);
  ring.settle();
  const completed = slow!.node.syncCompletions;
  t.equal(slow!.node.host.syncInProgress, true, 'clients know at once');
  t.equal(slow!.node.cmap.getString('runtime.members.3.status'), 'joined', 'engines do not');
  await read(ring, slow!);
  t.equal(slow!.node.syncCompletions, completed + 1);
  t.equal(slow!.node.host.syncInProgress, false);
  t.equal(slow!.node.cmap.getString('runtime.members.3.status'), 'left');
  for (const { node } of [slow!, others[0]!])
    t.same(
      [1, 2].map((id) => node.cmap.getU64(`runtime.members.${id}.config_version`)),
      [2n, 2n],
      'the new version',
    );
});

t.test('reloads in a row: each is done before the next one begins', async (t) => {
  const { ring, readers, client } = await cluster(2);
  const [one, two] = readers;
  const steps: string[] = [];
  for (const { node } of readers)
    node.cmap.track('config.reload_in_progress', 7, (_event, _key, value) => {
      steps.push(`${node.nodeId}: ${value?.bytes[0]}`);
    });
  const second = two!.node.connect(ServiceId.CFG);
  await ask(ring, client);
  await ask(ring, second);
  await read(ring, two!);
  await read(ring, two!);
  t.same(steps, ['2: 1', '2: 0', '2: 1', '2: 0']);
  t.equal(one!.reads.length, 1, 'the second one waits for the first');
  await read(ring, one!);
  t.equal(one!.reads.length, 1);
  await read(ring, one!);
  t.same(steps.slice(4), ['1: 1', '1: 0', '1: 1', '1: 0']);
  t.same(
    [client, second].map(({ responses }) => messageError(responses[0]!)),
    [CsError.OK, CsError.OK],
  );
});

t.test('a file that is never read holds the others up for a while, once, and the log says so', async (t) => {
  const { ring, readers, client } = await cluster(3);
  const [dead, ...others] = readers;
  const votesAt = (reader: Reader) => reader.node.info(3).votes;
  const setVotes = async (votes: number): Promise<void> => {
    others[1]!.node.cmap.setU32('nodelist.node.2.quorum_votes', votes);
    ring.settle();
    await turn();
  };
  await ask(ring, client);
  await read(ring, ...others);
  await setVotes(2);
  t.same([votesAt(dead!), votesAt(others[0]!)], [1, 2]);
  t.equal(dead!.node.connect(ServiceId.CMAP).open, true, 'clients are served');
  ring.advance(HOLD_MS_MAX - 1);
  t.equal(votesAt(dead!), 1);
  ring.advance(1);
  t.equal(votesAt(dead!), 2);
  t.ok(dead!.node.logged('The reload that node 1 has requested is not done (it has taken 3 s so far)'));
  t.notOk(others[0]!.node.logged('is not done'));

  await ask(ring, others[0]!.node.connect(ServiceId.CFG));
  await read(ring, ...others);
  await setVotes(3);
  t.equal(votesAt(dead!), 3, 'further reloads wait behind the dead one and hold nothing up');
  dead!.reads.shift()!();
  await turn();
  dead!.reads.shift()!();
  await turn();

  await ask(ring, client);
  await read(ring, ...others);
  await setVotes(4);
  t.equal(votesAt(dead!), 3, 'after it they do again');
  await read(ring, dead!);
  t.equal(votesAt(dead!), 4);
});

t.test('what waits is bounded', async (t) => {
  const { ring, readers, client } = await cluster(2);
  const [slow] = readers;
  await ask(ring, client);
  const message = new Uint8Array(1 << 20);
  message[0] = 77; // of service 0, which does not know it
  for (let at = 0; at * message.length < HELD_BYTES_MAX; at++) {
    t.equal(slow!.node.host.drops.noFunction, 0);
    slow!.node.host.deliver(2, message);
  }
  t.equal(slow!.node.host.drops.noFunction, 4, 'they have been handed over');
  t.ok(slow!.node.logged('is not done (4 messages wait for it)'));
});

t.test('the end of the engines does not wait', async (t) => {
  const { ring, readers, client } = await cluster(2);
  const [slow] = readers;
  await ask(ring, client);
  await read(ring, readers[1]!);
  const word = slow!.node.cmap.getU64('runtime.services.votequorum.0.rx')!;
  readers[1]!.node.cmap.setU32('nodelist.node.1.quorum_votes', 2);
  ring.settle();
  t.equal(slow!.node.cmap.getU64('runtime.services.votequorum.0.rx'), word);
  const end = slow!.node.host.unloadAll();
  t.ok(slow!.node.cmap.getU64('runtime.services.votequorum.0.rx')! > word, 'what waited came before');
  ring.settle();
  await end;
});
