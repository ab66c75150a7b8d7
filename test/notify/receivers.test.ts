import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { leftBehind } from '../../src/lib/left-behind.ts';
import { commandDelivery } from '../../src/notify/command.ts';
import { type ClusterEvent, eventName, type Notice, PRIORITY } from '../../src/notify/notice.ts';
import { Notifier } from '../../src/notify/notifier.ts';
import { QueueReceiver, roomFor } from '../../src/notify/queue.ts';
import { QueuedReceiver } from '../../src/notify/receiver.ts';
import { snmpDelivery } from '../../src/notify/snmp.ts';
import { ATTEMPTS_MAX, pauseMs, webhookDelivery } from '../../src/notify/webhook.ts';
import { scratch } from '../../src/os/arena.ts';
import { closeFd, OpenFlag } from '../../src/os/fd.ts';
import { lookUpName } from '../../src/os/look-up-name.ts';
import { openQueue, receiveFromQueue, unlinkQueue } from '../../src/os/mqueue.ts';

const QUORUM = (quorate: boolean): ClusterEvent => ({ kind: 'quorum', quorate, members: [1, 2] });
const NODE = (peerId: number): ClusterEvent => ({ kind: 'node', peerId, name: null, address: null, joined: false });
const CLIENT: ClusterEvent = { kind: 'client', client: '0x1.2.tool', connected: true };

let count = 0;
function noticeOf(event: ClusterEvent): Notice {
  const name = eventName(event);
  const seq = ++count;
  return { id: `1-x-${seq}`, seq, timeMs: 0, host: 'h', nodeId: 1, name, priority: PRIORITY[name], event };
}

const never = new AbortController().signal;

t.test('a command runs without a shell, gets the event, and is killed when it hangs', async (t) => {
  const directory = t.testdir({});
  const out = join(directory, 'out');
  const script = join(directory, 'handler');
  writeFileSync(
    script,
    `#!/bin/sh\n{ echo "$1 $RONDO_PEER_ID"; cat; } >>${out}\n[ "$RONDO_PEER_ID" != 9 ] || sleep 60\n`,
  );
  chmodSync(script, 0o755);
  const delivery = commandDelivery({ path: script, msMax: 1500 });
  await delivery.deliver(noticeOf(NODE(3)), 0, never);
  const [first, second] = readFileSync(out, 'utf8').split('\n');
  t.equal(first, 'node.left 3');
  t.match(JSON.parse(second ?? ''), { event: 'node.left', peerId: 3 });
  await t.rejects(delivery.deliver(noticeOf(NODE(9)), 0, never), /ran longer than 1.5 s and was killed/);
  await t.rejects(commandDelivery({ path: '/nothing/here' }).deliver(noticeOf(CLIENT), 0, never), /cannot be started/);
  await t.rejects(commandDelivery({ path: '/bin/false' }).deliver(noticeOf(CLIENT), 0, never), /status 1/);
  const check = (): void => {
    throw new Error('others can write it');
  };
  await t.rejects(commandDelivery({ path: script, check }).deliver(noticeOf(CLIENT), 0, never), /others can write/);
  t.ok(existsSync(out));
});

t.test('a trap to a name that nobody finds is given up, and a late answer hurts nobody', async (t) => {
  const late: (() => void)[] = [];
  const target = { kind: 'snmp', host: 'manager.example', port: 162, community: 'public' } as const;
  const delivery = snmpDelivery(
    target,
    () => 0,
    (_name, _options, found) => {
      late.push(() => found(null, '127.0.0.1', 4));
    },
  );
  const abort = new AbortController();
  const delivered = delivery.deliver(noticeOf(NODE(3)), 0, abort.signal);
  abort.abort();
  await t.rejects(delivered, /given up/);
  t.equal(leftBehind(), 0, 'this look-up is the test’s own');
  for (const find of late) find();
  await new Promise(setImmediate);
  const given = new AbortController();
  given.abort();
  await t.rejects(delivery.deliver(noticeOf(NODE(3)), 0, given.signal), /given up/, 'before it began');
});

t.test('a look-up that goes on keeps no process: it is counted until it ends', async (t) => {
  const found = new Promise<unknown>((resolve) => {
    lookUpName('localhost', {}, (error, address) => resolve(error ?? address));
  });
  t.equal(leftBehind(), 1);
  t.match(await found, /^(?:127\.0\.0\.1|::1)$/);
  await new Promise(setImmediate);
  t.equal(leftBehind(), 0);
});

interface Hook {
  readonly url: string;
  readonly requests: { readonly key: string; readonly body: string }[];
}

async function hook(t: Tap, statuses: number[]): Promise<Hook> {
  const requests: { key: string; body: string }[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    let body = '';
    for await (const part of request) body += part;
    requests.push({ key: String(request.headers['idempotency-key']), body });
    const status = statuses.shift() ?? 200;
    if (status === 0) request.socket.destroy();
    else response.writeHead(status).end('x'.repeat(100));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, requests };
}

