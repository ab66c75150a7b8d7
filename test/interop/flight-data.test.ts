import t from 'tap';
import { skipReason } from './lab/cases.ts';
import { hasCommand } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { run } from './lab/process.ts';

/** SIGABRT: from the service manager's watchdog, or from somebody who wants to know what the daemon was doing. */
for (const kind of ['stock', 'ours'] as const) {
  t.test(`${kind}: an aborted daemon leaves its flight data`, { skip: skipReason([kind]) }, async (t) => {
    const lab = await Lab.up({ transport: 'udpu', tokenMs: 1000 }, [kind]);
    t.teardown(() => lab.close());
    const node = lab.node(1);
    const pid = (await node.space.shell('cat /run/corosync.pid')).trim();
    await run('prlimit', ['--pid', pid, '--core=0']);
    process.kill(Number(pid), 'SIGABRT');
    const { signal, code } = (await node.daemon?.exited) ?? {};
    t.ok(signal === 'SIGABRT' || code === 134, `ended by ${signal} (${code})`);
    const files = await node.space.shell('ls /var/lib/corosync');
    t.match(files, /^fdata-\S+$/m);
    t.match(files, /^fdata$/m);
    if (!hasCommand('qb-blackbox')) return;
    const { stdout } = await node.tool('qb-blackbox', '/var/lib/corosync/fdata');
    t.match(stdout, /ready to provide service/, 'with what was logged before');
    if (kind === 'ours') t.match(stdout, /Aborted by a signal/);
  });
}
