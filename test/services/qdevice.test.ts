import t from 'tap';
import { CsError } from '../../src/lib/errors.ts';
import { ServiceId, TrackFlag, VotequorumResponse } from '../../src/services/codec/ids.ts';
import { messageError, messageId } from '../../src/services/codec/struct.ts';
import * as wire from '../../src/services/codec/votequorum.ts';
import { type NodeSettings, QuorumCluster } from './cluster.ts';
import type { FakeConnection } from './fake-node.ts';

const NAME = 'Qdevice';

/** The quorum device daemon's side of its conversation with votequorum (config-and-tools.md 6.3). */
class Device {
  readonly connection: FakeConnection;
  constructor(
    readonly cluster: QuorumCluster,
    readonly nodeId: number,
  ) {
    this.connection = cluster.node(nodeId).connect(ServiceId.VOTEQUORUM);
  }

  /** Status, once it is there. */
  register(name = NAME): number {
    const before = this.connection.responses.length;
    this.connection.call(wire.VQ_QDEVICE_REGISTER.message({ name }));
    this.cluster.ring.settle();
    const response = this.connection.responses[before];
    return response === undefined ? -1 : messageError(response);
  }

  poll(cast: boolean, ringId = this.latestRing(), name = NAME): number {
    const status = this.connection.status(wire.VQ_QDEVICE_POLL.message({ name, castVote: cast ? 1 : 0, ringId }));
    this.cluster.ring.settle();
    return status;
  }

  /** As ours do: extra info is known. */
  flags: number = wire.TRACK_KNOWS_EXTRA_INFO;

  track(): void {
    this.connection.call(wire.VQ_TRACK_START.message({ context: 5n, trackFlags: TrackFlag.CHANGES | this.flags }));
  }

  latestRing() {
    const lists = this.connection.events
      .filter((event) => messageId(event) === VotequorumResponse.NODE_LIST)
      .flatMap((event) => wire.decodeVotequorumNodeList(event) ?? []);
    return lists.at(-1)?.ringId ?? { rep: 0, seq: 0n };
  }

  masterWins(allow: boolean): number {
    const status = this.connection.status(wire.VQ_QDEVICE_MASTER_WINS.message({ name: NAME, allow: allow ? 1 : 0 }));
    this.cluster.ring.settle();
    return status;
  }

  unregister(name = NAME): number {
    const status = this.connection.status(wire.VQ_QDEVICE_UNREGISTER.message({ name }));
    this.cluster.ring.settle();
    return status;
  }
}

const DEVICE: NodeSettings = { 'quorum.device.model': 'net' };

async function withDevices(size: number, settings: NodeSettings, on: readonly number[]) {
  const cluster = await new QuorumCluster(size, { ...DEVICE, ...settings }).bootAll();
  const devices = on.map((nodeId) => new Device(cluster, nodeId));
  for (const device of devices) device.track();
  return { cluster, devices };
}

t.test('a device without votes has as many as make it decisive', async (t) => {
  const { cluster, devices } = await withDevices(3, {}, [1, 2, 3]);
  t.equal(cluster.common(), 'Q total 3 quorum 3 expected 5');
  t.equal(cluster.node(1).info().qdeviceVotes, 2);
  for (const device of devices) t.equal(device.register(), CsError.OK);
  for (const device of devices) t.equal(device.poll(true), CsError.OK);
  t.equal(cluster.common(), 'Q total 5 quorum 3 expected 5');
  t.equal(cluster.node(2).info(1).flags & 0xffc0, 64 | 128 | 256, 'registered, alive, votes');
  t.equal(cluster.node(1).info().qdeviceName, NAME);
});

t.test('after a registration the node speaks of itself before it speaks of its device', async (t) => {
  // A stock node that has just joined and does not know the node yet ends by an assertion when it hears of the device first.
  const { cluster, devices } = await withDevices(1, {}, [1]);
  const [{ connection }] = devices as [Device];
  const node = cluster.node(1);
  const before = connection.responses.length;
  connection.call(wire.VQ_QDEVICE_REGISTER.message({ name: NAME }));
  while (connection.responses.length === before && cluster.ring.step());
  const subjects: number[] = [];
  while (node.hasOutgoing()) {
    const info = wire.VQ_NODE_INFO.decode(node.nextOutgoing()!.bytes);
    if (info !== null) subjects.push(info.nodeId);
  }
  t.same(subjects, [1, 0]);
});

