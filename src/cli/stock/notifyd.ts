import { lookupService } from 'node:dns/promises';
import { hostname } from 'node:os';
import { within } from '../../client/abort.ts';
import { ConnectionError } from '../../client/errors.ts';
import type { ClusterEvent } from '../../notify/notice.ts';
import { noticeText } from '../../notify/notice.ts';
import { Notifier } from '../../notify/notifier.ts';
import { SNMP_COMMUNITY } from '../../notify/target.ts';
import { notifyServiceManager } from '../../os/service-manager.ts';
import { openSyslog } from '../../os/syslog.ts';
import { ClusterWatch } from '../cluster-watch.ts';
import { runOrDetach } from './daemon-options.ts';
import { getopt } from './getopt.ts';
import { csErrorOf, EXIT_FAILURE, EXIT_SUCCESS, type Tool, type ToolIo } from './tool.ts';

interface Settings {
  foreground: boolean;
  log: boolean;
  print: boolean;
  manager: string | null;
  community: string;
  dbus: boolean;
  names: boolean;
}

const IDENT = 'notifyd';
/** Facility daemon, level notice or error (RFC 5424 6.2.1). */
const Priority = { NOTICE: 3 * 8 + 5, ERROR: 3 * 8 + 3 } as const;
const MANAGER_DEFAULT = 'localhost';
/** An address without a name must not hold the others up. */
const NAME_MS_MAX = 2_000;

const LETTERS = 'c:fhlosnm:d';

/** `corosync-notifyd`: events to standard error (what stock calls its output), syslog, D-Bus and SNMP. */
export const NOTIFYD: Tool = {
  name: 'corosync-notifyd',
  letters: LETTERS,
  async run(args, io, program) {
    const settings = settingsOf(args, io, program);
    if (settings === null) return EXIT_FAILURE;
    if (!settings.log && settings.manager === null && !settings.dbus)
      return refuse('no event type enabled, see corosync-notifyd -h, exiting.');
    if (settings.print && !settings.foreground)
      return refuse('configured to print to stdout and run in the background, exiting');
    return await runOrDetach({ foreground: settings.foreground, io, program }, () => serve(settings, io));
  },
};

function settingsOf(args: readonly string[], io: ToolIo, program: string): Settings | null {
  const { options, errors } = getopt(program, args, LETTERS);
  const settings: Settings = {
    foreground: false,
    log: false,
    print: false,
    manager: null,
    community: SNMP_COMMUNITY,
    dbus: false,
    names: true,
  };
  for (const { letter, value } of options) {
    switch (letter) {
      case 'c':
        settings.community = value;
        break;
      case 'f':
        settings.foreground = true;
        break;
      case 'l':
        settings.log = true;
        break;
      case 'o':
        settings.log = true;
        settings.print = true;
        break;
      case 's':
        settings.manager ??= MANAGER_DEFAULT;
        break;
      case 'm':
        settings.manager = value;
        break;
      case 'd':
        settings.dbus = true;
        break;
      case 'n':
        settings.names = false;
        break;
      default: // h, and what is none of them
        if (letter === '?') io.err(`${errors[0]}\n`);
        io.err(USAGE);
        return null;
    }
  }
  return settings;
}

/** Syslog is where it says what is wrong: it is a daemon. */
function refuse(text: string): number {
  const syslog = openSyslog();
  syslog?.send(record(Priority.ERROR, text));
  syslog?.close();
  return EXIT_FAILURE;
}

function record(priority: number, text: string): Uint8Array {
  const time = new Date()
    .toString()
    .slice(4, 24)
    .replace(/ \d{4}/, '')
    .replace(/ 0/, '  ');
  return Buffer.from(`<${priority}>${time} ${IDENT}[${process.pid}]: ${text}`);
}

async function serve(settings: Settings, io: ToolIo): Promise<number> {
  const abort = new AbortController();
  io.signal.addEventListener('abort', () => abort.abort(), { once: true });
  const syslog = openSyslog();
  const report = (level: 'NOTICE' | 'ERROR', text: string): void => {
    syslog?.send(record(Priority[level], text));
    if (settings.print) io.err(`[${level.toLowerCase()}] ${text}\n`);
  };
  let notifier: Notifier | null = null;
  /** Names are looked up in turn, so that the order of events stays. */
  let order = Promise.resolve();
  const watch = new ClusterWatch({
    connect: { signal: abort.signal, waitReadyMs: 0, timeoutMs: 60_000 },
    kinds: ['quorum', 'node', 'link', 'client'],
    once: true,
    begun: (nodeId) => {
      notifier = notifierOf(settings, nodeId, (text) => report('ERROR', text));
      notifyServiceManager('READY=1');
    },
    event: (event) => {
      order = order.then(async () => {
        const notice = notifier?.notify(await named(event, settings.names));
        if (notice !== undefined && settings.log) report('NOTICE', noticeText(notice));
      });
    },
  });
  try {
    await watch.run(abort.signal);
    return EXIT_SUCCESS;
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    await order;
    report('ERROR', `${error.message} (error ${csErrorOf(error)})`);
    return EXIT_FAILURE;
  } finally {
    syslog?.close();
  }
}

function notifierOf(
  { manager, community, dbus }: Settings,
  nodeId: number,
  complain: (text: string) => void,
): Notifier {
  const notifier = new Notifier({
    host: hostname(),
    nodeId,
    nowMs: () => performance.now(),
    complain: (target, text) => complain(`${target}: ${text}`),
  });
  if (manager !== null) {
    const host = manager.includes(':') ? `[${manager}]` : manager;
    notifier.add(`snmp:${host}?${new URLSearchParams({ community })}`);
  }
  if (dbus) notifier.add('dbus:');
  return notifier;
}

/** As stock, a node is called by the name of its address, or else by the address. */
async function named(event: ClusterEvent, names: boolean): Promise<ClusterEvent> {
  if (event.kind !== 'node' || event.address === null) return event;
  const { address } = event;
  if (!names) return { ...event, name: null };
  const found = await within(lookupService(address, 0), NAME_MS_MAX, () => new Error('no name')).catch(() => null);
  return { ...event, name: found?.hostname ?? null };
}

const USAGE = `usage:
        -c     : SNMP Community name.
        -f     : Start application in foreground.
        -l     : Log all events.
        -o     : Print events to stdout (turns on -l).
        -s     : Send SNMP traps on all events.
        -m     : Set the SNMP Manager IP address (defaults to localhost).
        -n     : No reverse DNS lookup on cmap member change events.
        -d     : Send DBUS signals on all events.
        -h     : Print this help.

`;
