import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import { sleep } from './lab/process.ts';

/** What the tools of stock say about links, asked of stock and of ours in one ring. */
const kinds = ['ours', 'stock'] as const;

t.test('statistics and status of links', { skip: skipReason(kinds) }, async (t) => {
  t.setTimeout(120_000);
  const lab = await Lab.up(
    {
      transport: 'knet',
      links: 2,
      crypto: { cipher: 'aes256', hash: 'sha256' },
      tokenMs: 3_000,
      totem: ['knet_compression_model: zlib'],
    },
    kinds,
  );
  t.teardown(() => lab.close());
  await sleep(3_000);
  const dump = async (id: number) => {
    const { stdout } = await lab.node(id).tool('corosync-cmapctl', '-m', 'stats', 'stats.knet.');
    return stdout.trim().split('\n').sort();
  };
  const ours = await dump(1);
  const stock = await dump(2);
  const shape = (lines: readonly string[], own: number) =>
    lines
      .map((line) =>
        line
          .replace(/ = .*/, '')
          .replace(`node${own}.`, 'own.')
          .replace(/node\d\./, 'peer.'),
      )
      .sort();
  t.same(shape(ours, 1), shape(stock, 2), 'the same keys of the same types');
  const value = (lines: readonly string[], key: string) =>
    lines.find((line) => line.startsWith(`stats.knet.${key} (`))?.replace(/.* = /, '');
  t.equal(value(ours, 'node2.link0.connected'), '1');
  t.equal(value(ours, 'node2.link1.mtu'), '1397');
  t.equal(value(ours, 'node1.link0.mtu'), '65535');
  t.equal(value(ours, 'node2.link0.down_count'), value(stock, 'node1.link0.down_count'));
  t.equal(value(ours, 'node2.link0.up_count'), '1');
  for (const key of [
    'node2.link0.latency_ave',
    'node2.link0.rx_data_packets',
    'node2.link1.tx_total_bytes',
    'handle.tx_crypt_packets',
  ]) {
    const number = Number(value(ours, key));
    t.ok(number > 0 && number < 1e7, `${key} is ${number}`);
  }
  t.equal(value(ours, 'node1.link0.latency_min'), value(stock, 'node2.link0.latency_min'), 'an unset minimum');
  for (const [command, ...args] of [
    ['corosync-cfgtool', '-s'],
    ['corosync-cfgtool', '-n'],
  ] as const) {
    const [mine, theirs] = await Promise.all([1, 2].map((id) => lab.node(id).tool(command, ...args)));
    const plain = (text: string, own: number) =>
      text
        .replace(new RegExp(`nodeid:? +${own}\\b`, 'g'), 'nodeid OWN')
        .replace(/nodeid:? +\d/g, 'nodeid PEER')
        .replace(/10\.91\.(\d)\.\d/g, '10.91.$1.N')
        .replace(/node ID \d/g, 'node ID N');
    const sorted = (text: string) => text.split('\n').sort().join('\n');
    t.equal(sorted(plain(mine!.stdout, 1)), sorted(plain(theirs!.stdout, 2)), `${command} ${args.join(' ')}`);
  }
});
