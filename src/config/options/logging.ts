import { type OptionSpec, sectionOptions } from './option.ts';

const ON_OFF = ['on', 'off'] as const;
export const SWITCH_VALUES = ['yes', 'on', 'no', 'off'] as const;
/** Case-insensitive in the file (config-and-tools.md 1.5.6). */
export const PRIORITY_NAMES = ['alert', 'crit', 'debug', 'emerg', 'err', 'error', 'info', 'notice', 'warning'] as const;
/** Names and numbers (RFC 5424 2.1; the numbers are the C library's, shifted by three bits on the wire). */
export const SYSLOG_FACILITIES: Readonly<Record<string, number>> = {
  kern: 0,
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  syslog: 5,
  lpr: 6,
  news: 7,
  uucp: 8,
  cron: 9,
  authpriv: 10,
  ftp: 11,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
};

export const DEBUG_MODES = ['on', 'off', 'trace'] as const;

const AT_ONCE = { reload: 'yes', cmap: 'live' } as const;

/** Destinations that no subsystem has for itself, in stock neither. */
const ONE_FOR_ALL: ReadonlySet<string> = new Set(['to_stderr', 'to_syslog']);

/** Keys that a logger_subsys block knows as well. */
const shared = (section: string): readonly OptionSpec[] =>
  sectionOptions(section, AT_ONCE, [
    { key: 'to_stderr', type: 'str', default: 'yes', values: SWITCH_VALUES, doc: 'Log to standard error.' },
    { key: 'to_syslog', type: 'str', default: 'yes', values: SWITCH_VALUES, doc: 'Log to syslog.' },
    { key: 'to_logfile', type: 'str', default: 'no', values: SWITCH_VALUES, doc: 'Log to the file named by logfile.' },
    {
      key: 'to_file',
      type: 'str',
      values: SWITCH_VALUES,
      doc: 'Old name of to_logfile.',
      obsolete: 'write to_logfile',
    },
    { key: 'logfile', type: 'str', names: 'path', doc: 'Path of the log file; its directory must exist.' },
    {
      key: 'logfile_priority',
      type: 'str',
      default: 'info',
      values: PRIORITY_NAMES,
      doc: 'Least important level that goes to the file and to standard error.',
    },
    {
      key: 'syslog_priority',
      type: 'str',
      default: 'info',
      values: PRIORITY_NAMES,
      doc: 'Least important level that goes to syslog.',
    },
    {
      key: 'syslog_level',
      type: 'str',
      values: PRIORITY_NAMES,
      doc: 'Old name of syslog_priority.',
      obsolete: 'write syslog_priority',
    },
    {
      key: 'debug',
      type: 'str',
      default: 'off',
      values: DEBUG_MODES,
      doc: 'on lets debug messages through whatever the priorities are, trace those of level trace too.',
    },
  ]);

const global = sectionOptions('logging', AT_ONCE, [
  {
    key: 'syslog_facility',
    type: 'str',
    default: 'daemon',
    values: Object.keys(SYSLOG_FACILITIES),
    doc: 'Facility of syslog records. Case matters.',
  },
  {
    key: 'timestamp',
    type: 'str',
    default: 'hires',
    values: ['on', 'off', 'hires'],
    doc: 'Time before each line: to the second, none, or to the millisecond.',
  },
  { key: 'fileline', type: 'str', default: 'off', values: ON_OFF, doc: 'Source file and line before the message.' },
  { key: 'function_name', type: 'str', default: 'off', values: ON_OFF, doc: 'Function name before the message.' },
  { key: 'blackbox', type: 'str', default: 'on', values: ON_OFF, doc: 'Keep the latest records in memory for a dump.' },
  {
    key: 'format',
    type: 'str',
    default: 'text',
    values: ['text', 'json'],
    extension: true,
    doc: 'Lines of the log file and of standard error: stock text, or one JSON object a line.',
  },
]);

const subsys = sectionOptions('logging.logger_subsys', AT_ONCE, [
  {
    key: 'subsys',
    type: 'str',
    doc: 'Name of the subsystem, e.g. TOTEM. Mandatory. A key given twice in this block keeps its first value.',
  },
]);
const daemon = sectionOptions('logging.logging_daemon', AT_ONCE, [
  { key: 'name', type: 'str', doc: 'Name of the daemon; corosync means this one. Mandatory.' },
  { key: 'subsys', type: 'str', doc: 'Name of a subsystem, when the block is about one.' },
]);

export const LOGGING_OPTIONS: readonly OptionSpec[] = [
  ...global,
  ...shared('logging'),
  ...subsys,
  ...shared('logging.logger_subsys').map((option) =>
    ONE_FOR_ALL.has(option.key) ? { ...option, withoutEffect: 'it is one destination for all subsystems' } : option,
  ),
  ...daemon,
  ...shared('logging.logging_daemon'),
];
