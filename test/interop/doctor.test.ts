import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { corosyncConf } from './lab/conf.ts';
import { finding, findings } from './lab/doctor.ts';
import { ROOT } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { sleep, until } from './lab/process.ts';

/** The doctor on a ring of three: nothing is wrong; then one thing after the other is. */
const RONDO = join(ROOT, 'bin/rondo');

/** Runs `rondo top` on a pseudo-terminal, presses p and q, and prints what came. */
const ON_TERMINAL = `
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0: os.execv(sys.argv[1], [sys.argv[1], 'top', '-s', '0.5'])
def read(seconds):
    end, text = time.time() + seconds, b''
    while time.time() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try: text += os.read(fd, 65536)
            except OSError: break
    return text
text = b''
for _ in range(20):
    text += read(1)
    if b'sort by' in text: break
os.write(fd, b'p')
text += read(2)
os.write(fd, b'q')
text += read(2)
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(text + b'\\nSTATUS %d' % os.waitstatus_to_exitcode(status))
`;

const CRYPTO = { cipher: 'aes256', hash: 'sha256' };

t.test('what is wrong with a ring is named', { skip: skipReason(['ours']) }, async (t) => {
  t.setTimeout(240_000);
  const lab = await Lab.up({ transport: 'knet', links: 2, crypto: CRYPTO }, ['ours', 'ours', 'ours']);
  try {
    const [one, two, three] = [lab.node(1), lab.node(2), lab.node(3)];

    // Nothing.
    await until('three views', async () => {
      const { stdout } = await one.tool(RONDO, 'links', '--matrix', '--json');
      return stdout !== '' && JSON.parse(stdout).views?.length === 3 ? true : null;
    });
    const healthy = await findings(one);
    t.same(
      healthy.found.filter(({ severity }) => severity === 'error'),
      [],
      'a healthy ring has no error',
    );
    t.equal(healthy.status, 0);
    const known = healthy.found.map(({ code }) => code).filter((code) => !/^(?:clock|limits|shm|token)\./.test(code));
    t.same(known, [], 'and nothing to say about the ring');

    // The live view: on a terminal, by keys; elsewhere plain lines.
    const screen = (await one.tool('python3', '-c', ON_TERMINAL, RONDO)).stdout;
    t.match(screen, /\[r requests\][\s\S]*\[p pid\][\s\S]*STATUS 0$/);
    t.ok(screen.includes('\u001b[?1049h') && screen.includes('\u001b[?1049l'), 'the screen is given back');
    const plain = (await one.tool(RONDO, 'top', '-n', '1', '-s', '0.5')).stdout;
    t.match(plain, /Quorum yes {3}members 1 2 3 \(3 of 3\)[\s\S]*PID +SERVICE/);
    t.notOk(plain.includes('\u001b'), 'no colour in a pipe');

    // A link that works one way.
    await three.cut({ link: 1, peers: [one], direction: 'in' });
    const oneWay = await finding(two, 'link.one-way');
    t.match(oneWay.what, /Link 1 is one-way: packets of node 3 reach node 1, those of node 1 do not reach node 3/);
    t.match(
      (await finding(three, 'firewall.blocks')).evidence[0],
      /input: table inet lab, chain in drops 10\.91\.1\.1/,
    );
    await until('the log of a third node', async () => two.log().includes('Connectivity: link 1 is one-way') || null);
    await three.heal();

    // A link that is cut.
    await three.cut({ link: 1 });
    t.match((await finding(one, 'link.down')).what, /Link 1 between nodes [12] and 3 is down/);
    const matrix = await one.tool(RONDO, 'links', '--matrix');
    t.match(matrix.stdout, /1:D(?:OWN|EAF)/);
    await three.heal();
    await until('the link again', async () => {
      const { code } = await one.tool(RONDO, 'links', '--matrix', '--check');
      return code === 0 || null;
    });

    // Files: changed and not loaded, then loaded on one node only.
    const other = corosyncConf(
      { ...lab.options, totem: ['max_messages: 21'] },
      lab.nodes.map(({ plan }) => plan),
    );
    two.writeConf(other);
    t.match((await finding(two, 'config.stale')).severity, /warning/);
    const planned = await two.tool(RONDO, 'config', 'plan');
    t.match(planned.stdout, /at once:\n {2}totem\.max_messages: .* -> 21\n/);
    await two.tool('corosync-cfgtool', '-R');
    t.equal((await finding(three, 'config.differs')).evidence.length, 3);

    // A new key, phase by phase, acknowledged by each node.
    two.writeConf(
      corosyncConf(
        lab.options,
        lab.nodes.map(({ plan }) => plan),
      ),
    );
    await two.tool('corosync-cfgtool', '-R');
    const rotation = one.space.start(RONDO, ['key', 'rotate', '--minutes', '1']);
    await rotation.waitFor(/\[2\/4\] node 1 has it\n/);
    await sleep(1500);
    t.notMatch(rotation.output, /node [23] has it/, 'who has not got it is not said to have it');
    const fresh = readFileSync(join(one.space.directory, 'etc/authkey'));
    for (const node of [two, three]) {
      rmSync(join(node.space.directory, 'etc/authkey'));
      node.writeKey(fresh);
    }
    await rotation.waitFor(/\[4\/4\] done/, 60_000);
    for (const id of [1, 2, 3])
      t.match(rotation.output, new RegExp(`2/4\\] node ${id} has it[\\s\\S]*4/4\\] node ${id} uses it`));
    await lab.waitRing(lab.nodes);

    // Full /dev/shm.
    await three.space.shell('mount -o remount,size=$(( $(df --output=used -k /dev/shm | tail -1) + 1024 ))k /dev/shm');
    const full = await findings(three);
    const codes = full.found.map(({ code }) => code);
    t.ok(codes.includes('shm.full') && codes.includes('daemon.unreachable'), codes.join(' '));
    t.equal(full.status, 4);
    await three.space.shell('mount -o remount,size=4g /dev/shm');

    // Another key.
    await three.stopDaemon();
    three.writeKey(Buffer.alloc(256, 'other key '));
    three.startDaemon();
    t.match((await finding(one, 'key.differs')).what, /cannot authenticate/);
    t.match((await finding(one, 'node.absent')).evidence[0], /node 3 \(node3\) is absent/);
    t.match((await finding(one, 'quorum.last')).what, /one failure away/);

    // Alone.
    await two.killDaemon();
    t.match((await finding(one, 'quorum.lost')).what, /no quorum/);
    await one.killDaemon();
    const stopped = await findings(one);
    t.ok(
      stopped.found.some(({ code }) => /^daemon\.(?:stopped|other)$/.test(code)),
      'no daemon',
    );
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${lab.logs()}`);
  } finally {
    await lab.close();
  }
});
