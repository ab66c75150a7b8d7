import { spawnSync } from 'node:child_process';
import { printableLines } from '../../lib/printable.ts';
import { CMAPCTL } from './cmapctl.ts';
import { EXIT_FAILURE, type Tool } from './tool.ts';

const FILE = '/var/lib/corosync/fdata';
const READER = '/usr/sbin/qb-blackbox';

/** `corosync-blackbox`: makes the daemon write its flight data, and shows it with libqb's reader. */
export const BLACKBOX: Tool = {
  name: 'corosync-blackbox',
  async run(_args, io) {
    for (const key of ['runtime.blackbox.dump_state', 'runtime.blackbox.dump_flight_data']) {
      await CMAPCTL.run(['-s', key, 'str', String(Math.floor(Date.now() / 1000))], io, CMAPCTL.name);
    }
    const { status, stdout, stderr, error } = spawnSync(READER, [FILE], { maxBuffer: 256 * 1024 * 1024 });
    if (error !== undefined) {
      io.err(`${READER}: ${error.message}: it is in the package libqb-tools\n`);
      return EXIT_FAILURE;
    }
    io.out(io.terminal ? printableLines(stdout.toString()) : stdout);
    io.err(stderr.toString());
    return status ?? EXIT_FAILURE;
  },
};
