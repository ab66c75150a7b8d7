import { printable } from '../../lib/printable.ts';
import type { BlackboxEntry } from '../../observe/log/blackbox-reader.ts';
import { loadBlackbox, priorityName } from '../blackbox.ts';
import { CMAPCTL } from './cmapctl.ts';
import { EXIT_FAILURE, EXIT_SUCCESS, type Tool } from './tool.ts';

const FILE = '/var/lib/corosync/fdata';

/** `corosync-blackbox`: makes the daemon write its flight data, and shows it. */
export const BLACKBOX: Tool = {
  name: 'corosync-blackbox',
  letters: '',
  async run(_args, io) {
    for (const key of ['runtime.blackbox.dump_state', 'runtime.blackbox.dump_flight_data']) {
      await CMAPCTL.run(['-s', key, 'str', String(Math.floor(Date.now() / 1000))], io, CMAPCTL.name);
    }
    io.out(`Dumping the contents of ${FILE}\n`);
    try {
      const { entries, problem } = loadBlackbox(FILE);
      for (const entry of entries) io.out(`${io.terminal ? printable(entryLine(entry)) : entryLine(entry)}\n`);
      if (problem === null) return EXIT_SUCCESS;
      io.err(`corosync-blackbox: ${FILE}: ${problem}\n`);
    } catch (error) {
      io.err(`corosync-blackbox: ${error instanceof Error ? error.message : String(error)}\n`);
    }
    return EXIT_FAILURE;
  },
};

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

/** As libqb's reader shows it, in local time. */
function entryLine({ timeMs, priority, function: name, line, tags, message }: BlackboxEntry): string {
  const at = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':');
  const day = `${MONTHS[at.getMonth()]!} ${two(at.getDate())}`;
  const milliseconds = String(at.getMilliseconds()).padStart(3, '0');
  return `${priorityName(priority).padEnd(7)} ${day} ${clock}.${milliseconds} ${name}(${line}):${tags}: ${message}`;
}
