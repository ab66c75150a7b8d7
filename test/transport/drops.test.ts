import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { AddressTable } from '../../src/knet/address.ts';
import { dropName, KnetDrop } from '../../src/knet/drops.ts';
import { RxBatch } from '../../src/knet/rx-batch.ts';
import { dropKey } from '../../src/lib/drop-key.ts';
import { frameMemory } from '../../src/lib/frame-memory.ts';
import { Arena } from '../../src/os/arena.ts';
import { closeFd } from '../../src/os/fd.ts';
import { MSG_DONTWAIT, openSocketPair, SOCK_DGRAM, sendBytes } from '../../src/os/socket.ts';
import { encodeJoin } from '../../src/totem/wire/join.ts';
import { MemberAddresses } from '../../src/transport/datagram/members.ts';
import { BUFFER_BYTES, type ReceiveBatch } from '../../src/transport/datagram/receive-batch.ts';
import { SendBatch } from '../../src/transport/datagram/send-batch.ts';
import { UdpSockets } from '../../src/transport/datagram/udp-sockets.ts';
import { UdpuSockets } from '../../src/transport/datagram/udpu-sockets.ts';
import { TRANSPORT_DROP_REASONS, type TransportDropReason, transportDrop } from '../../src/transport/drops.ts';
import { KnetReceiver } from '../../src/transport/knet/knet-receiver.ts';
import { NozzlePort } from '../../src/transport/knet/nozzle-port.ts';
import { LoopbackQueue } from '../../src/transport/loopback-queue.ts';
import { testPort, totemConfig } from '../ring/ring-harness.ts';
import { TestStatistics } from '../ring/shown-counters.ts';

const TOO_LONG = BUFFER_BYTES + 100;

/** Memory, a clock, and counters that are read through the statistics map. */
class Bench {
  readonly arena = Arena.map(8 << 20);
  readonly statistics = new TestStatistics();
  readonly nowMs = (): number => 1;
  readonly counter = (name: string) => this.statistics.counter(name);

  /** A datagram that is larger than any buffer: UDP has none, but a kernel that joins more than today's would hand over one. */
  giveTooMuch(receive: (fd: number) => void): void {
    const [own, peer] = openSocketPair(SOCK_DGRAM);
    const at = this.arena.allocate(TOO_LONG);
    t.equal(sendBytes(peer, this.arena.address + at, TOO_LONG, MSG_DONTWAIT), TOO_LONG);
    receive(own);
    closeFd(own);
    closeFd(peer);
  }
}

/** Node 1 of two, whose socket gets one datagram from the address. */
async function udpuGets(bench: Bench, index: number, from: string, datagram: Uint8Array): Promise<boolean> {
  const port = testPort(index);
  const config = totemConfig(1, 2, port);
  const members = new MemberAddresses(bench.arena, 1, 4);
  members.set(config.members, port, 0);
  const sockets = new UdpuSockets(bench, config.links[0]!, members);
  sockets.open({ name: 'lo', address: '127.0.0.1', index: 1 }, config);
  const sender = createSocket('udp4').bind(0, from);
  await once(sender, 'listening');
  await new Promise((resolve) => sender.send(datagram, port, '127.0.0.1', resolve));
  const { fd, batch } = sockets.inputs[0]!;
  t.equal(batch.receive(fd), 1);
  t.ok(batch.next());
  const accepted = sockets.accepts(batch, config);
  sender.close();
  closeFd(fd);
  return accepted;
}

function joinOf(nodeId: number): Uint8Array {
  const memory = frameMemory(new Uint8Array(200));
  return memory.bytes.slice(
    0,
    encodeJoin(memory.view, 0, { systemFrom: nodeId, ringSeq: 8, proc: [1, 2], failed: [], leave: false }),
  );
}

/** One bad datagram, or one that cannot leave, of each kind. */
const DATAGRAMS: Readonly<Record<TransportDropReason, (bench: Bench) => Promise<void> | void>> = {
  truncated: (bench) => {
    const config = totemConfig(1, 2, testPort(0));
    const members = new MemberAddresses(bench.arena, 1, 4);
    const cut = ({ batch }: { readonly batch: ReceiveBatch }): void =>
      bench.giveTooMuch((fd) => {
        t.equal(batch.receive(fd), 1);
        t.notOk(batch.next());
      });
    cut(new UdpuSockets(bench, config.links[0]!, members).inputs[0]!);
    const udp = new UdpSockets(bench, config.links[0]!, members);
    for (const input of udp.inputs) cut(input);
    t.equal(bench.statistics.drops('transport', 'truncated'), 3, 'udpu, and both sockets of udp');
  },
  unlisted: async (bench) => {
    t.equal(await udpuGets(bench, 1, '127.0.0.9', joinOf(2)), false);
  },
  foreignSender: async (bench) => {
    t.equal(await udpuGets(bench, 2, '127.0.0.2', joinOf(1)), false);
    t.equal(await udpuGets(bench, 3, '127.0.0.2', joinOf(2)), true, 'its own is accepted');
  },
  loopbackFull: (bench) => {
    const queue = new LoopbackQueue(bench.arena, transportDrop(bench, 'loopbackFull'));
    const from = bench.arena.allocate(10_000);
    for (let sent = 0; sent < 300_000; sent += 10_000) queue.push(from, 10_000);
  },
  sendFailed: (bench) => {
    const port = testPort(4);
    const members = new MemberAddresses(bench.arena, 1, 4);
    // EACCES without SO_BROADCAST.
    members.set([{ nodeId: 3, name: '', addresses: ['255.255.255.255'] }], port, 0);
    const config = totemConfig(1, 2, port);
    const sockets = new UdpuSockets(bench, config.links[0]!, members);
    sockets.open({ name: 'lo', address: '127.0.0.1', index: 1 }, config);
    const failed = transportDrop(bench, 'sendFailed');
    const batch = new SendBatch(
      bench.arena,
      () => sockets.sendFd,
      () => members,
      failed,
    );
    batch.multicast(bench.arena.allocate(100), 100);
    batch.flush();
    closeFd(sockets.sendFd);
  },
  nozzle: (bench) => {
    const memory = { bytes: bench.arena.u8, view: bench.arena.data };
    const port = new NozzlePort(
      { arena: bench.arena, watch: () => {}, unwatch: () => {}, log: () => {} },
      memory,
      transportDrop(bench, 'nozzle'),
      () => true,
    );
    port.deliver(bench.arena.allocate(100), 100); // no device
  },
};

for (const reason of TRANSPORT_DROP_REASONS) {
  t.test(dropKey('transport', reason), async (t) => {
    const bench = new Bench();
    await DATAGRAMS[reason](bench);
    t.ok((bench.statistics.drops('transport', reason) ?? 0) >= 1, 'counted, and in the statistics map');
  });
}

t.test(dropKey('knet', dropName(KnetDrop.truncated)), async (t) => {
  const bench = new Bench();
  const rxBytes = 2 * BUFFER_BYTES;
  const counter = bench.counter(dropKey('knet', dropName(KnetDrop.truncated)));
  const rxAt = bench.arena.allocate(rxBytes, 4096);
  const receiver = new KnetReceiver(bench.arena, rxAt, rxBytes, new AddressTable(), counter);
  const batch = new RxBatch();
  bench.giveTooMuch((fd) => {
    t.ok(receiver.receive(fd, 2));
    t.notOk(receiver.fill(batch), 'nothing of it');
  });
  t.equal(bench.statistics.drops('knet', 'truncated'), 1);
});
