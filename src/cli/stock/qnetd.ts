import { runQnetd } from '../../arbiter/qnetd/qnetd.ts';
import { QNETD_SETTING_KINDS, qnetdSettings } from '../../arbiter/qnetd/qnetd-settings.ts';
import { readSwitch } from '../../arbiter/settings.ts';
import { COROSYNC_QDEVICE_VERSION } from '../../lib/corosync-version.ts';
import { ALGORITHM_TITLES, QNET_MESSAGE_NAMES, QNETD_PORT, TlsMode } from '../../qnet/ids.ts';
import { daemonOptions, runOrDetach, takeDaemonOption } from './daemon-options.ts';
import { getopt, type Option, wholeNumber } from './getopt.ts';
import { EXIT_FAILURE, Exit, type Tool } from './tool.ts';

const NAME = 'corosync-qnetd';
const USAGE = `usage: ${NAME} [-46dfhv] [-l listen_addr] [-p listen_port] [-s tls]
              [-c client_cert_required] [-m max_clients] [-S option=value[,option2=value2,...]]
`;
const TLS_WORDS: Readonly<Record<string, number>> = {
  on: TlsMode.SUPPORTED,
  off: TlsMode.UNSUPPORTED,
  req: TlsMode.REQUIRED,
};

const LETTERS = '46dfhvc:l:m:p:S:s:';

/** `corosync-qnetd`: the arbiter. `-l` may be given several times: it listens at each of these addresses. */
export const QNETD: Tool = {
  name: NAME,
  letters: LETTERS,
  daemon: true,
  async run(args, io, program) {
    const { options, errors } = getopt(program, args, LETTERS);
    const chosen = {
      hosts: [] as string[],
      port: QNETD_PORT,
      family: null as 4 | 6 | null,
      tls: TlsMode.SUPPORTED as number,
      clientCertificateRequired: true,
      clientsMax: 0,
      ...daemonOptions(qnetdSettings()),
    };
    const refuse = (text: string): never => {
      io.err(`${program}: ${text}\n`);
      throw new Exit(EXIT_FAILURE);
    };
    const apply = ({ letter, value }: Option): void => {
      switch (letter) {
        case '4':
        case '6':
          chosen.family = letter === '4' ? 4 : 6;
          break;
        case 'c':
          chosen.clientCertificateRequired =
            readSwitch(value) ?? refuse('client_cert_required should be on/yes/1, off/no/0');
          break;
        case 'l':
          chosen.hosts.push(value);
          break;
        case 'm':
          chosen.clientsMax =
            wholeNumber(value, 0, Number.MAX_SAFE_INTEGER) ?? refuse(`max clients value ${value} is invalid`);
          break;
        case 'p':
          chosen.port = wholeNumber(value, 1, 65_535) ?? refuse('host port must be in range 1-65535');
          break;
        case 's':
          chosen.tls = TLS_WORDS[value.toLowerCase()] ?? refuse('tls must be one of on, off, req');
          break;
        case 'v':
          io.out(versionText());
          throw new Exit(EXIT_FAILURE);
        default: // h, and what is none of them
          if (letter === '?') io.err(`${errors[0]}\n`);
          io.out(USAGE);
          throw new Exit(EXIT_FAILURE);
      }
    };
    for (const option of options)
      if (!takeDaemonOption(option, chosen, QNETD_SETTING_KINDS, io, program)) apply(option);
    return await runOrDetach({ foreground: chosen.foreground, io, program }, () => runQnetd(chosen, io.signal));
  },
};

const versionText = (): string =>
  `Corosync Qdevice Network Daemon, version '${COROSYNC_QDEVICE_VERSION}'

Supported algorithms: ${ALGORITHM_TITLES.map((title, number) => `${title} (${number})`).join(', ')}
Supported message types: ${QNET_MESSAGE_NAMES.map((title, number) => `${title} (${number})`).join(', ')}
`;
