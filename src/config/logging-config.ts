import type { LogLevel } from '../lib/log.ts';
import { type ConfigEnvironment, systemReason } from './environment.ts';
import { ConfigError, ConfigExit, type Position } from './errors.ts';
import type { Icmap } from './icmap/index.ts';
import { valuesOf } from './options/index.ts';
import { DEBUG_MODES, PRIORITY_NAMES, SWITCH_VALUES, SYSLOG_FACILITIES } from './options/logging.ts';
import { orList } from './parser/values.ts';

export type DebugMode = 'off' | 'on' | 'trace';
export type TimestampMode = 'off' | 'on' | 'hires';

/**
 * Settings that a subsystem may have of its own. `to_stderr` and `to_syslog` of a `logger_subsys` block are checked and otherwise without
 * effect, as in stock: those destinations are one for all.
 */
export interface SubsystemLogging {
  /** The file that its lines go to; `null`: none. */
  readonly file: string | null;
  readonly debug: DebugMode;
  readonly logfilePriority: LogLevel;
  readonly syslogPriority: LogLevel;
}

/** Section `logging`, defaults filled in (config-and-tools.md 1.5.6). */
export interface LoggingConfig extends SubsystemLogging {
  readonly toStderr: boolean;
  readonly toSyslog: boolean;
  /** Number of the facility, 0..23. */
  readonly syslogFacility: number;
  readonly timestamp: TimestampMode;
  readonly fileline: boolean;
  readonly functionName: boolean;
  readonly blackbox: boolean;
  readonly format: 'text' | 'json';
  /** By subsystem name, case-sensitive. */
  readonly subsystems: ReadonlyMap<string, SubsystemLogging>;
}

export const LOGGING_DEFAULTS: LoggingConfig = {
  toStderr: true,
  toSyslog: true,
  file: null,
  logfilePriority: 'info',
  syslogPriority: 'info',
  syslogFacility: 3,
  debug: 'off',
  timestamp: 'hires',
  fileline: false,
  functionName: false,
  blackbox: true,
  format: 'text',
  subsystems: new Map(),
};

const SUBSYSTEM_BYTES_MAX = 63;

/** Checks of one option in stock's order; `null` stands for the opening of the log file. */
const GLOBAL_CHECKS = ['fileline', 'function_name', 'timestamp', 'blackbox'] as const;
const accepted = (key: string): readonly string[] => valuesOf('logging', key);

type Check = (value: string) => string | null;
const oneOf =
  (key: string): Check =>
  (value) =>
    accepted(key).includes(value) ? null : `unknown value for ${key}.`;
const priority =
  (name: string): Check =>
  (value) =>
    priorityLevel(value) === null ? `unknown ${name} specified.` : null;

const SHARED_CHECKS: readonly (readonly [key: string, check: Check | null])[] = [
  ['to_stderr', oneOf('to_stderr')],
  ['to_syslog', oneOf('to_syslog')],
  [
    'syslog_facility',
    (value) => (Object.hasOwn(SYSLOG_FACILITIES, value) ? null : 'unknown syslog facility specified.'),
  ],
  ['syslog_level', priority('syslog level')],
  ['syslog_priority', priority('syslog priority')],
  ['logfile', null],
  ['to_file', oneOf('to_file')],
  ['to_logfile', oneOf('to_logfile')],
  ['logfile_priority', priority('logfile priority')],
  ['debug', oneOf('debug')],
];

/** Level of a priority name of the configuration, or `null`. `err` is `error`; there is no `trace`. */
export function priorityLevel(text: string): LogLevel | null {
  const name = PRIORITY_NAMES.find((candidate) => candidate === text.toLowerCase());
  return name === undefined ? null : name === 'err' ? 'error' : name;
}

/** One option of the section as stock reads it. */
export interface LoggingCheck {
  readonly key: string;
  readonly name: string;
  /** What is wrong with a value, if anything; `null`: a path. */
  readonly check: Check | null;
}

/** The options of the section in the order in which stock reads them. */
export function* loggingChecks(map: Icmap): Generator<LoggingCheck> {
  for (const name of GLOBAL_CHECKS) yield { key: `logging.${name}`, name, check: oneOf(name) };
  for (const subsystem of ['', ...subsystemNames(map)]) {
    const prefix = subsystem === '' ? 'logging.' : `logging.logger_subsys.${subsystem}.`;
    if (subsystem !== '') yield { key: `${prefix}subsys`, name: 'subsys', check: () => tooLong(subsystem) };
    if (tooLong(subsystem) !== null) continue;
    for (const [name, check] of SHARED_CHECKS) yield { key: prefix + name, name, check };
  }
}

const tooLong = (subsystem: string): string | null =>
  subsystem.length > SUBSYSTEM_BYTES_MAX ? 'unable to create new logging subsystem.' : null;

/**
 * Every mistake of the section, in the order in which stock checks: the first is the one stock reports. Opens the log
 * files, as stock's check does, when `environment` is given.
 */
