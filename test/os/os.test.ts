import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { Arena, scratch } from '../../src/os/arena.ts';
import { peerCredentials, processExists, processName, receiveWithCredentials } from '../../src/os/credentials.ts';
import { EPOLLIN, EPOLLOUT, Epoll } from '../../src/os/epoll.ts';
import { errnoName } from '../../src/os/errno.ts';
import { clearEventfd, notifyBytesAddress, openEventfd, signalEventfd } from '../../src/os/eventfd.ts';
import { allocateFile, closeFd, OpenFlag, openFile } from '../../src/os/fd.ts';
import { futexWait, initSemaphore } from '../../src/os/futex.ts';
import { hostAddresses } from '../../src/os/interfaces.ts';
import {
  CMSG_SLOT_BYTES,
  messageLength,
  receivedSegmentBytes,
  resetForReceive,
  SEGMENT_CONTROL_BYTES,
  writeIovec,
  writeMessageHeader,
  writeSegmentControl,
} from '../../src/os/message.ts';
import { openQueue, receiveFromQueue, sendToQueue, unlinkQueue } from '../../src/os/mqueue.ts';
import {
  getLimit,
  hasFreeProcessor,
  isRoundRobin,
  lockProgramText,
  lockRange,
  setRoundRobin,
  threadId,
  yieldCpu,
} from '../../src/os/schedule.ts';
import { decodeSockaddr, encodeAbstractName, encodeSockaddr, formatIp, parseIp } from '../../src/os/sockaddr.ts';
import {
  bindSocket,
  boundAddress,
  connectSocket,
  getOptionInt,
  IPPROTO_UDP,
  openSocket,
  openSocketPair,
  receiveBytes,
  receiveMessages,
  SOCK_DGRAM,
  SOL_SOCKET,
  SocketOption,
  sendBytes,
  sendMessage,
  setOptionInt,
  UdpOption,
} from '../../src/os/socket.ts';
import { FdWatcher } from '../../src/os/watch.ts';

t.test('an arena holds a file twice, back to back, and gives it up without a fault', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'rondo-os-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const fd = openFile(join(directory, 'ring'), OpenFlag.RDWR | OpenFlag.CREAT | OpenFlag.EXCL);
  t.equal(allocateFile(fd, 8192), 0);
  t.equal(statSync(join(directory, 'ring')).blocks, 16, 'blocks are taken, not sparse');
  const arena = Arena.map(1 << 20);
  const at = arena.allocate(16384, 4096);
  t.equal(arena.mapFileTwice(at, 8192, fd), 0);
  closeFd(fd);
  arena.u8[at + 8191] = 1;
  arena.u8[at + 8192] = 2;
  t.equal(arena.u8[at], 2);
  t.equal(arena.u8[at + 16383], 1);
  t.equal(arena.unmapFile(at, 16384), 0);
  t.equal(arena.u8[at], 0, 'zeroes, not a fault');
  t.throws(() => arena.allocate(2 << 20), /full/);
  arena.unmap();
  t.equal(errnoName(openFile(join(directory, 'absent'), OpenFlag.RDWR)), 'ENOENT');
  t.end();
});

t.test('addresses encode and decode', (t) => {
  for (const text of [
    '127.0.0.1',
    '255.254.1.0',
    '::',
    '::1',
    'fe80::1',
    '2001:db8:0:1::7',
    '1:2:3:4:5:6:7:8',
    '::ffff:10.0.0.1',
    '1::',
    '1:0:0:2::',
  ]) {
    const bytes = parseIp(text);
    t.not(bytes, null, text);
    t.equal(formatIp(bytes!), text);
    encodeSockaddr(scratch.u8, 256, text, 5405);
    t.same(decodeSockaddr(scratch.u8, 256), { ip: text, port: 5405 });
  }
  t.equal(parseIp('example'), null);
  t.equal(parseIp('1.2.3'), null);
  t.end();
});