type Tap = Pick<typeof t, 'teardown'>;

t.test('a command that finds no free descriptor is reported, and ends nobody', async (t) => {
  const module = new URL('../../src/notify/command.js', import.meta.url).href;
  const script = `
    import { closeSync, openSync } from 'node:fs';
    const { commandDelivery } = await import(${JSON.stringify(module)});
    const delivery = commandDelivery({ path: '/bin/true' });
    const deliver = () => delivery.deliver(${JSON.stringify(noticeOf(CLIENT))}, 0, new AbortController().signal);
    const taken = [];
    try { for (;;) taken.push(openSync('/dev/null')); } catch {}
    const problem = await deliver().then(() => 'none', (error) => error.message);
    await new Promise((resolve) => setTimeout(resolve, 50)); // an error that nobody listens to comes later
    for (const fd of taken) closeSync(fd);
    await deliver();
    process.stdout.write(problem);`;
  const options = [process.execPath, '--input-type=module', '--eval', script];
  const child = spawnSync('sh', ['-c', 'ulimit -n 64; exec "$@"', 'sh', ...options], { encoding: 'utf8' });
  t.equal(child.stderr, '');
  t.match(child.stdout, /^\/bin\/true cannot be started: .*EMFILE/);
  t.equal(child.status, 0);
});

t.test('a webhook is tried again with the same key, later and later, but not when it refuses', async (t) => {
  const pauses: number[] = [];
  const ports = { random: () => 0.5, pause: async (ms: number) => void pauses.push(ms) };
  const down = await hook(t, [503, 0, 429, 200]);
  const notice = noticeOf(NODE(2));
  await webhookDelivery(down.url, null, ports).deliver(notice, 0, never);
  t.same(new Set(down.requests.map(({ key }) => key)), new Set([notice.id]));
  t.equal(down.requests.length, 4);
  t.match(JSON.parse(down.requests[3]?.body ?? ''), { event: 'node.left', peerId: 2 });
  t.ok(pauses[1]! > pauses[0]! && pauses[2]! > pauses[1]!, String(pauses));
  const refusing = await hook(t, [400]);
  await t.rejects(webhookDelivery(refusing.url, null, ports).deliver(notice, 0, never), /HTTP status 400$/);
  t.equal(refusing.requests.length, 1);
  const dead = await hook(
    t,
    Array.from({ length: 20 }, () => 500),
  );
  await t.rejects(webhookDelivery(dead.url, null, ports).deliver(notice, 0, never), /500, 8 times/);
  t.equal(dead.requests.length, ATTEMPTS_MAX);
  const elsewhere = await hook(t, [302]);
  await t.rejects(
    webhookDelivery(elsewhere.url, null, ports).deliver(notice, 0, never),
    /302/,
    'no redirection is followed',
  );
  t.ok(pauseMs(30, 1) <= 30_000 && pauseMs(1, 0) >= 250 && pauseMs(2, 0) !== pauseMs(2, 1));
});

t.test('a receiver gets one at a time, the most urgent first; a slow one holds up nobody', async (t) => {
  const delivered: string[] = [];
  const complaints: string[] = [];
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const receiver = new QueuedReceiver(
    'slow',
    {
      async deliver(notice) {
        await gate;
        if (notice.name === 'node.left') throw new Error('refused');
        delivered.push(notice.name);
      },
    },
    (text) => complaints.push(text),
    3,
  );
  for (const event of [CLIENT, CLIENT, NODE(1), CLIENT, QUORUM(false)]) receiver.notify(noticeOf(event));
  release();
  for (let turns = 0; delivered.length < 3 && turns < 1000; turns++)
    await new Promise((resolve) => setImmediate(resolve));
  t.same(delivered, ['client.connected', 'quorum.lost', 'client.connected']);
  t.match(complaints, [/1 notice of the lowest priority/, /node.left .* was not delivered: refused/]);
  receiver.close();
});

/** What a reader finds, in the order in which it finds it. */
function readAll(name: string): { readonly event: string; readonly seq: number; readonly dropped: number }[] {
  const fd = openQueue(name, { flags: OpenFlag.RDONLY | OpenFlag.NONBLOCK });
  const found = [];
  for (;;) {
    const length = receiveFromQueue(fd, scratch.address + 4096, 8192, 0);
    if (length < 0) break;
    found.push(JSON.parse(Buffer.from(scratch.u8.subarray(4096, 4096 + length)).toString()));
  }
  closeFd(fd);
  return found;
}

function queueUnavailable(): string | false {
  const name = `/rondo-probe-${randomBytes(6).toString('hex')}`;
  try {
    closeFd(openQueue(name, { flags: OpenFlag.RDWR | OpenFlag.CREAT, messagesMax: 1, messageBytesMax: 64 }));
    unlinkQueue(name);
    return false;
  } catch (error) {
    return `no POSIX message queues: ${error}`;
  }
}

