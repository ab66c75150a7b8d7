import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import { until } from './lab/process.ts';

/**
 * Whatever an administrator has put elsewhere and linked is used as if it were here: what counts is what a directory entry leads to, not
 * that it is a link. The same host with both daemons; log and state directories are in log-destinations.test.ts, modules in
 * test/os/trusted-file.test.ts.
 */
const LINKS = `
cd /etc/corosync
mkdir files places secret
mv corosync.conf files/main
mv authkey secret/key
ln -s ../files/main places/corosync.conf
ln -s secret/key authkey
mkdir files/granted
printf 'uidgid {\\n uid: 65533\\n}\\n' > files/granted/plain
printf 'uidgid {\\n uid: 65534\\n}\\n' > files/one
ln -s ../one files/granted/link
ln -s link files/granted/chain
mkdir files/granted/directory
ln -s . files/granted/circle
ln -s ../files/granted places/uidgid.d
ln -s /etc/corosync/places /run/configuration
ln -s elsewhere.pid /run/corosync.pid
touch /var/log/real.log
ln -s ../real.log /var/log/corosync/corosync.log
mkdir /var/lib/corosync/kept
printf '\\100\\0\\0\\0\\0\\0\\0\\0' > /var/lib/corosync/kept/id
ln -s kept/id /var/lib/corosync/ringid_1
`;
const RING_SEQ_KEPT = 0o100;

for (const kind of ['stock', 'ours'] as const) {
  t.test(
    `${kind}: configuration, key, grants, lock, log and ring id by links`,
    { skip: skipReason([kind]) },
    async (t) => {
      const crypto = { cipher: 'aes256', hash: 'sha256' };
      const lab = await Lab.create({ transport: 'knet', crypto, tokenMs: 1000 }, [kind, 'stock']);
      t.teardown(() => lab.close());
      const node = lab.node(1);
      await node.space.shell(LINKS);
      node.startDaemon({}, ['-c', '/run/configuration/corosync.conf']);
      lab.node(2).startDaemon();
      await lab.waitRing(lab.nodes);
      t.equal(await node.cmap('uidgid.config.uid.65533'), '1', 'a file of the linked directory');
      t.equal(await node.cmap('uidgid.config.uid.65534'), '1', 'a link in it');
      const { directory } = node.space;
      const log = (): string => readFileSync(join(directory, 'log/real.log'), 'latin1');
      await until('a log line', () => (/ready to provide service/.test(log()) ? true : null));
      t.ok(lstatSync(join(directory, 'log/corosync/corosync.log')).isSymbolicLink(), 'the log file is still a link');
      t.match(
        readFileSync(join(directory, 'run/elsewhere.pid'), 'latin1'),
        /^\d+\n$/,
        'the lock is where the link leads',
      );
      const ring = Number.parseInt((await node.membership()).ring?.split('.')[1] ?? '0', 16);
      t.ok(ring > RING_SEQ_KEPT, `the ring id goes on from the file: ${ring}`);
      t.equal((await node.tool('corosync-cfgtool', '-R')).code, 0, 'a reload');
      t.equal(await node.cmap('uidgid.config.uid.65534'), '1', 'which reads the same');
      await node.stopDaemon();
      t.notOk(existsSync(join(directory, 'run/corosync.pid')), 'the name of the lock is gone');
    },
  );
}