export async function checkLogging(
  map: Icmap,
  positions: ReadonlyMap<string, Position>,
  environment: ConfigEnvironment | null,
): Promise<ConfigError[]> {
  const errors: ConfigError[] = [];
  for (const { key, name, check } of loggingChecks(map)) {
    const value = map.getString(key);
    if (value === null) continue;
    const text = check === null ? await checkLogfile(value, environment) : check(value);
    if (text === null) continue;
    errors.push(
      new ConfigError('RONDO_CONFIG_LOGGING', text, {
        stockMessage: `parse error in config: ${text}`,
        exitCode: ConfigExit.LOGGING,
        position: positions.get(key),
        key,
        hint: hintFor(name, check),
      }),
    );
  }
  return errors;
}

function hintFor(name: string, check: Check | null): string {
  if (check === null) return 'Create the directory, or write another path';
  return name === 'subsys' ? 'Shorten the name' : writeOneOf(accepted(name));
}

const writeOneOf = (values: readonly string[]): string => `Write ${orList(values)}`;

async function checkLogfile(path: string, environment: ConfigEnvironment | null): Promise<string | null> {
  if (environment === null) return null;
  try {
    await environment.openForAppend(path);
    return null;
  } catch (error) {
    const { text, errno } = systemReason(error);
    return `Can't open logfile '${path}' for reason: ${text} (${errno}).`;
  }
}

/** Names of `logger_subsys` blocks, in key order. */
export function subsystemNames(map: Icmap): string[] {
  return [...map.keysWithPrefix('logging.logger_subsys.')]
    .filter((key) => key.endsWith('.subsys'))
    .map((key) => key.slice('logging.logger_subsys.'.length, -'.subsys'.length));
}

/**
 * The settings of the section. Values that are not valid count as absent: `checkLogging` reports them at start and at
 * reload, and a bad value that a client sets must not break logging.
 */
export function readLogging(map: Icmap): LoggingConfig {
  const text = (key: string): string | null => {
    const value = map.getString(`logging.${key}`);
    return value !== null && accepted(key).includes(value) ? value : null;
  };
  const flag = (key: string): boolean | null => flagOf(map, `logging.${key}`);
  const shared = readSubsystem(map, 'logging.', LOGGING_DEFAULTS);
  const general: FileTarget = {
    path: map.getString('logging.logfile') || null,
    on: flag('to_logfile') ?? false,
  };
  const blocks = subsystemNames(map).map((name) => ({ name, prefix: `logging.logger_subsys.${name}.` }));
  const targets = new Map<string | null, boolean>();
  for (const { prefix } of blocks) {
    const { path, on } = fileTarget(map, prefix, general);
    targets.set(path, on);
  }
  targets.set(general.path, general.on);
  const file = (path: string | null): string | null => (path !== null && targets.get(path) === true ? path : null);
  const subsystems = new Map<string, SubsystemLogging>();
  for (const { name, prefix } of blocks) {
    const key = map.getString(`${prefix}subsys`) ?? name;
    subsystems.set(key, { ...readSubsystem(map, prefix, shared), file: file(fileTarget(map, prefix, general).path) });
  }
  return {
    ...shared,
    toStderr: flag('to_stderr') ?? LOGGING_DEFAULTS.toStderr,
    toSyslog: flag('to_syslog') ?? LOGGING_DEFAULTS.toSyslog,
    file: file(general.path),
    syslogFacility: facility(map, blocks.at(-1)?.prefix ?? 'logging.'),
    timestamp: (text('timestamp') as TimestampMode | null) ?? LOGGING_DEFAULTS.timestamp,
    fileline: text('fileline') === 'on',
    functionName: text('function_name') === 'on',
    blackbox: text('blackbox') !== 'off',
    format: text('format') === 'json' ? 'json' : 'text',
    subsystems,
  };
}

/** A log file and whether it is switched on. */
interface FileTarget {
  readonly path: string | null;
  readonly on: boolean;
}

function flagOf(map: Icmap, key: string): boolean | null {
  const value = SWITCH_VALUES.find((word) => word === map.getString(key));
  return value === undefined ? null : value === 'yes' || value === 'on';
}

/**
 * A block's file is its own or the general one. A file is switched on or off as a whole, by the last block that names it, and the general one
 * by the general option alone: stock's outcome.
 */
function fileTarget(map: Icmap, prefix: string, general: FileTarget): FileTarget {
  const on = flagOf(map, `${prefix}to_logfile`) ?? flagOf(map, `${prefix}to_file`) ?? general.on;
  return { path: map.getString(`${prefix}logfile`) || general.path, on };
}

/** There is one facility for all, and the section that is read last decides about it, with daemon as its default: stock's outcome. */
function facility(map: Icmap, prefix: string): number {
  const name = map.getString(`${prefix}syslog_facility`) ?? '';
  const known = Object.hasOwn(SYSLOG_FACILITIES, name) ? SYSLOG_FACILITIES[name] : undefined;
  return known ?? LOGGING_DEFAULTS.syslogFacility;
}

function readSubsystem(map: Icmap, prefix: string, above: SubsystemLogging): SubsystemLogging {
  const level = (key: string): LogLevel | null => priorityLevel(map.getString(prefix + key) ?? '');
  const debug = map.getString(`${prefix}debug`);
  return {
    file: null,
    debug: DEBUG_MODES.find((mode) => mode === debug) ?? 'off',
    logfilePriority: level('logfile_priority') ?? above.logfilePriority,
    syslogPriority: level('syslog_priority') ?? level('syslog_level') ?? above.syslogPriority,
  };
}