t.test(
  'a message queue: the loss of quorum is read first, and has room when all else waits',
  {
    skip: queueUnavailable(),
  },
  async (t) => {
    const name = `/rondo-test-${randomBytes(6).toString('hex')}`;
    t.teardown(() => void unlinkQueue(name));
    // Made by the reader, small.
    closeFd(openQueue(name, { flags: OpenFlag.RDWR | OpenFlag.CREAT, messagesMax: 8, messageBytesMax: 512 }));
    const complaints: string[] = [];
    let now = 0;
    const queue = new QueueReceiver(
      { kind: 'queue', name, mode: 0o600 },
      (text) => complaints.push(text),
      () => now,
    );
    for (let round = 0; round < 20; round++) queue.notify(noticeOf(CLIENT));
    for (let round = 0; round < 20; round++) queue.notify(noticeOf(NODE(round)));
    const lost = noticeOf(QUORUM(false));
    queue.notify(lost);
    const found = readAll(name);
    t.equal(found[0]?.event, 'quorum.lost');
    t.equal(found[0]?.seq, lost.seq);
    const names = found.map(({ event }) => event);
    t.equal(names.filter((event) => event === 'client.connected').length, roomFor(0, 8));
    t.equal(names.length, roomFor(PRIORITY['node.left'], 8) + 1);
    t.equal(found[0]?.dropped, 40 - (names.length - 1), 'what found no room is counted');
    t.match(complaints[0], /it is full/);
    // Nobody reads: the newest states stay.
    for (let round = 0; round < 30; round++) queue.notify(noticeOf(QUORUM(round % 2 === 0)));
    const last = noticeOf(QUORUM(false));
    queue.notify(last);
    t.ok(
      readAll(name).some(({ seq }) => seq === last.seq),
      'the newest is there',
    );
    queue.close();
    queue.notify(noticeOf(CLIENT));
    t.same(readAll(name), [], 'closed');
    now += 1;
  },
);

t.test(
  'a queue of another user is not written into',
  {
    skip: queueUnavailable() || (process.geteuid?.() === 0 ? false : 'needs root'),
  },
  async (t) => {
    const name = `/rondo-test-${randomBytes(6).toString('hex')}`;
    t.teardown(() => void unlinkQueue(name));
    const fd = openQueue(name, { flags: OpenFlag.RDWR | OpenFlag.CREAT, messagesMax: 8, messageBytesMax: 1024 });
    chownSync(`/proc/self/fd/${fd}`, 65_534, 65_534);
    const complaints: string[] = [];
    const queue = new QueueReceiver(
      { kind: 'queue', name, mode: 0o600 },
      (text) => complaints.push(text),
      () => 0,
    );
    queue.notify(noticeOf(QUORUM(false)));
    t.same(readAll(name), []);
    t.match(complaints[0], /belongs to user 65534/);
    closeFd(fd);
  },
);

t.test('a queue that cannot be opened is tried again later', { skip: queueUnavailable() }, async (t) => {
  const name = `/rondo-test-${randomBytes(6).toString('hex')}`;
  t.teardown(() => void unlinkQueue(name));
  const complaints: string[] = [];
  let now = 0;
  closeFd(openQueue(name, { flags: OpenFlag.RDWR | OpenFlag.CREAT, messagesMax: 2, messageBytesMax: 64 }));
  const small = new QueueReceiver(
    { kind: 'queue', name, mode: 0o600 },
    (text) => complaints.push(text),
    () => now,
  );
  small.notify(noticeOf(CLIENT));
  t.match(complaints, [/messages are too small \(64 bytes\)/]);
  small.close();
  const nowhere = new QueueReceiver(
    { kind: 'queue', name: `/${'n'.repeat(300)}`, mode: 0o600 },
    (text) => complaints.push(text),
    () => now,
  );
  nowhere.notify(noticeOf(CLIENT));
  now += 60_000;
  nowhere.notify(noticeOf(CLIENT));
  t.equal(complaints.length, 3, String(complaints));
  t.equal(nowhere.dropped, 2);
});

t.test(
  'a notifier numbers events, keeps secrets of a webhook to itself, and takes no more than so many targets',
  async (t) => {
    const complaints: string[] = [];
    const notifier = new Notifier({
      host: 'h',
      nodeId: 4,
      nowMs: () => performance.now(),
      complain: (target, text) => complaints.push(`${target} ${text}`),
    });
    notifier.add('http://user:secret@127.0.0.1:1/x?token=secret');
    const first = notifier.notify(QUORUM(true));
    const second = notifier.notify(QUORUM(true));
    t.equal(second.seq, first.seq + 1);
    t.not(first.id, second.id);
    for (let more = 1; more < 8; more++) notifier.add('exec:/bin/true');
    t.throws(() => notifier.add('exec:/bin/true'), /more than 8/);
    notifier.close();
    t.notMatch(complaints.join(), /secret/);
  },
);