t.test('UDP: one GSO send arrives as one GRO receive', (t) => {
  const arena = Arena.map(1 << 20);
  const [receiver, sender] = [openSocket(2, SOCK_DGRAM), openSocket(2, SOCK_DGRAM)];
  const name = arena.allocate(128);
  t.equal(bindSocket(receiver, arena.address + name, encodeSockaddr(arena.u8, name, '127.0.0.1', 0)), 0);
  boundAddress(receiver);
  const { port } = decodeSockaddr(scratch.u8, 0)!;
  const gro = setOptionInt(receiver, IPPROTO_UDP, UdpOption.GRO, 1);
  t.equal(gro, 0);
  const nameBytes = encodeSockaddr(arena.u8, name, '127.0.0.1', port);
  const [header, iov, control] = [arena.allocate(64), arena.allocate(16), arena.allocate(CMSG_SLOT_BYTES)];
  const payload = arena.allocate(5000);
  for (let i = 0; i < 5000; i++) arena.u8[payload + i] = i & 255;
  writeIovec(arena, iov, payload, 5000);
  writeSegmentControl(arena, control, 1200);
  writeMessageHeader(arena, header, name, nameBytes, iov, 1, control, SEGMENT_CONTROL_BYTES);
  t.equal(sendMessage(sender, arena.address + header, 0), 5000);
  const [rxHeader, rxIov, rxControl, rx] = [
    arena.allocate(64),
    arena.allocate(16),
    arena.allocate(64),
    arena.allocate(65536),
  ];
  writeIovec(arena, rxIov, rx, 65536);
  writeMessageHeader(arena, rxHeader, 0, 0, rxIov, 1, rxControl, 64);
  let total = 0;
  for (let reads = 0; total < 5000 && reads < 10; reads++) {
    resetForReceive(arena, rxHeader, 0, 64);
    t.equal(receiveMessages(receiver, arena.address + rxHeader, 1, 0), 1);
    const segment = receivedSegmentBytes(arena, rxHeader, rxControl);
    t.ok(segment === 1200 || segment === 0, `segment ${segment}`);
    t.same(arena.u8.slice(rx, rx + 8), arena.u8.slice(payload + total, payload + total + 8));
    total += messageLength(arena, rxHeader);
  }
  t.equal(total, 5000);
  t.equal(errnoName(receiveMessages(receiver, arena.address + rxHeader, 1, 0)), 'EAGAIN');
  for (const fd of [receiver, sender]) closeFd(fd);
  arena.unmap();
  t.end();
});

t.test('epoll, eventfd, socket pair', (t) => {
  const epoll = new Epoll(8);
  const [bell, [a, b]] = [openEventfd(), openSocketPair()];
  t.equal(epoll.add(bell, EPOLLIN, 1), 0);
  t.equal(epoll.add(a, EPOLLIN | EPOLLOUT, 3), 0);
  t.equal(errnoName(epoll.add(a, EPOLLIN, 3)), 'EEXIST');
  t.equal(epoll.wait(0), 1);
  t.equal(epoll.tag(0), 3);
  t.equal(epoll.events(0), EPOLLOUT);
  t.equal(epoll.modify(a, EPOLLIN, 3), 0);
  t.equal(epoll.wait(0), 0);
  signalEventfd(bell);
  t.equal(epoll.wait(-1), 1);
  t.equal(epoll.tag(0), 1);
  clearEventfd(bell);
  scratch.u8[0] = 7;
  t.equal(sendBytes(b, scratch.address, 1, 0), 1);
  t.equal(epoll.wait(1000), 1);
  t.equal(epoll.tag(0), 3);
  t.equal(receiveBytes(a, scratch.address + 8, 8, 0), 1);
  t.equal(scratch.u8[8], 7);
  t.equal(errnoName(receiveBytes(a, scratch.address + 8, 8, 0)), 'EAGAIN');
  for (const fd of [bell, a, b]) closeFd(fd);
  epoll.close();
  t.end();
});

t.test('credentials', (t) => {
  const [a, b] = openSocketPair();
  t.same(peerCredentials(a), { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() });
  t.equal(setOptionInt(a, SOL_SOCKET, SocketOption.PASSCRED, 1), 0);
  t.equal(getOptionInt(a, SOL_SOCKET, SocketOption.PASSCRED), 1);
  sendBytes(b, scratch.address, 24, 0);
  const received = receiveWithCredentials(a, scratch.address + 4096, 24);
  t.same(received, { bytes: 24, credentials: { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() } });
  t.equal(errnoName(receiveWithCredentials(a, scratch.address, 24).bytes), 'EAGAIN');
  for (const fd of [a, b]) closeFd(fd);
  t.match(processName(process.pid), /./);
  t.equal(processName(0x7ffffff0), '');
  t.equal(processExists(process.pid), true);
  t.equal(processExists(0x7ffffff0), false);
  const absent = openSocket(1, 1);
  const length = encodeAbstractName(scratch.u8, 0, 'rondo-no-such-service');
  t.equal(errnoName(connectSocket(absent, scratch.address, length)), 'ECONNREFUSED');
  closeFd(absent);
  t.end();
});

t.test('scheduling returns a value', (t) => {
  t.ok(threadId() > 0);
  t.equal(yieldCpu(), 0);
  t.ok(getLimit('NOFILE').soft > 0);
  for (const got of [setRoundRobin(1), lockRange(scratch.address, 65536), lockProgramText()])
    t.ok(got.ok || got.errno === 'EPERM' || got.errno === 'ENOMEM' || got.errno === 'EAGAIN');
  t.type(isRoundRobin(), 'boolean');
  t.type(hasFreeProcessor(), 'boolean');
  t.end();
});

