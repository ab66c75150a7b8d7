import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { mixtures } from './lab/cases.ts';
import { corosyncConf } from './lab/conf.ts';
import type { LabNode } from './lab/node.ts';
import { sleep, until } from './lab/process.ts';
import { program } from './lab/programs.ts';
import { knetStory } from './scenarios/knet-story.ts';

/** Packets that do not belong to an encrypted ring change nothing in it, and our nodes say once where they come from. */
const story = knetStory(
  mixtures([
    ['ours', 'stock', 'stock'],
    ['ours', 'stock', 'ours'],
  ]),
);

const NONE = { cipher: 'none', hash: 'none' };

const dropped = async (node: LabNode, reason: string): Promise<number> =>
  Number(await node.cmap(`rondo.dropped.knet.${reason}`, 'stats'));

/** What our log says about dropped packets: one line a peer and reason in half a minute. */
const complaints = (node: LabNode): string[] =>
  [...node.log().matchAll(/rx: packet of \d+ bytes (from .*)/g)].map(([, text]) => text ?? '');

story('a node with another key, or none, stays outside', {}, async (scene) => {
  const { lab, t } = scene;
  const last = lab.nodes.at(-1)!;
  const others = lab.nodes.slice(0, -1);
  const first = others[0]!;
  await last.stopDaemon();
  await lab.waitRing(others);
  scene.members = scene.members.filter((member) => member.node !== last);
  const rings = (await scene.rings()).slice(0, -1);
  const plans = lab.nodes.map(({ plan }) => plan);
  for (const how of ['another key', 'no key'] as const) {
    if (how === 'another key') last.writeKey(randomBytes(256));
    else last.writeConf(corosyncConf({ ...lab.options, crypto: NONE }, plans));
    const before = await dropped(first, 'authentication');
    last.startDaemon();
    await scene.quiet();
    scene.send(200, 1, 50_000);
    await until(`packets with ${how}`, async () =>
      (await dropped(first, 'authentication')) > before + 5 ? true : null,
    );
    await scene.settleAndCompare(`${how}: the others go on`);
    t.same((await scene.rings()).slice(0, -1), rings, 'and their ring never changed');
    await last.killDaemon();
  }
  const lines = complaints(first);
  t.ok(lines.length >= 1 && lines.length <= 3, `a line about it now and then, not a flood: ${lines.length}`);
  for (const line of lines) {
    t.ok(line.startsWith(`from ${last.plan.addresses[0]}:5405 dropped: authentication failed`), line);
  }
});

story('recorded and damaged packets', {}, async (scene) => {
  const { lab, t } = scene;
  const wire = await program('wire');
  const victims = lab.nodes.filter(({ kind }) => kind === 'ours');
  const rings = await scene.rings();
  const each = async (...args: readonly string[]): Promise<readonly number[]> =>
    Promise.all(
      victims.map(async (node) => {
        const [command = '', ...rest] = args;
        const words = [command, `n${node.id}l0`, join(lab.wire.directory, `frames-${node.id}`), ...rest];
        return Number(await lab.wire.must(wire, words, { timeoutMs: 60_000 }));
      }),
    );
  const recording = each('record', '3');
  await sleep(200);
  scene.send(300, 1, 3_000);
  for (const frames of await recording) t.ok(frames > 100, `${frames} frames recorded`);
  await scene.settleAndCompare('recorded');
  const acts = [['replay', '3'], ...['1', '2'].map((seed) => ['noise', '2', seed])];
  for (const act of acts) {
    scene.send(300, 1, 50_000);
    for (const frames of await each(...act)) t.ok(frames > 100, `${act.join(' ')}: ${frames} frames sent`);
    await scene.settleAndCompare(act.join(' '));
  }
  scene.compareWithSent('in all');
  t.same(await scene.rings(), rings, 'the ring never changed');
  for (const node of victims) {
    const old = (await dropped(node, 'duplicate')) + (await dropped(node, 'stale'));
    t.ok(old > 20, `${old} old messages were dropped`);
    t.ok((await dropped(node, 'replayed_ping')) + (await dropped(node, 'late_pong')) > 0, 'and old pings and pongs');
    t.ok((await dropped(node, 'authentication')) > 100, 'and everything that was damaged');
    const lines = complaints(node);
    t.ok(lines.length > 0, 'the log tells of it');
    t.ok(lines.length <= 2 * new Set(lines.map((line) => line.replace(/ \(and .*/, ''))).size, lines.join('\n'));
  }
});
