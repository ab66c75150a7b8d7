import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { hasCommand } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { DaemonKind, LabNode } from './lab/node.ts';
import { sleep, until } from './lab/process.ts';

/** A virtual Ethernet device on every node, whose frames travel on knet: ours with ours, and with stock's. */
const OURS: DaemonKind = process.env['RONDO_LAB_KINDS'] === undefined ? 'ours' : 'stock';
const skip = skipReason([OURS]) || (hasCommand('ping') ? false : 'needs ping');
const FOLDERS = ['pre-up.d', 'up.d', 'down.d', 'post-down.d'] as const;

const section = (lines: readonly string[]): string => `nozzle {\n${lines.join('\n')}\n}\n`;
const DEVICE = section(['name: noz0', 'ipaddr: 10.77.3.9', 'ipprefix: 24']);
const OTHER = section(['name: noz1', 'ipaddr: fd77::', 'ipprefix: 64', 'macaddr: 56:01:02:03:00:00']);

/** Scripts that write down which of them ran. */
function writeScripts(node: LabNode, name: string, mode = 0o755): void {
  for (const folder of FOLDERS) {
    const directory = join(node.space.directory, 'etc/updown.d', folder);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, name), `#!/bin/sh\necho ${folder} >>/etc/corosync/ran\n`);
    chmodSync(join(directory, name), mode);
  }
}

const ran = (node: LabNode): string => readFileSync(join(node.space.directory, 'etc/ran'), 'utf8').trim();

/** What `ip` says of a device: address, hardware address, states; `null`: there is none. */
async function device(node: LabNode, name: string): Promise<string | null> {
  const { code, stdout } = await node.space.run('ip', ['addr', 'show', name]);
  if (code !== 0) return null;
  return unnumbered(
    node,
    stdout
      .replace(/^\d+: /, '')
      .replace(/inet6 fe80.*\n.*\n/g, '')
      .replace(/ tentative/, ''),
  );
}

/** Without what tells one node from another. */
const unnumbered = ({ id }: LabNode, text: string): string =>
  text.replaceAll(`10.77.3.${id}`, '10.77.3.N').replaceAll(`fd77::${id}`, 'fd77::N').replaceAll(`:00:0${id}`, ':00:0N');

const haveDevice = (nodes: readonly LabNode[], name: string): Promise<boolean> =>
  until(`${name} on every node`, async () => {
    const devices = await Promise.all(nodes.map((node) => device(node, name)));
    return devices.every((text) => text?.includes('LOWER_UP')) ? true : null;
  });

async function pings(from: LabNode, address: string, bytes = 56): Promise<boolean> {
  const { code } = await from.space.run('ping', ['-c', '3', '-i', '0.2', '-w', '8', '-s', String(bytes), address]);
  return code === 0;
}

const said = (node: LabNode): string[] =>
  [...node.log().matchAll(/\[TOTEM \] (.*(?:nozzle|noz0).*)$/gim)].map(([, text = '']) =>
    unnumbered(node, text.replace(/ on fd \d+/, ' on fd F')),
  );

t.test('frames between ours and stock, encrypted and compressed', { skip }, async (t) => {
  const lab = await Lab.create(
    {
      transport: 'knet',
      crypto: { cipher: 'aes256', hash: 'sha256' },
      totem: ['knet_compression_model: zlib', 'knet_compression_threshold: 200'],
      extra: [DEVICE],
    },
    [OURS, OURS, 'stock'],
  );
  t.teardown(() => lab.close());
  for (const node of lab.nodes) {
    writeScripts(node, 'noz0');
    node.startDaemon();
  }
  await lab.waitRing(lab.nodes);
  await haveDevice(lab.nodes, 'noz0');
  const [one, , stock] = lab.nodes as [LabNode, LabNode, LabNode];
  t.same(await device(one, 'noz0'), await device(stock, 'noz0'), 'the device, beside stock');
  for (const from of lab.nodes) {
    for (const to of lab.nodes) {
      if (from === to) continue;
      for (const bytes of [56, 1400, 20_000])
        t.ok(
          await pings(from, `10.77.3.${to.id}`, bytes),
          `${from.kind} ${from.id} to ${to.kind} ${to.id}, ${bytes} bytes`,
        );
    }
  }
  t.same(said(one), said(stock), 'what the log says');
  t.same([ran(one), ran(one)], [ran(stock), 'pre-up.d\nup.d'], 'scripts');

  // Another one, by a reload; and none.
  lab.writeConfs({ extra: [OTHER] });
  t.equal((await one.tool('corosync-cfgtool', '-R')).code, 0);
  await haveDevice(lab.nodes, 'noz1');
  t.same(await device(one, 'noz1'), await device(stock, 'noz1'), 'another device');
  t.equal(await device(one, 'noz0'), null, 'and not the one before');
  t.same([ran(one), ran(one)], [ran(stock), FOLDERS.join('\n')], 'scripts of the end');
  t.ok(await pings(one, 'fd77::3'), 'ours to stock, IPv6');
  t.ok(await pings(stock, 'fd77::1'), 'stock to ours, IPv6');
  lab.writeConfs({ extra: [] });
  t.equal((await one.tool('corosync-cfgtool', '-R')).code, 0);
  await until('no device', async () => ((await device(one, 'noz1')) === null ? true : null));
  await lab.waitRing(lab.nodes);
});

t.test('nothing of it hurts the ring', { skip }, async (t) => {
  const lab = await Lab.create({ transport: 'knet', extra: [DEVICE] }, [OURS, OURS]);
  t.teardown(() => lab.close());
  const [one, two] = lab.nodes as [LabNode, LabNode];
  writeScripts(one, 'noz0', 0o777);
  await two.space.must('ip', ['link', 'add', 'noz0', 'type', 'veth', 'peer', 'name', 'noz9']);
  for (const node of lab.nodes) node.startDaemon();
  await lab.waitRing(lab.nodes);
  await haveDevice([one], 'noz0');
  t.throws(() => ran(one), 'scripts that others can write are not run');
  t.match(one.log(), 'pre-up script not run: others than root can write');
  t.match(two.log(), 'Unable to init nozzle device noz0: it is there already');

  t.comment('a flood for a node that has no device, and for nobody');
  const from = await one.cmap('rondo.dropped.transport.nozzle', 'stats');
  await one.space.must('ip', ['neigh', 'add', '10.77.3.9', 'lladdr', '54:54:01:00:00:09', 'dev', 'noz0']);
  await one.space.run('ping', ['-f', '-c', '2000', '-w', '3', '10.77.3.9']);
  const to = await one.cmap('rondo.dropped.transport.nozzle', 'stats');
  t.ok(Number(to) > Number(from), `counted: ${from} to ${to}`);

  await one.space.must('ip', ['link', 'del', 'noz0']);
  await until('the loss in the log', async () => (one.log().includes('The nozzle device is gone') ? true : null));
  await sleep(500);
  await lab.waitRing(lab.nodes);
  for (const [line, text] of [
    ['ipprefix: 31', 'nozzle IP address prefix must be >= 8 and <= 30 (got 31)'],
    ['macaddr: 01:54:01:00:00:00', 'macaddr for nozzle device is not in the correct format'],
    ['name: ../x', 'is not one of an interface'],
  ] as const) {
    lab.writeConfs({ extra: [section(['name: noz2', 'ipaddr: 10.77.3.9', 'ipprefix: 24', line])] });
    t.equal((await one.tool('corosync-cfgtool', '-R')).code, 0, line);
    await until(text, async () => (one.log().includes(text) ? true : null));
  }
  t.equal(await one.stopDaemon(), 0);
});
