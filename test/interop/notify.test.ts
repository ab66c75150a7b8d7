import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { unlinkQueue } from '../../src/os/mqueue.ts';
import { skipReason } from './lab/cases.ts';
import { hasCommand, ROOT } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind } from './lab/node.ts';
import { must, until } from './lab/process.ts';
import { program } from './lab/programs.ts';

/** Debian's notifyd, installed or unpacked somewhere. */
const STOCK = process.env['RONDO_STOCK_NOTIFYD'] ?? (hasCommand('corosync-notifyd') ? 'corosync-notifyd' : '');
const noStock = (): string | false =>
  STOCK === '' ? 'needs Debian’s corosync-notifyd (or its path in RONDO_STOCK_NOTIFYD)' : skipReason(['ours']);

/** Prints each datagram to port 162 in hexadecimal. */
const TRAPS = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 162))
print('ready', flush=True)
while True: print(s.recv(65536).hex(), flush=True)
`;

/** Three clusters at a time, on a machine with other things to do. */
const SEEN_MS = 60_000;

interface Seen {
  readonly lines: readonly string[];
  readonly traps: readonly string[];
  readonly signals: readonly string[];
}

/** The object identifier of the trap of clients, which stock never sends. */
const CLIENT_TRAP = '2b060104018295200003';
const COMMUNITY = 'laboratory';
const COMMUNITY_HEX = `040a${Buffer.from(COMMUNITY).toString('hex')}`;
/** What differs between two runs: request id and time of a trap; client connections come and go. */
const trapBody = (hex: string): string =>
  `${hex.includes(COMMUNITY_HEX) ? COMMUNITY : 'another community'} ${hex.slice(hex.indexOf('060a2b060106030101040100'))}`;

/** A link goes and comes, a node dies, quorum is lost and gained again: what the notifyd of node 1 makes of it. */
async function story(kind: DaemonKind, tool: string): Promise<Seen> {
  const lab = await Lab.up({ transport: 'knet', links: 2 }, [kind, 'stock', 'stock']);
  try {
    const [one, two, three] = [lab.node(1), lab.node(2), lab.node(3)];
    const traps = one.space.start('python3', ['-c', TRAPS]);
    await traps.waitFor(/ready/);
    mkdirSync(join(one.space.directory, 'run/dbus'), { recursive: true });
    await one.space.must('dbus-daemon', ['--system', '--fork', '--nopidfile', '--nosyslog']);
    const monitor = one.space.start('stdbuf', ['-oL', 'dbus-monitor', '--system', "interface='org.corosync'"]);
    const printing = one.space.start('sh', ['-c', 'exec "$0" -f -o -n 2>&1', tool]);
    const sending = one.space.start(tool, ['-f', '-n', '-s', '-m', '127.0.0.1', '-c', COMMUNITY]);
    const signalling = one.space.start(tool, ['-f', '-n', '-d']);
    await until(
      'three clients of notifyd',
      async () => {
        const keys = await one.cmapDump('stats.ipcs.', 'stats');
        const names = [...keys].filter(([key, name]) => key.endsWith('.procname') && name.includes('notify'));
        return names.length >= 9 || null;
      },
      SEEN_MS,
    );
    await three.cut({ link: 1 });
    await printing.waitFor(/link 1 to node 3 is now disconnected/, SEEN_MS);
    await three.heal();
    await printing.waitFor(/link 1 to node 3 is now operational/, SEEN_MS);
    await two.killDaemon();
    await printing.waitFor(/\[2\] ip:\S+ left/, SEEN_MS);
    await three.killDaemon();
    await printing.waitFor(/lost quorum/, SEEN_MS);
    // Ours notices a death so soon that node 2 could be back before the links are looked at, every 1.5 s.
    for (const link of ['link 0 to node 2', 'link 1 to node 2', 'link 0 to node 3'])
      await printing.waitFor(new RegExp(`${link} is now disconnected`), SEEN_MS);
    two.startDaemon();
    await printing.waitFor(/is now quorate/, SEEN_MS);
    for (const link of [0, 1]) await printing.waitFor(new RegExp(`link ${link} to node 2 is now operational`), SEEN_MS);
    await lab.waitRing([one, two]);
    await until('the traps', async () => /0003.*/.test(traps.output) || traps.output.split('\n').length > 5 || null);
    await new Promise((resolve) => setTimeout(resolve, 2500)); // links are looked at every 1.5 s
    for (const process of [sending, signalling]) await process.stop();
    const events = printing.output
      .split('\n')
      .filter((line) => line.startsWith('[notice]') && !/connected (?:to|from) corosync/.test(line));
    return {
      lines: [...new Set(events)].sort(),
      traps: [...new Set(traps.output.split('\n').slice(1).map(trapBody))]
        .filter((trap) => !trap.includes(CLIENT_TRAP))
        .sort(),
      signals: signalsOf(monitor.output),
    };
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${lab.logs()}`);
  } finally {
    await lab.close();
  }
}

