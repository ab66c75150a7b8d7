import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { ROOT } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { LabNode } from './lab/node.ts';
import { until } from './lab/process.ts';
import { Transcript } from './lab/transcript.ts';

const RONDO = join(ROOT, 'bin/rondo');

/** What a node says about the latest change that fits; a busy machine may have caused others meanwhile. */
const explained = (node: LabNode, fits: RegExp): Promise<string> =>
  until(
    `${node.plan.name} explains ${fits}`,
    async () => {
      const { stdout } = await node.space.run(RONDO, ['why', '40']);
      return stdout.split('\n\n').findLast((text) => fits.test(text) && /in all/.test(text)) ?? null;
    },
    40_000,
  );

/** After so long what has happened is in the file, for those who do not see the memory of its daemon. */
const COPIED_MS = 600;
const flightFiles = (lab: Lab): readonly string[] =>
  lab.nodes.map(({ space }) => join(space.directory, 'state', 'flight'));

t.test('why the membership changed, asked on each side', { skip: skipReason(['ours']) }, async (t) => {
  t.setTimeout(170_000);
  const lab = await Lab.up({ transport: 'knet', links: 2 }, ['ours', 'ours', 'ours']);
  t.teardown(() => lab.close());
  const [one, two, three] = [lab.node(1), lab.node(2), lab.node(3)];
  const shown = new Transcript();
  shown.say(
    'Made by `test/interop/why.test.ts` with `RONDO_TRANSCRIPT=1`: three nodes, two links, `token: 2000`. The questions are those of ' +
      '`rondo why` and `rondo timeline`; what they go by is the [flight recorder](../flight-recorder.md).',
  );

  await t.test('a node that was stopped for ten seconds', async (t) => {
    three.freeze();
    await sleep(10_000);
    await lab.waitRing([one, two]);
    const seen = await explained(one, /node 3 left\. Members: 1 2$/m);
    t.match(
      seen,
      /Why: no token came for .*; the token timer decided|Why: node 2 had given the ring up|Why: node 3 replied to no PING/,
    );
    t.match(seen, /Node 3 had been silent for [\d.]+ s on link 0/);
    if (/no token came/.test(seen)) t.match(seen, /Node 3 did not agree within the consensus timeout/);
    t.match(seen, /Quorum: kept: 2 of 3 votes, 2 needed \(rule: votes\)/);
    shown.say(
      '## A node does not run for ten seconds\n\nNode 3 was stopped (SIGSTOP) and went on ten seconds later. What another one says:',
    );
    await shown.run(one, 'why', '1');
    three.thaw();
    await lab.waitRing(lab.nodes);
    const own = await explained(three, /This node did not run for (?:[6-9]|\d\d)[\d.]* s/);
    t.match(
      own,
      /stopped, or without a processor; noticed by .*ring thread.*that is why it lost the ring, not its peers/,
    );
    t.match(own, /nodes 1 and 2 (?:had gone on without this node|left)/);
    shown.say('The node itself:');
    await shown.run(three, 'why', '1');
    await sleep(COPIED_MS);
    const story = ['timeline', '--last', '3'];
    const { stdout } = await one.space.run(RONDO, [...story, ...flightFiles(lab)]);
    shown.say('The files of all three, copied to one machine, are one story:');
    const copies = lab.nodes.map(({ plan }) => `${plan.name}/flight`);
    shown.show(one, [...story, ...copies], stdout, [
      /^Ring \S+, members 1 2 3, as nodes 1, 2 and 3 recorded it/m,
      /node [12] {2}GATHER from OPERATIONAL: /,
      /node 3 {2}did not run for [\d.]+ s \(ring thread\)/,
      /OPERATIONAL: joined -, left 3$/m,
    ]);
  });

  await t.test('a link is cut, then the other one', async (t) => {
    await two.cut({ link: 1 });
    await until('the link is down', async () => {
      const { stdout } = await one.space.run(RONDO, ['links']);
      return /^ *2 .* 1 +down/m.test(stdout) ? true : null;
    });
    await sleep(5000);
    await two.cut({ link: 0 });
    await lab.waitRing([one, three]);
    const seen = await explained(one, /node 2 left\. Members: 1 3$/m);
    t.match(seen, /Links: .*link 1 to node 2 had been down for [\d.]+ s/);
    t.match(seen, /Node 2 had been silent for .* on link 0 .* and for .* on link 1 \(down\)/);
    shown.say('## One link fails, then the other one\n\nLink 1 of node 2 was cut, and some seconds later link 0.');
    await shown.run(one, 'why', '1');
    const alone = await explained(two, /Members: 2$/m);
    t.match(alone, /Quorum: LOST: 1 of 3 votes, 2 needed/);
    shown.say('The node that was cut off:');
    await shown.run(two, 'why', '1');
    await two.heal();
    await lab.waitRing(lab.nodes);
  });

  await t.test('daemons are killed: their files say what they knew, and quorum is lost', async (t) => {
    await three.killDaemon();
    await lab.waitRing([one, two]);
    const seen = await explained(one, /node 3 left\. Members: 1 2$/m);
    t.match(
      seen,
      /Why: the process of node 3 ended while its host lives|Why: no token came|node 2 had given the ring up|replied to no PING/,
    );
    shown.say('## A daemon is killed');
    await shown.run(one, 'why', '1');
    shown.say('Its own file:');
    const dead = await shown.run(three, 'why', '1', '--file', '/var/lib/corosync');
    t.match(dead, /the last that the daemon \(pid \d+\) recorded: it was killed, or its machine failed/);
    t.match(dead, /Members: /);
    t.match(await three.space.shell('ls /dev/shm'), /rondo-flight-/, 'its memory is there');
    await shown.run(one, 'quorum', 'explain');
    await two.killDaemon();
    await lab.waitRing([one]);
    t.match(await explained(one, /Members: 1$/m), /Quorum: LOST: 1 of 3 votes, 2 needed \(rule: votes\)/);
    shown.say('## The second one as well: no quorum');
    await shown.run(one, 'why', '1');
    await shown.run(one, 'quorum', 'explain');
  });

  await t.test('three files are one story', async (t) => {
    three.startDaemon();
    await lab.waitRing([one, three]);
    const { stdout } = await one.space.run(RONDO, ['timeline', ...flightFiles(lab)]);
    t.match(
      stdout,
      /^Ring 1\.\w+, members 1 2 3, as nodes 1, 2 and 3 recorded it \(formed at .*Z by the clock of node 1\)$/m,
    );
    t.match(stdout, /node 3 {2}did not run for [\d.]+ s/);
    // Its first ring may be over before the services are in step.
    const killedAndStarted =
      /it was killed, or its machine failed; no end was recorded\n.*\n {2}Why: this daemon started/;
    await until('the end of its life before, and the start', async () => {
      const { stdout: all } = await three.space.run(RONDO, ['why', '40']);
      return killedAndStarted.test(all) || null;
    });
    const { stdout: json } = await one.space.run(RONDO, ['why', '100', '--json']);
    t.match(JSON.parse(json), { nodeId: 1, lives: [{ life: 1, end: null }] });
  });
  shown.finish(t, 'membership.md', 'Why did the membership change?');
});

for (const transport of ['udpu', 'udp'] as const) {
  t.test(`${transport} has no PINGs: who was silent, and for how long`, { skip: skipReason(['ours']) }, async (t) => {
    t.setTimeout(90_000);
    const lab = await Lab.up({ transport, tokenMs: 1000 }, ['ours', 'ours', 'ours']);
    t.teardown(() => lab.close());
    const [one, two, three] = [lab.node(1), lab.node(2), lab.node(3)];
    three.freeze();
    await lab.waitRing([one, two]);
    const seen = await explained(one, /node 3 left\. Members: 1 2$/m);
    t.match(seen, /Why: no token came|node 2 had given the ring up/);
    t.match(seen, /Node 3 had been silent for [\d.]+ (?:ms|s) on link 0/);
    three.thaw();
    await lab.waitRing(lab.nodes);
    t.match(await explained(three, /This node did not run for/), /why it lost the ring, not its peers/);
  });
}
