import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { hasCommand, ROOT } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { type RunResult, run, sleep } from './lab/process.ts';

const RONDO = join(ROOT, 'bin/rondo');
const decode = (...args: readonly string[]): Promise<RunResult> => run(RONDO, ['decode', ...args]);
const skip = skipReason(['ours', 'stock']) || (hasCommand('tcpdump') ? false : 'tcpdump is not installed');

t.test('a capture of an encrypted ring while a node dies', { skip }, async (t) => {
  t.setTimeout(120_000);
  const crypto = { cipher: 'aes256', hash: 'sha256' };
  const totem = ['knet_compression_model: zlib', 'knet_compression_threshold: 200'];
  const lab = await Lab.create({ transport: 'knet', links: 2, crypto, totem }, ['ours', 'ours', 'stock']);
  t.teardown(() => lab.close());
  const file = join(lab.directory, 'ring.pcap');
  const capture = lab.wire.start('tcpdump', [
    '-i',
    'any',
    '-s',
    '0',
    '-B',
    '16384',
    '-U',
    '-Z',
    'root',
    '-w',
    file,
    'udp',
  ]);
  await sleep(1000);
  for (const node of lab.nodes) node.startDaemon();
  await lab.waitRing(lab.nodes);
  const [one, two, three] = [lab.node(1), lab.node(2), lab.node(3)];
  const member = two.space.start(RONDO, ['cpg', 'join', 'red\u001b[31mgroup']);
  await sleep(1000);
  await two.cut({ peers: [one], direction: 'in', share: 0.3 });
  await one.space.run(RONDO, ['cpg', 'send', 'red\u001b[31mgroup', 'x'.repeat(5000)]);
  await one.space.run(RONDO, ['cpg', 'send', '-n', '300', 'other', 'y'.repeat(600)]);
  // With luck none of the few packets was lost: again, until something was asked for.
  const sentAgain = async (): Promise<number> =>
    Number(await one.cmap('stats.srp.mcast_retx', 'stats')) + Number(await three.cmap('stats.srp.mcast_retx', 'stats'));
  for (let more = 0; more < 20 && (await sentAgain()) === 0; more++)
    await one.space.run(RONDO, ['cpg', 'send', '-n', '50', 'more', 'z'.repeat(600)]);
  await two.heal();
  await three.killDaemon();
  await lab.waitRing([one, two]);
  await sleep(3000); // some PINGs stay without a reply
  await member.stop();
  await capture.stop('SIGINT');
  const key = join(one.space.directory, 'etc/authkey');

  const { code, stdout } = await decode(file, '--key', key);
  t.equal(code, 0);
  t.match(stdout, /JOIN: node [12] wants a ring of 1 2 3, failed: 3/);
  t.match(stdout, /commit token of ring \S+ from node [12]: members 1 2, [12] have written their old ring/);
  t.match(stdout, /the token of ring \S+ goes round, after ring /);
  t.match(stdout, /sync barrier of ring /);
  t.match(stdout, /node 2: cpg join, group "red\\u001b\[31mgroup", process \d+/);
  // A message whose head is in two packets is counted without its name.
  t.match(stdout, /(?:29\d|300) × node 1: cpg mcast, group "other", process \d+/);
  t.match(stdout, /asks for messages .* of ring /, 'lost messages are asked for');
  t.match(stdout, /sent again: messages .* of ring /);
  t.match(stdout, /10\.91\.[01]\.3 does not reply any more to node [12] on link [01]/);
  t.match(stdout, /packets of 1500 bytes passed/);
  t.match(stdout, /\d+ sealed with aes256\/sha256\), \d+ copies/);
  t.notMatch(stdout, '\u001b');

  await t.test('for programs, one kind, one node', async (t) => {
    const joins = await decode(file, '--key', key, '--kind', 'join', '--node', '1', '--json');
    const lines = joins.stdout
      .trimEnd()
      .split('\n')
      .map((line): Record<string, unknown> => JSON.parse(line));
    t.ok(lines.slice(0, -1).every(({ kind, node }) => kind === 'join' && node === 1));
    t.match(
      lines.findLast(({ failed }) => String(failed) === '3'),
      { processors: [1, 2, 3], failed: [3] },
    );
    t.match(lines.at(-1), { kind: 'summary', cut: 0, suites: [{ suite: 'aes256/sha256' }] });
  });

  await t.test('another key, no key, a file that is cut', async (t) => {
    const other = join(lab.directory, 'other');
    writeFileSync(other, Buffer.alloc(256, 'another '), { mode: 0o400 });
    const wrong = await decode(file, '--key', other);
    t.equal(wrong.code, 1);
    t.match(wrong.stdout, /packets to port 5405: none opens with the key [0-9a-f]{16}: it is another ring's key/);
    t.equal((await decode(file, '--key', other, '--key', key)).code, 0, 'one of them is right');
    const none = await decode(file);
    t.equal(none.code, 1);
    t.match(none.stdout, /to port 5405 are not of a ring in clear; .* use --key FILE/);
    truncateSync(file, 100_001);
    t.match((await decode(file, '--key', key)).stdout, /the file ends in the middle of packet \d+/);
  });
});

for (const transport of ['udpu', 'udp', 'knet'] as const) {
  t.test(`a capture of a ring in clear over ${transport}`, { skip }, async (t) => {
    t.setTimeout(90_000);
    const lab = await Lab.create({ transport }, ['ours', 'stock']);
    t.teardown(() => lab.close());
    // The second capture has the beginning of each packet only: a token, not a message.
    const [file, cut] = [join(lab.directory, 'ring.pcapng'), join(lab.directory, 'cut.pcap')];
    const captures = [
      [file, '0'],
      [cut, '200'],
    ].map(([path = '', bytes = '']) =>
      lab
        .node(1)
        .space.start('tcpdump', ['-i', 'eth0', '-s', bytes, '--immediate-mode', '-U', '-Z', 'root', '-w', path, 'udp']),
    );
    await sleep(1000);
    for (const node of lab.nodes) node.startDaemon();
    await lab.waitRing(lab.nodes);
    await lab.node(1).space.run(RONDO, ['cpg', 'send', 'group', 'x'.repeat(500)]);
    t.equal(await lab.node(2).stopDaemon(), 0);
    await sleep(1500);
    for (const capture of captures) await capture.stop('SIGINT');
    const whole = await decode(file);
    t.equal(whole.code, 0);
    for (const says of [
      /the token of ring \S+ goes round/,
      /JOIN: node [12] wants a ring of 1 2/,
      /commit token of ring \S+ from node [12]: members 1 2/,
      /node 1: cpg mcast, group "group", process \d+/,
      /LEAVE: node 2 ends in order/,
      / of a ring \(\d+ in clear\)/,
    ])
      t.match(whole.stdout, says);
    t.notMatch(
      whole.stdout,
      /that no node would take|to port \d+ (?:is|are) not of a ring/,
      'every packet is understood',
    );
    if (transport === 'knet') {
      t.match(whole.stdout, /packets of 1500 bytes passed/);
      const { stdout } = await decode(file, '--kind', 'pmtud,pmtud-reply,ping,pong', '--json');
      const kinds = stdout
        .trimEnd()
        .split('\n')
        .map((line) => String(JSON.parse(line).kind));
      t.same([...new Set(kinds)].sort(), ['ping', 'pmtud', 'pmtud-reply', 'pong', 'summary']);
    }
    const some = await decode(cut);
    t.match(some.stdout, /\d+ packets? cut by the capture, and not read: capture with tcpdump -s 0/);
    t.match(some.stdout, /the token of ring \S+ goes round/);
  });
}