/** `MEMBER argument argument …` of every signal that is about more than a client. */
function signalsOf(text: string): string[] {
  const found: string[] = [];
  for (const block of text.split(/^signal /m).slice(1)) {
    const member = /member=(\w+)/.exec(block)?.[1];
    if (!block.includes('interface=org.corosync;') || member === 'ConnectionStateChange') continue;
    const args = [...block.matchAll(/^ {3}(?:string "([^"]*)"|uint32 (\d+))$/gm)].map(([, a, b]) => a ?? b);
    found.push([member, ...args].join(' '));
  }
  return [...new Set(found)].sort();
}

t.test('notifyd, Debian’s and ours, of our daemon say what stock’s says of stock', { skip: noStock() }, async (t) => {
  t.setTimeout(400_000);
  const own = join(t.testdir({}), 'corosync-notifyd');
  symlinkSync(join(ROOT, 'bin/corosync-tool'), own);
  const stories = [story('stock', STOCK), story('ours', STOCK), story('ours', own)] as const;
  const [expected, ofOurs, ours] = await Promise.all(stories);
  t.ok(expected.lines.length >= 5, expected.lines.join('\n'));
  t.same(ofOurs.lines, expected.lines, 'Debian’s notifyd: lines');
  t.same(ofOurs.traps, expected.traps, 'Debian’s notifyd: traps');
  t.same(ofOurs.signals, expected.signals, 'Debian’s notifyd: signals');
  t.same(ours.lines, expected.lines, 'our notifyd: lines');
  t.same(ours.traps, expected.traps, 'our notifyd: traps');
  const known = ours.signals.filter((signal) => !signal.startsWith('LinkStateChange'));
  t.same(known, expected.signals, 'our notifyd: signals');
  t.ok(ours.signals.length > known.length, 'and those of a link under their own name');
});

t.test(
  'a reader of the message queue gets the loss of quorum first, after the daemon was killed',
  {
    skip: skipReason(['ours']),
  },
  async (t) => {
    t.setTimeout(120_000);
    const reader = await program('mq-first');
    const name = `/rondo-lab-${randomBytes(6).toString('hex')}`;
    t.teardown(() => void unlinkQueue(name));
    const handler = join(t.testdir({}), 'handler');
    const heard = `${handler}.out`;
    writeFileSync(handler, `#!/bin/sh\necho "$RONDO_TEXT" >>${heard}\n`);
    chmodSync(handler, 0o755);
    const system = [`notify: mq:${name} exec:${handler}`];
    const lab = await Lab.up({ transport: 'udpu', system }, ['ours', 'stock', 'stock']);
    try {
      const [one, two, three] = [lab.node(1), lab.node(2), lab.node(3)];
      const heardOf = async (text: string): Promise<true | null> =>
        (existsSync(heard) && readFileSync(heard, 'utf8').includes(text)) || null;
      const member = one.space.start(join(ROOT, 'bin/rondo'), ['cpg', 'watch', 'lab group']);
      await until('a process that joins', () => heardOf('of node 1 joined group lab group'));
      await member.stop('SIGINT');
      await until('a process that leaves', () => heardOf('of node 1 left group lab group'));
      // Noise: clients that come and go fill their part of the queue.
      await one.space.shell(
        'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do corosync-cmapctl -g totem.version >/dev/null; done',
      );
      await Promise.all([two.killDaemon(), three.killDaemon()]);
      await until('the loss of quorum in the log', async () => one.log().includes('non-primary component') || null);
      await one.killDaemon();
      const lines = (await must(reader, [name])).trimEnd().split('\n');
      const notices = lines.map((line) => JSON.parse(line.slice(line.indexOf(' ') + 1)));
      t.match(notices[0], { event: 'quorum.lost', nodeId: 1, host: 'node1', text: 'node1[1] has lost quorum' });
      t.match(lines[0], /^31 \{/);
      t.ok(notices.some(({ event, peerId }) => event === 'node.left' && peerId === 2));
      const clients = notices.filter(({ event }) => event.startsWith('client.'));
      t.ok(clients.length < 40 && notices.length <= 64, `${clients.length} of 40 notices of clients`);
      t.ok(notices[0].dropped > 0, 'what found no room is counted');
      t.ok(
        existsSync(heard) && readFileSync(heard, 'utf8').includes('node1[1] is now quorate'),
        'the command ran, too',
      );
    } finally {
      await lab.close();
    }
  },
);

t.test('rondo notify sees it, too, through a restart of the daemon', { skip: skipReason(['ours']) }, async (t) => {
  t.setTimeout(120_000);
  const lab = await Lab.up({ transport: 'knet', links: 2 }, ['ours', 'stock', 'stock']);
  try {
    const [one, two] = [lab.node(1), lab.node(2)];
    const notify = one.space.start(join(ROOT, 'bin/rondo'), [
      'notify',
      '--json',
      '-e',
      'quorum,node,link,process,daemon',
    ]);
    await until('its connection', async () => {
      const keys = await one.cmapDump('stats.ipcs.', 'stats');
      return [...keys.keys()].filter((key) => key.endsWith('.procname')).length >= 5 || null;
    });
    await two.cut({ link: 0 });
    await notify.waitFor(/"event":"link.down".*"peerId":2,"link":0/);
    await two.heal();
    await notify.waitFor(/"event":"link.up"/);
    await two.killDaemon();
    await notify.waitFor(/"event":"node.left".*"peerId":2,"peerName":"node2","peerAddress":"10.91.1.2"/);
    const member = two.space.start(join(ROOT, 'bin/rondo'), ['--version']);
    await member.exited;
    await one.killDaemon();
    await notify.waitFor(/"event":"daemon.lost"/);
    one.startDaemon();
    await notify.waitFor(/"event":"daemon.found"/, 30_000);
    two.startDaemon();
    await notify.waitFor(/"event":"node.joined".*"peerId":2/, 30_000);
    t.pass('all of it');
    await notify.stop('SIGINT');
  } finally {
    await lab.close();
  }
});
