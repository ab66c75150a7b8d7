import t from 'tap';
import { describe, FULL, skipReason } from '../interop/lab/cases.ts';
import { corosyncConf } from '../interop/lab/conf.ts';
import { Lab } from '../interop/lab/lab.ts';
import type { DaemonKind, LabNode } from '../interop/lab/node.ts';
import { program } from '../interop/lab/programs.ts';

/** A ring whose nodes compress with different models: the budget for expanding must not stop what is legitimate. */
const SECONDS = 2;

async function throughput(node: LabNode): Promise<number> {
  const args = ['flood', '60000', `${SECONDS}`];
  const text = await node.space.must(await program('cpgbench'), args, { timeoutMs: 60_000 });
  return Number(/"perSecond":\s*([\d.]+)/.exec(text)?.[1] ?? 0);
}

for (const [own, other] of [
  ['zlib', 'bzip2'],
  ['bzip2', 'bzip2'],
  ['zlib', 'lzma'],
  ['lzma', 'lzma'],
  ['zlib', 'lz4'],
] as const) {
  const kinds: readonly DaemonKind[] = ['ours', 'stock'];
  const rare = other !== 'lz4';
  const name = `ours ${own}, stock ${other}`;
  t.test(`${name}: ${describe(kinds)}`, { skip: skipReason(kinds, rare && !FULL, name) }, async (t) => {
    const options = { transport: 'knet', crypto: { cipher: 'aes256', hash: 'sha256' } } as const;
    const lab = await Lab.create(options, kinds);
    t.teardown(() => lab.close());
    const plans = lab.nodes.map((node) => node.plan);
    const [ours, stock] = [lab.node(1), lab.node(2)];
    ours.writeConf(corosyncConf({ ...options, totem: [`knet_compression_model: ${own}`] }, plans));
    stock.writeConf(corosyncConf({ ...options, totem: [`knet_compression_model: ${other}`] }, plans));
    for (const node of lab.nodes) node.startDaemon();
    await lab.waitRing(lab.nodes, 60_000);
    const fromStock = await throughput(stock);
    const fromOurs = await throughput(ours);
    const dropped = Number(await ours.cmap('rondo.dropped.knet.compression_budget', 'stats'));
    const expanded = Number(await ours.cmap('stats.knet.handle.rx_compressed_packets', 'stats'));
    const average = Number(await ours.cmap('stats.knet.handle.rx_compress_time_ave', 'stats'));
    t.comment(
      `${name}: ${fromStock}/s from stock, ${fromOurs}/s from ours; ${expanded} expanded, ${average} ns each, ${dropped} over the budget`,
    );
    t.ok(fromStock > 0 && fromOurs > 0, 'both get through');
    t.ok(dropped <= expanded / 10, `${dropped} messages over the budget`);
    await lab.waitRing(lab.nodes, 60_000);
  });
}
