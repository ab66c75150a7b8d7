import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Host, PackagedGround, reach, startCluster } from './packaged.ts';
import { type Running, start, until } from './process.ts';

const DISK_BYTES = 8 << 20;
const DEVICE_MS = 10_000;
const SHOT_MS = 90_000;

/** A file as a block device, for as long as this runs: the kernel takes the device away when nobody has it open. */
export class Disk {
  private constructor(
    private readonly holder: Running,
    readonly device: string,
  ) {}

  /** @throws Error when the kernel has no loop devices */
  static async create(directory: string): Promise<Disk> {
    const file = join(directory, 'disk');
    writeFileSync(file, Buffer.alloc(DISK_BYTES));
    const script =
      'device=$(losetup -f --show "$0") && exec 3<"$device" && losetup -d "$device" && echo "$device" && exec cat >/dev/null';
    const holder = start('sh', ['-c', script, file]);
    const [device] = await holder.waitFor(/\/dev\/loop\d+/, DEVICE_MS);
    return new Disk(holder, device);
  }

  async close(): Promise<void> {
    await this.holder.stop('SIGKILL');
  }
}

/** What sbd and Pacemaker had to say. */
export interface SbdViews {
  /** Slots after they were made, after a message that asks for nothing, and after the shot. */
  readonly slots: readonly string[];
  readonly survivors: string;
}

/**
 * Debian's sbd on three hosts of ours with one disk: each has its watcher, without a watchdog, which the machine need not have. The daemon
 * of the first one dies; Pacemaker writes the order into its slot by external/sbd, and its own watcher reboots it, which ends everything in
 * its process space.
 */
export async function sbdStory({ device }: Disk): Promise<SbdViews> {
  const packaged = await PackagedGround.create('ours');
  const slots: string[] = [];
  try {
    const hosts = await packaged.addHosts('node1', 'node2', 'node3');
    const [first, second] = hosts;
    if (first === undefined || second === undefined) throw new Error('three hosts');
    const list = async (): Promise<void> => {
      slots.push(await second.tree.must(`sbd -d ${device} list`));
    };
    await first.tree.must(`sbd -d ${device} -1 5 -4 10 create`);
    for (const { name } of hosts) await first.tree.must(`sbd -d ${device} allocate ${name}`);
    await list();
    await startCluster('lab', hosts);
    for (const { name, tree } of hosts) tree.start('sbd', ['-d', device, '-n', name, '-W', '-W', '-P', '-v', 'watch']);
    await reach(second, 'nodes online', /Online: \[ node1 node2 node3 \]/);
    await configure(second, device);
    await reach(second, 'resource and fencing started', /shared.*Started[\s\S]*dummy.*Started node1/);
    await second.tree.must(`sbd -d ${device} message node1 test`);
    await until(
      'the watcher has read its slot',
      async () => (/node1\s+clear/.test(await second.tree.must(`sbd -d ${device} list`)) ? true : null),
      SHOT_MS,
    );
    await list();

    await first.tree.must('kill -9 $(pidof corosync)');
    const survivors = await reach(second, 'node1 shot', /OFFLINE: \[ node1 \][\s\S]*dummy.*Started node2/);
    await until('node1 has rebooted', () => (first.tree.alive ? null : true), SHOT_MS);
    await list();
    return { slots, survivors };
  } finally {
    await packaged.close();
  }
}

async function configure({ tree }: Host, device: string): Promise<void> {
  await tree.must('crm_attribute -n stonith-enabled -v true && crm_attribute -n stonith-timeout -v 40s');
  await tree.must(`crm configure primitive shared stonith:external/sbd params sbd_device=${device}`);
  await tree.must('crm configure primitive dummy ocf:pacemaker:Dummy op monitor interval=5s');
  for (const [at, score] of [300, 200, 100].entries())
    await tree.must(`crm configure location at-${at + 1} dummy ${score}: node${at + 1}`);
}
