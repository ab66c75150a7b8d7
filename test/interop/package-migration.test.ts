import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FULL } from './lab/cases.ts';
import { Migration, stockPackage } from './lab/migration-story.ts';
import { packagedUnavailable } from './lab/packaged.ts';

/** The procedure of docs/packages.md in a ring under load: one host after the other to our package, and back to stock's. */
const skip =
  packagedUnavailable('crm') ||
  ((await stockPackage()) === null ? 'the way back needs stock’s corosync in /var/cache/apt/archives' : false);

t.test('from stock’s packages to ours and back in a running ring', { skip }, async (t) => {
  t.setTimeout(1_800_000);
  const directory = mkdtempSync(join(tmpdir(), 'rondo-migration-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const migration = await Migration.start(directory);
  t.teardown(() => migration.close());
  // One host goes there and back in any case: rings of two of stock and one of ours, and of stock alone again.
  const there = FULL ? [0, 1, 2] : [0];
  for (const to of ['ours', 'stock'] as const)
    for (const at of there) {
      const { host, complaints, messages, version } = await migration.replace(at, to);
      t.same(complaints, [], `${host} to ${to}: no message lost or reordered, quorum kept`);
      t.ok(messages > 500, `${messages} messages meanwhile`);
      (to === 'ours' ? t.match : t.notMatch)(version, /Rondo/, `${host} has what it should have`);
    }
});
