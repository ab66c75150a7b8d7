import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { corosyncConf } from './lab/conf.ts';
import { ROOT } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { LabNode } from './lab/node.ts';
import { sleep, until } from './lab/process.ts';
import { Transcript } from './lab/transcript.ts';

// A ring, healthy and then broken in eight ways: the question that an operator asks, and the cause named in words.

const RONDO = join(ROOT, 'bin/rondo');
const TEN_SECONDS = 10_000;
/** Long enough that a machine with much else to do is no finding of its own beside what is broken. */
const TOKEN_MS = 5000;
/** On a machine that has much else to do a command takes its time. */
const RUN_MS_MAX = 90_000;
/** Each question is a process that works for half a second, on the processors on which the daemons find out. */
const ASK_EVERY_MS = 500;

t.test('each fault is named by the command that one would try', { skip: skipReason(['ours']) }, async (t) => {
  t.setTimeout(900_000);
  const crypto = { cipher: 'aes256', hash: 'sha256' };
  const lab = await Lab.up({ transport: 'knet', links: 2, crypto, tokenMs: TOKEN_MS }, ['ours', 'ours', 'ours']);
  const shown = new Transcript();
  try {
    const [one, two, three] = [lab.node(1), lab.node(2), lab.node(3)];

    /** Asks until the output says all of it (links need their time to go down), and keeps that one. */
    const ask = async (node: LabNode, args: readonly string[], ...says: readonly RegExp[]): Promise<void> => {
      let last = '';
      await until(
        `rondo ${args.join(' ')} on ${node.plan.name}`,
        async () => {
          const { stdout, stderr } = await node.space.run(RONDO, args, { timeoutMs: RUN_MS_MAX });
          last = stdout + stderr;
          return says.every((pattern) => pattern.test(last)) || null;
        },
        2 * RUN_MS_MAX,
        ASK_EVERY_MS,
      ).catch((error: Error) => {
        throw new Error(`${error.message}: ${says.join(' and ')} not in:\n${last}`);
      });
      shown.show(node, args, last, says);
      t.pass(`rondo ${args.join(' ')} on ${node.plan.name}`);
    };
    const linksAgain = (): Promise<true> =>
      until(
        'all links',
        async () => (await one.tool(RONDO, 'links', '--matrix', '--check')).code === 0 || null,
        40_000,
        ASK_EVERY_MS,
      );

    shown.say(
      'Made by `test/interop/troubleshooting.test.ts` with `RONDO_TRANSCRIPT=1`: three nodes, two links, encrypted, `token: 5000`. One thing after the other is broken and mended again. ' +
        '`rondo doctor` is the first thing to ask in any trouble ([doctor.md](../doctor.md)); who wants to know why something happened asks `rondo why` ([membership.md](membership.md)).',
    );

    await until('three views', async () => {
      const { stdout } = await one.tool(RONDO, 'links', '--matrix', '--json');
      return (stdout !== '' && JSON.parse(stdout).views?.length === 3) || null;
    });
    shown.say('## Nothing is broken');
    await ask(one, ['status'], /3 members of 3/, /Quorum: +yes/);
    await ask(one, ['links', '--matrix'], /1:up/i);
    await ask(one, ['quorum', 'explain'], /^Quorate: 3 of 3 votes/m);

    shown.say('## A link is cut\n\nThe network of link 1 fails for node 3. The ring goes on over link 0.');
    await three.cut({ link: 1 });
    await ask(one, ['doctor'], /link\.down/, /Link 1 between nodes [12] and 3 is down/, /goes on over another/);
    await ask(one, ['links'], /^ *3 +node3 +1 +down/m);
    await three.heal();
    await linksAgain();

    shown.say(
      '## A link works one way only\n\nNode 3 drops what comes from node 1 on link 1. Any node says it, node 3 names its own firewall.',
    );
    await three.cut({ link: 1, peers: [one], direction: 'in' });
    const oneWay = /packets of node 3 reach node 1, those of node 1 do not reach node 3/;
    await ask(two, ['doctor'], /link\.one-way/, oneWay);
    await ask(two, ['links', '--matrix'], /DEAF/, oneWay);
    await ask(three, ['doctor'], /firewall\.blocks/, /drops 10\.91\.1\.1/);
    await three.heal();
    await linksAgain();

    shown.say('## The files differ\n\nSomebody edits the file of node 2, and a reload takes it.');
    const plans = lab.nodes.map(({ plan }) => plan);
    two.writeConf(corosyncConf({ ...lab.options, totem: ['max_messages: 21'] }, plans));
    await ask(two, ['doctor'], /config\.stale/, /The file says something else than what is in force/);
    await ask(two, ['config', 'plan'], /totem\.max_messages: .* -> 21/);
    await two.tool(RONDO, 'reload');
    await ask(three, ['doctor'], /config\.differs/, /The nodes have different configurations/, /node 2: /);
    two.writeConf(corosyncConf(lab.options, plans));
    await two.tool(RONDO, 'reload');

    shown.say('## `/dev/shm` is full\n\nNo client can connect to node 3 any more; the ring itself goes on.');
    await three.space.shell('mount -o remount,size=$(( $(df --output=used -k /dev/shm | tail -1) + 1024 ))k /dev/shm');
    await ask(three, ['status'], /rondo: .*(?:space|\/dev\/shm)/i);
    await ask(three, ['doctor'], /shm\.full/, /\/dev\/shm is full: no client can connect/);
    await three.space.shell('mount -o remount,size=4g /dev/shm');

    shown.say(
      '## A node does not run for ten seconds\n\nNode 3 is stopped (SIGSTOP), as a virtual machine is that its host suspends: for ten seconds, and until the first two questions are answered.',
    );
    three.freeze();
    await Promise.all([sleep(TEN_SECONDS), lab.waitRing([one, two])]);
    await ask(
      one,
      ['doctor'],
      /node\.absent/,
      /node 3 \(node3\) is absent/,
      /node 3 \(node3\) left at /,
      /quorum\.last/,
    );
    await ask(one, ['why', '1'], /node 3 left\. Members: 1 2/, /Node 3 had been silent for/, /in all\./);
    three.thaw();
    await lab.waitRing(lab.nodes);
    await ask(three, ['why', '1'], /This node did not run for [\d.]+ s/, /why it lost the ring, not its peers/);

    shown.say('## Another key\n\nNode 3 comes back with a key of its own: it is up and alone.');
    await three.stopDaemon();
    const key = readFileSync(join(three.space.directory, 'etc/authkey'));
    three.writeKey(Buffer.alloc(256, 'other key '));
    three.startDaemon();
    await ask(one, ['doctor'], /key\.differs/, /Packets arrive that this node cannot authenticate/);
    await ask(three, ['doctor'], /key\.differs/, /sha256sum \/etc\/corosync\/authkey/);
    await three.stopDaemon();
    three.writeKey(key);
    three.startDaemon();
    await lab.waitRing(lab.nodes);

    shown.say('## A daemon is killed');
    await three.killDaemon();
    await lab.waitRing([one, two]);
    await ask(one, ['why', '1'], /node 3 left\. Members: 1 2/, /Why: /, /in all\./);
    await ask(
      three,
      ['why', '1', '--file', '/var/lib/corosync'],
      /the last that the daemon \(pid \d+\) recorded: it was killed, or its machine failed/,
    );
    await ask(three, ['doctor'], /daemon\.(?:stopped|other|unreachable)/);

    shown.say('## No quorum\n\nThe second node is killed as well.');
    await two.killDaemon();
    await lab.waitRing([one]);
    await ask(one, ['status'], /1 member of 3/, /Quorum: +no/);
    await ask(
      one,
      ['quorum', 'explain'],
      /^Not quorate: 1 of 3 votes is here, 2 are needed/m,
      /^It comes back with node 2, or with node 3\.$/m,
    );
    await ask(one, ['doctor'], /quorum\.lost/, /This part of the cluster has no quorum/);
    shown.finish(t, 'faults.md', 'What is wrong?');
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${lab.logs()}`);
  } finally {
    await lab.close();
  }
});
