import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { boothStory } from './lab/booth-story.ts';
import { FULL } from './lab/cases.ts';
import { packagedUnavailable } from './lab/packaged.ts';
import { pmxcfsStory, pmxcfsUnavailable } from './lab/pmxcfs-story.ts';
import { Disk, sbdStory } from './lab/sbd-story.ts';

/** What else stands on the cluster engine, as Debian has it, on hosts with our package. */
const STORY_MS = 900_000;
const rare = FULL ? false : 'only with RONDO_LAB_FULL=1';
t.setTimeout(0);

const directory = mkdtempSync(join(tmpdir(), 'rondo-above-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
const disk = await Disk.create(directory).catch((error: Error) => error.message);
t.teardown(() => (typeof disk === 'string' ? undefined : disk.close()));

const noDisk =
  typeof disk === 'string' ? `sbd needs a block device, and this kernel gives no loop device: ${disk}` : false;
t.test('sbd shoots by a disk', { skip: packagedUnavailable('sbd', 'crm') || noDisk }, async (t) => {
  t.setTimeout(STORY_MS);
  if (typeof disk === 'string') return;
  const { slots } = await sbdStory(disk);
  const [made = '', read = '', shot = ''] = slots;
  for (const name of ['node1', 'node2', 'node3'])
    t.match(made, new RegExp(`\\d\\s+${name}\\s+clear`), `slot of ${name}`);
  t.match(read, /node1\s+clear/, 'its watcher has read the message');
  t.match(shot, /node1\s+reset\s+node[23]/, 'the order to reset came from a survivor');
});

t.test('booth moves a ticket', { skip: packagedUnavailable('boothd', 'crm') || rare }, async (t) => {
  t.setTimeout(STORY_MS);
  const { before, granted, afterwards } = await boothStory();
  t.match(before, /leader: NONE/);
  t.match(granted, /leader: 10\.78\.0\.1/, 'site 2 knows that site 1 has it');
  t.match(afterwards, /leader: 10\.78\.0\.2/, 'the arbitrator knows that site 2 has it');
});

t.test('Proxmox’s cluster file system', { skip: packagedUnavailable() || pmxcfsUnavailable() }, async (t) => {
  t.setTimeout(STORY_MS);
  const { members, locks, written, withoutFirst, afterwards } = await pmxcfsStory();
  t.match(members, /"node3": [^}]*"online": 1/, 'all are there');
  t.same([locks[0], locks[1] === 0], [0, false], 'one has the lock');
  t.match(written[0], /node3-40/, 'what all wrote at once');
  t.notMatch(withoutFirst, /"node1": \{[^}]*"online": 1/, 'who is lost is not');
  t.match(afterwards[0], /meanwhile/, 'who was away has what was written meanwhile');
});

const noLocks = existsSync('/sys/kernel/config/dlm')
  ? 'dlm_controld needs a network stack of its own kernel: hosts of one kernel share the lock spaces'
  : 'dlm_controld needs the kernel’s dlm, and there is no /sys/kernel/config/dlm';
t.test('dlm_controld', { skip: noLocks }, async () => undefined);