t.test('what a node says of itself does not undo what it has done since', async (t) => {
  const { cluster, devices } = await withDevices(1, {}, [1]);
  const [{ connection }] = devices as [Device];
  const { ring } = cluster;
  const registered = (): number => {
    const before = connection.responses.length;
    connection.call(wire.VQ_QDEVICE_REGISTER.message({ name: NAME }));
    while (connection.responses.length === before && ring.step());
    return messageError(connection.responses[before]!);
  };
  for (let deliveries = 0; deliveries < 8; deliveries++) {
    t.equal(registered(), CsError.OK);
    // The node infos of the registration are on their way.
    t.equal(connection.status(wire.VQ_QDEVICE_UNREGISTER.message({ name: NAME })), CsError.OK);
    for (let step = 0; step < deliveries; step++) ring.step();
    t.equal(cluster.node(1).info().flags & 64, 0, `not registered after ${deliveries} of them`);
    t.equal(registered(), CsError.OK);
    ring.settle();
    t.equal(cluster.node(1).info().flags & 64, 64);
    t.equal(devices[0]!.unregister(), CsError.OK);
  }
});

t.test('what a device says of its node beyond the vote reaches everybody, joiners too', async (t) => {
  const { cluster, devices } = await withDevices(3, {}, [1, 2]);
  const [first, second] = devices as [Device, Device];
  const set = (device: Device, text: string): number => {
    const tail = Buffer.from(text);
    const status = device.connection.status(wire.VQ_SET_EXTRA_INFO.message({ length: tail.length }, tail));
    cluster.ring.settle();
    return status;
  };
  const seen = ({ connection }: Device): string[] =>
    connection.events
      .filter((event) => messageId(event) === VotequorumResponse.EXTRA_INFO)
      .map((event) => {
        const { nodeId, length, context } = wire.VQ_EXTRA_INFO_EVENT.decode(event)!;
        return `${context} ${nodeId} ${Buffer.from(wire.VQ_EXTRA_INFO_EVENT.tailBytes(event, length)!)}`;
      });
  const get = (nodeId: number, of: number): string | number => {
    const connection = cluster.node(nodeId).connect(ServiceId.VOTEQUORUM);
    const response = connection.call(wire.VQ_GET_EXTRA_INFO.message({ nodeId: of }))!;
    if (messageError(response) !== CsError.OK) return messageError(response);
    const { length } = wire.VQ_GET_EXTRA_INFO_RESPONSE.decode(response)!;
    return Buffer.from(wire.VQ_GET_EXTRA_INFO_RESPONSE.tailBytes(response, length)!).toString();
  };
  t.equal(set(first, 'disk 1'), CsError.NOT_EXIST, 'no device is registered yet');
  t.equal(first.register(), CsError.OK);
  t.equal(second.register(), CsError.OK);
  t.equal(set(first, 'x'.repeat(4097)), CsError.INVALID_PARAM);
  const short = wire.VQ_SET_EXTRA_INFO.message({ length: 40 }, Buffer.from('less'));
  t.equal(first.connection.status(short), CsError.INVALID_PARAM, 'more than was sent');
  t.equal(set(first, 'disk 1'), CsError.OK);
  t.same(
    [get(1, 1), get(2, 1), get(3, 1), get(2, 2), get(2, 9)],
    ['disk 1', 'disk 1', 'disk 1', '', CsError.NOT_EXIST],
  );
  t.same(seen(second), ['5 1 disk 1']);
  t.equal(cluster.node(3).info(1).flags & 1024, 1024);

  const late = new Device(cluster, 3);
  late.track();
  t.same(seen(late), ['5 1 disk 1'], 'with the current state');
  cluster.ring.partition([1, 2], [3]);
  cluster.ring.settle();
  t.equal(set(first, 'disk 2'), CsError.OK);
  t.equal(get(3, 1), 'disk 1');
  cluster.ring.partition([1, 2, 3]);
  cluster.ring.settle();
  t.equal(get(3, 1), 'disk 2', 'sent again in the sync');

  const old = new Device(cluster, 2);
  old.flags = 0;
  old.track();
  t.equal(set(first, 'disk 3'), CsError.OK);
  t.equal(seen(late).at(-1), '5 1 disk 3');
  t.same(seen(old), [], 'a library of before would end its caller');

  t.equal(first.unregister(), CsError.OK);
  t.equal(get(3, 1), '');
  t.equal(seen(late).at(-1), '5 1 ');
  t.equal(cluster.node(3).info(1).flags & 1024, 0);
  const before = seen(late).length;
  t.equal(second.unregister(), CsError.OK);
  t.equal(seen(late).length, before, 'of one that said nothing there is nothing to take back');
});

