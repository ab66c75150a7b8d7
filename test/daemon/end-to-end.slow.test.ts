import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { runCli } from '../../src/cli/main.ts';
import { Cfg, Cmap, Cpg, Votequorum } from '../../src/client/index.ts';
import { capturedIo } from '../cli/captured-io.ts';
import { LoopbackCluster, Recorder, until } from './loopback-cluster.ts';

const GROUP = 'end-to-end';
/** The machine may be busy: no step is a matter of seconds then. */
const SLOW = { timeout: 200_000 };
const IDLE_SECONDS = 3;
/** Its watches of the ring thread, and of itself, need some seven. */
const IDLE_WAKES_MAX = 20;
const SIZES = [1, 17, 64, 1400, 1500, 9000, 65_536];

async function sendMany(recorder: Recorder, count: number, seed: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const data = new Uint8Array(SIZES[(i + seed) % SIZES.length]!).fill(seed);
    new DataView(data.buffer).setUint8(0, i & 0xff);
    await recorder.cpg.send(data);
  }
}

const mainThreadSleeps = (pid: number): number =>
  Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/task/${pid}/status`, 'utf8'))?.[1]);

t.setTimeout(800_000);

for (const transport of ['udpu', 'knet'] as const) {
  t.test(`three daemons over ${transport}`, { timeout: 600_000 }, async (t) => {
    const cluster = await LoopbackCluster.create(3, transport);
    const pids: number[] = [];
    t.teardown(() => cluster.end());
    for (let index = 0; index < 3; index++) cluster.start(index);
    await Promise.all([0, 1, 2].map((index) => cluster.members(index, [1, 2, 3])));
    for (const daemon of cluster.daemons) pids.push(daemon.pid!);

    await t.test('the main thread of an idle daemon sleeps', SLOW, async (t) => {
      await delay(1000);
      const before = mainThreadSleeps(pids[0]!);
      await delay(IDLE_SECONDS * 1000);
      const wakes = (mainThreadSleeps(pids[0]!) - before) / IDLE_SECONDS;
      t.ok(wakes <= IDLE_WAKES_MAX, `${wakes} wake-ups a second`); // a busy machine makes them fewer
    });

    const members: Recorder[] = [];
    for (let index = 0; index < 3; index++) members.push(await Recorder.join(cluster.options(index), GROUP));
    await Promise.all(members.map((member) => member.memberCount(3)));

    await t.test('all members deliver the same sequence', SLOW, async (t) => {
      await Promise.all(members.map((member, index) => sendMany(member, 200, index + 1)));
      await members[0]!.cpg.send(new Uint8Array(1_300_000).fill(7)); // in fragments
      await Promise.all(members.map((member) => member.got(601)));
      t.same(members[1]!.story, members[0]!.story);
      t.same(members[2]!.story, members[0]!.story);
    });

    await t.test('the command line shows the same', SLOW, async (t) => {
      const io = capturedIo();
      t.equal(await runCli(['status', '--json', '-i', cluster.instance(0), '--check'], io), 0);
      t.match(JSON.parse(io.text), {
        quorate: true,
        localNodeId: 1,
        transport,
        nodes: [{ nodeId: 1, member: true, votes: 1 }, { nodeId: 2 }, { nodeId: 3, addresses: ['127.0.0.3'] }],
      });
      for (const words of [['status'], ['links'], ['nodes'], ['quorum'], ['cpg', 'list'], ['cmap', 'list', 'totem.']]) {
        const plain = capturedIo();
        t.equal(await runCli([...words, '-i', cluster.instance(1)], plain), 0, words.join(' '));
        t.ok(plain.text.length > 20);
      }
      const sent = capturedIo();
      t.equal(await runCli(['cpg', 'send', 'other', 'hello', '--json', '-i', cluster.instance(2)], sent), 0);
      t.same(JSON.parse(sent.text), { group: 'other', sent: 1 });
      t.equal(
        await runCli(['cmap', 'set', 'system.x', 'u8', '1', '-i', cluster.instance(0)], capturedIo()),
        1,
        'read-only',
      );
      t.equal(await runCli(['status', '-i', 'rondo-nobody'], capturedIo()), 3);

      const { configFile } = cluster.layout.nodes[1]!;
      const checked = capturedIo();
      t.equal(await runCli(['config', 'check', '--json', '-i', cluster.instance(1)], checked), 0, checked.text);
      t.match(
        JSON.parse(checked.text),
        { file: configFile, ok: true, summary: { nodeId: 2 } },
        'the file that the daemon has read, as its node',
      );
      const planned = capturedIo();
      t.equal(await runCli(['config', 'plan', '-i', cluster.instance(1)], planned), 0, planned.text);
      t.match(planned.text, `${configFile} says what is in force`);
      const looked = capturedIo();
      await runCli(['doctor', '--seconds', '0', '-i', cluster.instance(1)], looked);
      t.match(looked.text, /^Looked at machine, configuration and ring: /m);
      t.equal(await runCli(['config', 'check', '-i', 'rondo-nobody'], capturedIo()), 1, 'nobody knows the file');
    });

    await t.test('reload: as a whole, or not at all', SLOW, async (t) => {
      const file = cluster.layout.nodes[0]!.configFile;
      const good = readFileSync(file, 'utf8');
      const cfg = await Cfg.connect(cluster.options(0));
      const cmap = await Cmap.connect(cluster.options(0));
      t.teardown(() => {
        cfg.close();
        cmap.close();
      });
      await t.rejects(
        (async () => {
          writeFileSync(file, good.replace('token: 1000', 'token: 5'));
          await cfg.reload();
        })(),
        { code: 'RONDO_CS_INVALID_PARAM' },
      );
      t.equal(await cmap.getNumber('totem.token'), 1000, 'nothing changed');
      t.not(await cmap.getNumber('config.totemconfig_reload_in_progress'), 1);
      t.match(await cmap.getString('config.reload_error_message'), /token/);
      writeFileSync(file, good.replace('token: 1000', 'token: 1500'));
      await cfg.reload();
      t.equal(await cmap.getNumber('runtime.config.totem.token'), 1500);
      t.equal(await cmap.getNumber('config.reload_status'), 1);
      await cmap.set('totem.token', 'u32', 2000);
      t.equal(await cmap.getNumber('runtime.config.totem.token'), 2000, 'acts at once');
      writeFileSync(file, good);
      await cfg.reload();
      t.equal(await cmap.getNumber('runtime.config.totem.token'), 1000);
    });

    await t.test('a killed node leaves and comes back', SLOW, async (t) => {
      cluster.daemons[2]!.kill();
      await Promise.all([0, 1].map((index) => cluster.members(index, [1, 2])));
      await Promise.all([0, 1].map((index) => members[index]!.memberCount(2)));
      t.match(members[0]!.lastMembership?.left, [{ nodeId: 3, reason: 'node down' }]);
      const votes = await Votequorum.connect(cluster.options(0));
      t.match(await votes.info(), { quorate: true, totalVotes: 2, expectedVotes: 3 });
      votes.close();
      const before = members[0]!.messages;
      await sendMany(members[1]!, 50, 9);
      await Promise.all([0, 1].map((index) => members[index]!.got(before + 50)));

      cluster.start(2);
      await Promise.all([0, 1, 2].map((index) => cluster.members(index, [1, 2, 3])));
      pids.push(cluster.daemons[2]!.pid!);
      members[2] = await Recorder.join(cluster.options(2), GROUP);
      await Promise.all(members.map((member) => member.memberCount(3)));
      const at = members[0]!.messages;
      await Promise.all(members.map((member, index) => sendMany(member, 50, index + 20)));
      await Promise.all([members[0]!.got(at + 150), members[1]!.got(at + 150), members[2]!.got(150)]);
      t.same(members[1]!.story, members[0]!.story);
      t.same(members[2]!.story.slice(-150), members[0]!.story.slice(-150));
    });

    await t.test('a node that is stopped leaves the ring', SLOW, async (t) => {
      const { lockFile } = cluster.layout.nodes[1]!;
      t.ok(existsSync(lockFile));
      cluster.daemons[1]!.stop();
      await until(() => !cluster.daemons[1]!.running, 'the end of node 2');
      t.equal(cluster.daemons[1]!.state, 'stopped');
      await cluster.members(0, [1, 3]);
      await members[0]!.memberCount(2);
      t.match(
        members[0]!.lastMembership?.left,
        [{ nodeId: 2, reason: 'process down' }],
        'left in order, before the node did',
      );
      t.notOk(existsSync(lockFile));
      t.match(cluster.logText(1), 'Corosync Cluster Engine exiting normally');
      await t.rejects(Cpg.connect({ instance: cluster.instance(1) }), { code: 'RONDO_NOT_RUNNING' });
    });

    await t.test('nothing is left behind', SLOW, async (t) => {
      await Promise.all(members.map((member) => member.close()));
      await cluster.end();
      const left = readdirSync('/dev/shm').filter((name) => pids.some((pid) => name.startsWith(`qb-${pid}-`)));
      t.same(left, []);
      t.notOk(existsSync(cluster.layout.directory));
      for (const pid of pids) t.throws(() => process.kill(pid, 0));
    });
  });
}
