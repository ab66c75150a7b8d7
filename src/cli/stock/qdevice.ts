import { runQdevice } from '../../arbiter/qdevice/qdevice.ts';
import { QDEVICE_NAME, QDEVICE_SETTING_KINDS, qdeviceSettings } from '../../arbiter/qdevice/qdevice-settings.ts';
import { daemonOptions, runOrDetach, takeDaemonOption } from './daemon-options.ts';
import { getopt } from './getopt.ts';
import { EXIT_FAILURE, type Tool } from './tool.ts';

const LETTERS = 'dfhS:';

/** `corosync-qdevice`: the device of a node. */
export const QDEVICE: Tool = {
  name: QDEVICE_NAME,
  letters: LETTERS,
  daemon: true,
  async run(args, io, program) {
    const { options, errors } = getopt(program, args, LETTERS);
    const chosen = daemonOptions(qdeviceSettings());
    for (const option of options) {
      if (takeDaemonOption(option, chosen, QDEVICE_SETTING_KINDS, io, program)) continue;
      if (option.letter === '?') io.err(`${errors[0]}\n`);
      io.out(`usage: ${QDEVICE_NAME} [-dfh] [-S option=value[,option2=value2,...]]\n`);
      return EXIT_FAILURE;
    }
    return await runOrDetach({ foreground: chosen.foreground, io, program }, () => runQdevice(chosen, io.signal));
  },
};