t.test('message queue', (t) => {
  const name = `/rondo-test-${process.pid}`;
  let queue: number;
  try {
    queue = openQueue(name, {
      flags: OpenFlag.RDWR | OpenFlag.CREAT | OpenFlag.NONBLOCK,
      messagesMax: 2,
      messageBytesMax: 64,
    });
  } catch (error) {
    t.comment(String(error));
    return t.end();
  }
  t.equal(sendToQueue(queue, scratch.address, 10, 0), 0);
  t.equal(sendToQueue(queue, scratch.address, 10, 0), 0);
  t.equal(errnoName(sendToQueue(queue, scratch.address, 10, 0)), 'EAGAIN');
  t.equal(receiveFromQueue(queue, scratch.address + 1024, 64, 10), 10);
  closeFd(queue);
  t.equal(unlinkQueue(name), 0);
  t.end();
});

t.test(
  'a watcher: promises go on, exceptions come out, it can be stopped and restarted with other interests',
  async (t) => {
    const bell = openEventfd();
    signalEventfd(bell);
    const steps: string[] = [];
    await new Promise<void>((resolve) => {
      const watcher = new FdWatcher(bell, () => {
        clearEventfd(bell);
        steps.push('ready');
        watcher.watch(true, true); // an eventfd can always be written
        if (steps.length === 1) void Promise.resolve().then(() => steps.push('microtask'));
        else {
          watcher.stop();
          watcher.stop();
          resolve();
        }
      });
    });
    t.same(steps, ['ready', 'microtask', 'ready']);
    const caught = new Promise((resolve) => process.once('uncaughtException', resolve));
    signalEventfd(bell);
    const failing = new FdWatcher(bell, () => {
      failing.stop();
      throw new Error('from a handler');
    });
    t.match(await caught, { message: 'from a handler' });
    closeFd(bell);
  },
);

t.test('a peer that hangs up is reported as such, also one that leaves bytes unread', async (t) => {
  for (const unread of [false, true]) {
    const [own, peer] = openSocketPair();
    const hangUps: boolean[] = [];
    const gone = new Promise<void>((resolve) => {
      const watcher = new FdWatcher(own, (hungUp) => {
        hangUps.push(hungUp);
        if (hangUps.length < 3) return; // level-triggered: it is reported again
        watcher.stop();
        resolve();
      });
    });
    if (unread) sendBytes(own, notifyBytesAddress, 1, 0);
    closeFd(peer);
    await gone;
    t.same(hangUps, [true, true, true], unread ? 'with unread bytes' : 'without');
    closeFd(own);
  }
});

t.test('a worker attaches to an arena; futex and eventfd cross threads', async (t) => {
  const arena = Arena.map(65536);
  initSemaphore(arena.i32, 64);
  t.equal(arena.i32[18], 128);
  const bell = openEventfd();
  const file = join(mkdtempSync(join(tmpdir(), 'rondo-os-')), 'w.mjs');
  const base = new URL('../../src/os/', import.meta.url).href;
  writeFileSync(
    file,
    `import { workerData } from 'node:worker_threads';
     import { Arena } from '${base}arena.js'; import { futexWake } from '${base}futex.js'; import { signalEventfd } from '${base}eventfd.js';
     const arena = Arena.attach(workerData.address, workerData.bytes);
     Atomics.add(arena.i32, 0, 41); while (futexWake(arena.address, 1) === 0 && Atomics.load(arena.i32, 1) === 0);
     signalEventfd(workerData.bell);`,
  );
  const rung = new Promise<void>((resolve) => {
    const watcher = new FdWatcher(bell, () => {
      watcher.stop();
      resolve();
    });
  });
  const worker = new Worker(file, { workerData: { address: arena.address, bytes: arena.byteLength, bell } });
  const result = futexWait(arena.address, 0, 5000);
  t.ok(result === 0 || errnoName(result) === 'EAGAIN', errnoName(result));
  Atomics.store(arena.i32, 1, 1);
  t.equal(arena.i32[0], 41);
  await rung;
  await worker.terminate();
  closeFd(bell);
});

t.test('addresses of this host, as node:os has them for interfaces that are up', async (t) => {
  const listed = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).map(({ address, netmask, scopeid, internal }) => ({ name, address, netmask, scopeid, internal })),
  );
  const ours = hostAddresses();
  for (const { name, address, netmask, scopeid, internal } of listed) {
    const found = ours.find((entry) => entry.address === address && entry.name.replace(/:.*/, '') === name);
    t.match(found, { up: true, loopback: internal, scopeId: scopeid ?? 0 }, address);
    t.equal(found?.netmask && formatIp(found.netmask), formatIp(parseIp(netmask)!));
  }
  t.ok(ours.length >= listed.length);
});
