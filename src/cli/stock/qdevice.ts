import { runQdevice } from '../../arbiter/qdevice/qdevice.ts';
import { QDEVICE_SETTING_KINDS, qdeviceSettings } from '../../arbiter/qdevice/qdevice-settings.ts';
import { getopt } from './getopt.ts';
import { inBackground, takeSettings } from './qnetd.ts';
import { EXIT_FAILURE, type Tool } from './tool.ts';

const NAME = 'corosync-qdevice';

/** `corosync-qdevice`: the device of a node. */
export const QDEVICE: Tool = {
  name: NAME,
  daemon: true,
  async run(args, io, program) {
    const { options, errors } = getopt(program, args, 'dfhS:');
    const chosen = { foreground: false, debug: false, bump: false, settings: qdeviceSettings() };
    for (const { letter, value } of options) {
      if (letter === 'f') chosen.foreground = true;
      else if (letter === 'S') takeSettings(value, QDEVICE_SETTING_KINDS, chosen.settings, io, program);
      else if (letter === 'd') {
        chosen.bump = chosen.debug;
        chosen.debug = true;
      } else {
        if (letter === '?') io.err(`${errors[0]}\n`);
        io.out(`usage: ${NAME} [-dfh] [-S option=value[,option2=value2,...]]\n`);
        return EXIT_FAILURE;
      }
    }
    return chosen.foreground ? await runQdevice(chosen, io.signal) : inBackground();
  },
};