t.test('extra info of other nodes that is malformed is logged and changes nothing', async (t) => {
  const { cluster, devices } = await withDevices(2, {}, [1, 2]);
  for (const device of devices) device.register();
  const say = (values: { nodeId: number; length: number }, tail: string): void => {
    const message = wire.VQ_EXEC_EXTRA_INFO.message(values, Buffer.from(tail));
    cluster.node(1).deliver({ from: 2, group: 'a', bytes: message });
  };
  say({ nodeId: 1, length: 50 }, 'short');
  say({ nodeId: 1, length: 5000 }, 'x'.repeat(5000));
  say({ nodeId: 77, length: 1 }, 'x');
  t.equal(cluster.node(1).info(1).flags & 1024, 0);
  const logged = ['Malformed extra info for node 1 from node 2', 'Oversized extra info for node 1! Ignoring'];
  for (const text of logged) t.ok(cluster.node(1).logged(text), text);
  t.ok(cluster.node(1).logged('Failed to find node 77 for set extra info'));
});

t.test('the last one with the device survives', async (t) => {
  const { cluster, devices } = await withDevices(3, {}, [1, 2, 3]);
  for (const device of devices) device.register();
  for (const device of devices) device.poll(true);
  cluster.ring.kill(2);
  cluster.ring.kill(3);
  cluster.ring.partition([1]);
  cluster.ring.settle();
  const [first] = devices;
  t.equal(cluster.node(1).host.syncInProgress, true, 'sync waits for the device');
  t.equal(cluster.node(1).host.flowState(ServiceId.VOTEQUORUM).word, 0, 'which is served meanwhile');
  t.equal(cluster.node(1).host.flowState(ServiceId.CMAP).word, 2);
  t.equal(first!.poll(true, { rep: 1, seq: 1n }), CsError.MESSAGE_ERROR, 'ring id of the past');
  t.equal(first!.poll(true), CsError.OK);
  t.equal(cluster.node(1).host.syncInProgress, false);
  t.equal(cluster.node(1).summary(), 'Q total 3 quorum 3 expected 5');
});

t.test('a device that does not poll', async (t) => {
  const { cluster, devices } = await withDevices(3, { 'quorum.device.timeout': 4000 }, [1, 2, 3]);
  for (const device of devices) device.register();
  for (const device of devices) device.poll(true);
  cluster.ring.advance(3000);
  devices[0]!.poll(true);
  devices[1]!.poll(true);
  cluster.ring.advance(2000);
  t.ok(cluster.node(3).logged(`lost contact with quorum device ${NAME}`));
  t.equal(cluster.node(1).summary(), 'Q total 5 quorum 3 expected 5');
  t.equal(cluster.node(3).summary(), 'Q total 3 quorum 3 expected 5');
  t.equal(cluster.node(1).info(3).flags & 0xffc0, 64, 'still registered');
  cluster.ring.partition([1, 2], [3]);
  cluster.ring.settle();
  t.equal(cluster.node(3).host.syncInProgress, false, 'nobody to wait for');
  t.equal(cluster.node(1).host.syncInProgress, true);
  cluster.ring.advance(30_000);
  t.equal(cluster.node(1).host.syncInProgress, false, 'sync timeout');
  t.same(cluster.summaries(), {
    1: '- total 2 quorum 3 expected 5',
    2: '- total 2 quorum 3 expected 5',
    3: '- total 1 quorum 3 expected 5',
  });
});

