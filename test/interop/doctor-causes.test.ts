import { join } from 'node:path';
import t, { type Test } from 'tap';
import { skipReason } from './lab/cases.ts';
import { corosyncConf, planNode } from './lab/conf.ts';
import { finding, findings } from './lab/doctor.ts';
import { ROOT } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { LoadMember } from './lab/load.ts';
import type { LabNode } from './lab/node.ts';
import { sleep, until } from './lab/process.ts';

// The doctor on causes that take their time: before a start, and with clients, losses and pauses.

const RONDO = join(ROOT, 'bin/rondo');
const SQUATTER = `
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('10.91.0.1', 5405))
print('bound', flush=True)
time.sleep(100)
`;
const TOKEN_MS = 2_000;
/** A thousand characters. */
const TEXT = 'x'.repeat(1_000);

t.test('what keeps a daemon from starting', { skip: skipReason(['ours']) }, async (t) => {
  t.setTimeout(120_000);
  const lab = await Lab.create({ transport: 'knet', crypto: { cipher: 'aes256', hash: 'sha256' } }, ['ours']);
  t.teardown(() => lab.close());
  const node = lab.node(1);
  const codes = async (): Promise<readonly string[]> =>
    (await findings(node, '--preflight')).found.filter(({ severity }) => severity === 'error').map(({ code }) => code);
  t.same(await codes(), [], 'nothing does');

  const squatter = node.space.start('python3', ['-c', SQUATTER]);
  await squatter.waitFor(/bound/);
  const taken = await finding(node, 'port.taken');
  t.match(taken.evidence, ['link 0: 10.91.0.1 port 5405 (UDP) is in use']);
  t.equal((await node.startDaemon().exited).code, 15, 'the daemon ends with the status that the doctor names');
  await squatter.stop('SIGKILL');
  t.same(await codes(), []);

  const elsewhere = { ...planNode(7, 1, 4), name: 'node7' };
  node.writeConf(corosyncConf(lab.options, [elsewhere]));
  const unusable = await finding(node, 'config.unusable');
  t.match(unusable.evidence[0], /corosync\.conf/, 'no node of the list is this host');
  t.not((await node.startDaemon().exited).code, 0);

  node.writeConf(corosyncConf(lab.options, [node.plan, { ...elsewhere, addresses: ['node7.invalid'] }]));
  t.match((await finding(node, 'name.unresolved')).evidence, ['no address for node7.invalid']);
});

/** Two nodes, two links, and a story on them. */
function story(name: string, steps: (t: Test, one: LabNode, two: LabNode) => Promise<void>): void {
  t.test(name, { skip: skipReason(['ours']) }, async (t) => {
    t.setTimeout(400_000);
    const crypto = { cipher: 'aes256', hash: 'sha256' };
    const lab = await Lab.up({ transport: 'knet', links: 2, crypto, tokenMs: TOKEN_MS }, ['ours', 'ours']);
    try {
      await steps(t, lab.node(1), lab.node(2));
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\n${lab.logs()}`);
    } finally {
      await lab.close();
    }
  });
}

story('one packet in twenty is lost, of some hundreds a second', async (t, one, two) => {
  await two.cut({ direction: 'in', share: 0.05 });
  const sender = await LoadMember.join(one);
  const sending = setInterval(() => sender.send(40, 1_000, 1_100), 100);
  try {
    const again = await finding(one, 'ring.retransmits', 3);
    t.match(again.evidence[0], /^\d+ of \d+ in the last 3 s, \d+ of \d+ since the start/);
  } finally {
    clearInterval(sending);
  }
  await sender.process.stop('SIGKILL'); // what it has not sent yet is not wanted
});

story('a link goes down three times, the ring goes on over the other one', async (t, one, two) => {
  const downs = async (): Promise<number> => Number(await one.cmap('stats.knet.node2.link1.down_count', 'stats'));
  const before = await downs();
  for (let times = 1; times <= 3; times++) {
    await two.cut({ link: 1 });
    await until(`down ${times}`, async () => (await downs()) >= before + times || null);
    await two.heal();
    await until('up', async () => (await one.cmap('stats.knet.node2.link1.connected', 'stats')) === '1' || null);
  }
  const flapping = await finding(one, 'link.flapping');
  t.match(flapping.what, /Link 1 to node 2 goes down again and again/);
  t.match(flapping.evidence[0], /^\d+ times since the start of the daemon/);
});

story('a node is not stopped for as long as the token timeout, but nearly', async (t, _one, two) => {
  two.freeze();
  await sleep(TOKEN_MS * 0.9);
  two.thaw();
  const small = await finding(two, 'token.small');
  t.match(small.what, /The token timeout of 2000 ms is too small for what is measured/);
  t.match(small.evidence.join(), /this node did not run for \d{4,} ms, until \d{4}-/);
});

story('a client does not read, and everybody’s messages wait for it', async (t, one) => {
  const watcher = one.space.start(RONDO, ['cpg', 'watch', 'slow']);
  await watcher.waitFor(/members of 'slow'/);
  watcher.signal('SIGSTOP');
  const send = await one.space.run(RONDO, ['cpg', 'send', '-n', '6000', 'slow', TEXT], { timeoutMs: 90_000 });
  t.equal(send.code, 0, send.stderr);
  const slow = await finding(one, 'client.slow');
  t.match(slow.evidence[0], /^\S+ \(process \d+\): \d{4,} events wait/);
  watcher.signal('SIGCONT');
  await until(
    'it has read',
    async () => (await findings(one)).found.every(({ code }) => code !== 'client.slow') || null,
  );
  await watcher.stop('SIGINT');
});
