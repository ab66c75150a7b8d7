import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FULL } from './lab/cases.ts';
import { hasCommand, labUnavailable, ROOT } from './lab/host.ts';
import { must } from './lab/process.ts';
import { Ground, RootTree } from './lab/root-tree.ts';

/**
 * The role of conf/ansible on a host that has neither configuration nor key, by Ansible itself: all of it but what asks the service manager,
 * which a root tree has not. Again, nothing changes; and a run that ended before the package was installed is completed by the next one.
 */
const RUN_MS = 300_000;
const INVENTORY = `[cluster]\nnode1 ansible_connection=local rondo_addresses='["127.0.0.1"]'`;
const PLAY = 'cd /conf && LC_ALL=C.UTF-8 ANSIBLE_NOCOLOR=1 ansible-playbook -i inventory site.yml --skip-tags service';
const skip =
  labUnavailable() ||
  (hasCommand('ansible-playbook') && hasCommand('dpkg-deb') ? false : 'needs Debian’s ansible-core') ||
  (FULL ? false : 'only with RONDO_LAB_FULL=1');

t.test('the role of Ansible makes a node', { skip }, async (t) => {
  t.setTimeout(4 * RUN_MS);
  const directory = mkdtempSync(join(tmpdir(), 'rondo-ansible-'));
  await must(process.execPath, [join(ROOT, 'scripts/package/deb.mjs'), '--out', directory], { timeoutMs: RUN_MS });
  const [deb = ''] = readdirSync(directory).filter((name) => name.endsWith('.deb'));
  const ground = await Ground.create(join(directory, 'ground'));
  const tree = await RootTree.over(ground, 'node1');
  t.teardown(async () => {
    await tree.close();
    await ground.close();
    rmSync(directory, { recursive: true, force: true });
  });
  await must('cp', ['-r', join(ROOT, 'conf/ansible'), `/proc/${tree.first}/root/conf`]);
  await tree.must('mkdir -p /conf/files && head -c 256 /dev/urandom >/conf/files/authkey && rm -rf /etc/corosync');
  await must('cp', [join(directory, deb), `/proc/${tree.first}/root/conf/files/corosync.deb`]);
  await tree.write('/conf/inventory', INVENTORY);
  await tree.write('/usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101', '755');

  // The network of the tree is down, and a package that is none cannot be installed.
  await tree.must('mv /conf/files/corosync.deb /conf/good && echo none >/conf/files/corosync.deb');
  t.not((await tree.run(PLAY, RUN_MS)).code, 0, 'a package that is none');
  await tree.must('mv /conf/good /conf/files/corosync.deb');
  const first = await tree.must(PLAY, RUN_MS);
  t.match(first, /failed=0/);
  t.match(await tree.must('corosync -v; dpkg --get-selections corosync'), /\nRondo [\s\S]*\bhold\n$/);
  t.match(await tree.must('stat -c "%a %U" /etc/corosync/authkey'), '400 root');
  t.match(
    await tree.must('cat /etc/corosync/corosync.conf'),
    /name: node1\n\s+nodeid: 1\n\s+ring0_addr: 127\.0\.0\.1\n/,
  );
  t.match(await tree.must(PLAY, RUN_MS), /changed=0 .*failed=0/, 'again, nothing changes');
});