t.test('master wins', async (t) => {
  const { cluster, devices } = await withDevices(3, { 'quorum.device.votes': 1, 'quorum.expected_votes': 4 }, [1]);
  const device = devices[0]!;
  t.equal(device.masterWins(true), CsError.NOT_EXIST);
  t.equal(device.register(), CsError.OK);
  t.equal(device.poll(true), CsError.OK);
  cluster.ring.kill(2);
  cluster.ring.kill(3);
  cluster.ring.partition([1]);
  cluster.ring.settle();
  t.equal(device.poll(true), CsError.OK);
  t.equal(cluster.node(1).summary(), '- total 2 quorum 3 expected 4');
  t.equal(device.masterWins(true), CsError.OK);
  t.equal(cluster.node(1).summary(), 'Q total 2 quorum 3 expected 4');
  t.equal(cluster.node(1).cmap.getU8('runtime.votequorum.qdevice_master_wins'), 1);
  t.equal(device.masterWins(false), CsError.OK);
  t.equal(cluster.node(1).summary(), '- total 2 quorum 3 expected 4');
});

t.test('registration', async (t) => {
  const { cluster, devices } = await withDevices(2, {}, [1, 2]);
  const [one, two] = [devices[0]!, devices[1]!];
  t.equal(one.connection.status(wire.VQ_QDEVICE_REGISTER.message({ name: NAME })), -1, 'answered on delivery');
  t.equal(one.connection.status(wire.VQ_QDEVICE_REGISTER.message({ name: NAME })), CsError.TRY_AGAIN);
  cluster.ring.settle();
  t.equal(one.register(), CsError.OK, 'same name again');
  t.equal(one.register('other'), CsError.EXIST);
  t.equal(two.register('other'), CsError.EXIST, 'all nodes have the same device');
  t.equal(two.register(), CsError.OK);
  const rename = (oldName: string, newName: string) =>
    one.connection.status(wire.VQ_QDEVICE_UPDATE.message({ oldName, newName }));
  t.equal(rename('x', 'y'), CsError.INVALID_PARAM);
  t.equal(rename(NAME, 'new'), CsError.OK);
  cluster.ring.settle();
  t.equal(cluster.node(2).info().qdeviceName, 'new');
  t.equal(one.unregister(), CsError.INVALID_PARAM);
  t.equal(one.unregister('new'), CsError.OK);
  t.equal(one.unregister('new'), CsError.NOT_EXIST);
  t.equal(cluster.node(1).info().qdeviceName, 'new', 'still used by the other');
  t.equal(two.unregister('new'), CsError.OK);
  t.equal(cluster.node(1).info().qdeviceName, '');
});

t.test('a registration whose client goes away', async (t) => {
  const { cluster, devices } = await withDevices(2, {}, [1]);
  devices[0]!.connection.call(wire.VQ_QDEVICE_REGISTER.message({ name: NAME }));
  devices[0]!.connection.close();
  cluster.ring.settle();
  t.equal(cluster.node(1).info().flags & wire.InfoFlag.QDEVICE_REGISTERED, 0);
  t.equal(new Device(cluster, 1).register(), CsError.OK);
});

t.test('a device that the configuration disables at run time', async (t) => {
  const { cluster, devices } = await withDevices(2, {}, [1]);
  cluster.node(1).cmap.setU8('quorum.two_node', 1);
  cluster.ring.settle();
  t.equal(cluster.node(1).cmap.getU8('runtime.votequorum.qdevice_can_operate'), 0);
  t.equal(devices[0]!.register(), CsError.ACCESS);
  cluster.node(1).cmap.delete('quorum.two_node');
  cluster.ring.settle();
  t.equal(devices[0]!.register(), CsError.OK);
});

t.test('a node that joins learns the name of the device', async (t) => {
  const { cluster, devices } = await withDevices(3, {}, [1]);
  cluster.ring.kill(3);
  cluster.form([1, 2]);
  devices[0]!.register();
  await cluster.boot(3);
  cluster.form([1, 2, 3]);
  t.equal(cluster.node(3).info().qdeviceName, NAME);
});
