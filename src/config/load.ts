import { dirname, join } from 'node:path';
import { type ConfigEnvironment, nodeEnvironment, systemReason } from './environment.ts';
import { ConfigError, ConfigExit, type ConfigExitStatus, type ConfigWarning, type Position } from './errors.ts';
import type { Icmap } from './icmap/index.ts';
import type { KeyMaterial } from './key-material.ts';
import { lintConfiguration } from './lint/lint.ts';
import { checkLogging, type LoggingConfig, readLogging } from './logging-config.ts';
import type { ProgramLists } from './options/option.ts';
import { type AccountNames, ConfigBuilder, type ServiceBlock } from './parser/builder.ts';
import { lexConfig } from './parser/lexer.ts';
import { keepUnchangeable } from './reload/unchangeable.ts';
import { TotemContext } from './totem/context.ts';
import { publishTotem } from './totem/publish.ts';
import { readTotem, type TotemReading } from './totem/read-totem.ts';
import type { UnresolvedAddress } from './totem/resolve-nodes.ts';
import { readText } from './totem/settings.ts';
import type { TotemConfig } from './totem-config.ts';

export const CONFIG_FILE_DEFAULT = '/etc/corosync/corosync.conf';

/** How long names may take to resolve: a dead name server must not hold up a start whose addresses are known. */
const LOOKUP_MS_MAX = { test: 5_000, start: 1_000, reload: 2_000 } as const;

export interface ConfigPaths {
  /** Main file; `uidgid.d` is looked for beside it. */
  readonly file: string;
}

export interface LoadOptions {
  /**
   * `test` (`-t`): every remote name must resolve, as in stock. `start` and `reload`: a remote name that does not
   * resolve is a warning; it is listed in `unresolved` and can be resolved later.
   */
  readonly purpose: 'test' | 'start' | 'reload';
  readonly environment?: ConfigEnvironment;
  /** For `reload`: the map in force, whose unchangeable keys win over the file. */
  readonly live?: Icmap;
  /** Replaces `system.state_dir` and its default. */
  readonly stateDirectory?: string;
  /** What names of the file are checked against; without the lists every name passes. */
  readonly lists?: ProgramLists;
}

export interface LoadedConfiguration {
  readonly ok: true;
  readonly file: string;
  /** A staging map: keys of the file, and those that the daemon derives from it (config-and-tools.md 2.1). */
  readonly map: Icmap;
  readonly totem: TotemConfig;
  /** Of the ring, when it has one; whoever loaded the configuration hands it on, or not, and wipes it. */
  readonly key: KeyMaterial | null;
  readonly logging: LoggingConfig;
  readonly stateDirectory: string;
  /** Index of the local node in the node list, as in `nodelist.local_node_pos`. */
  readonly localNodePosition: number;
  readonly services: readonly ServiceBlock[];
  /** Reload: keys that the file changes but that cannot change at run time. */
  readonly ignoredKeys: readonly string[];
  readonly warnings: readonly ConfigWarning[];
  readonly unresolved: readonly UnresolvedAddress[];
  readonly positions: ReadonlyMap<string, Position>;
}

export interface FailedConfiguration {
  readonly ok: false;
  readonly file: string;
  /** In the order of checking; the first is the one that stock would report. */
  readonly errors: readonly ConfigError[];
  readonly exitCode: ConfigExitStatus;
  readonly warnings: readonly ConfigWarning[];
  /** Where messages go: the file's settings where they were readable, else the defaults. */
  readonly logging: LoggingConfig | null;
}

export type LoadResult = LoadedConfiguration | FailedConfiguration;

/**
 * Reads, checks and completes a configuration. Nothing outside of the result is changed, whatever the outcome; used by
 * the daemon's start, by `-t` and by reload.
 */
export async function loadConfiguration(paths: ConfigPaths, options: LoadOptions): Promise<LoadResult> {
  const environment = options.environment ?? nodeEnvironment();
  const { file } = paths;
  const parsed = await parseConfiguration(file, environment);
  if (parsed instanceof ConfigError) return failed(file, [parsed], [], null);
  const { map, positions } = parsed;
  const refuse: typeof failed = (...details) => {
    map.wipeSecret();
    return failed(...details);
  };
  const ignoredKeys = options.live === undefined ? [] : keepUnchangeable(map, options.live);
  // A reload with wrong values or with a log file that cannot be opened is the log's business, as in stock: see LoggingInForce.
  const isReload = options.purpose === 'reload';
  const mistakes = await checkLogging(map, positions, isReload ? null : environment);
  const errors = isReload ? parsed.errors : [...parsed.errors, ...mistakes];
  const logging = parsed.errors.length > 0 ? null : readLogging(map);
  if (errors.length > 0 || logging === null)
    return refuse(file, errors, lintConfiguration(parsed, null, null), logging);

  const stateDirectory = options.stateDirectory ?? readText(map, 'system', 'state_dir');
  const stateError = await checkStateDirectory(stateDirectory, positions, environment);
  if (stateError !== null) return refuse(file, [stateError], lintConfiguration(parsed, null, null), logging);

  const context = new TotemContext(map, positions, environment, LOOKUP_MS_MAX[options.purpose], isReload);
  let reading: TotemReading;
  try {
    reading = await readTotem(context, { unresolvedIsError: options.purpose === 'test' });
    if (options.purpose !== 'test') refuseSctp(context, reading);
  } catch (error) {
    context.key?.wipe();
    if (!(error instanceof ConfigError)) throw error;
    return refuse(file, [error], [...context.warnings, ...lintConfiguration(parsed, null, null)], logging);
  } finally {
    context.close();
  }
  publishTotem(map, reading, !isReload);
  for (const mistake of mistakes) context.refuseStart(mistake);
  for (const { nodeIndex, linkId, text } of reading.unresolved) {
    const key = `nodelist.node.${nodeIndex}.ring${linkId}_addr`;
    const message = `Address '${text}' of node ${nodeIndex} on link ${linkId} does not resolve; trying again in the background`;
    context.warnings.push({
      code: 'unresolved',
      position: positions.get(key),
      key,
      message,
      hint: '',
      stockMessage: null,
    });
  }
  return {
    ok: true,
    file,
    map,
    totem: reading.totem,
    key: context.key,
    logging,
    stateDirectory,
    localNodePosition: reading.localNode.index,
    services: parsed.services,
    ignoredKeys,
    warnings: [...context.warnings, ...lintConfiguration(parsed, reading.totem, options.lists ?? null)],
    unresolved: reading.unresolved,
    positions,
  };
}

/** Stock's check accepts SCTP, so ours does; a link that would not come up is worse than no start. */
function refuseSctp(context: TotemContext, { links }: TotemReading): void {
  const link = links.find(({ knetTransport }) => knetTransport === 'sctp');
  if (link === undefined) return;
  throw context.error('RONDO_CONFIG_UNSUPPORTED', `knet over SCTP is not available for interface ${link.linkId}`, {
    key: `totem.interface.${link.linkId}.knet_transport`,
    hint: 'Use knet_transport: udp on every node',
  });
}

/** Only the files: a filled map, with the mistakes of the parser in `errors`. A ConfigError: the file is not readable. */
export async function parseConfiguration(
  file: string,
  environment: ConfigEnvironment,
): Promise<ConfigBuilder | ConfigError> {
  const main = await readConfigFile(file, environment);
  if (main instanceof ConfigError) return main;
  const extra: (readonly [string, Uint8Array])[] = [];
  for (const path of await environment.listFiles(join(dirname(file), 'uidgid.d'))) {
    const bytes = await readConfigFile(path, environment);
    if (!(bytes instanceof ConfigError)) extra.push([path, bytes]); // Unreadable drop-ins are skipped, as in stock.
  }
  const accounts = await resolveAccounts([main, ...extra.map(([, bytes]) => bytes)], environment);
  const builder = new ConfigBuilder(accounts);
  builder.addFile(file, main);
  for (const [path, bytes] of extra) builder.addAccountFile(path, bytes);
  main.fill(0); // there may be a key in it
  return builder;
}

async function readConfigFile(file: string, environment: ConfigEnvironment): Promise<Uint8Array | ConfigError> {
  try {
    return await environment.readFile(file);
  } catch (error) {
    const { text } = systemReason(error);
    // A directory opens but has no lines (config-and-tools.md 1.4).
    if (text === 'Is a directory') return new Uint8Array(0);
    const stockMessage = `Can't read file ${file}: ${text}`;
    return new ConfigError('RONDO_CONFIG_READ', stockMessage, {
      stockMessage,
      hint: 'Give the path of the file (rondod -c PATH, rondo config check PATH)',
    });
  }
}

/** Looks up every name of `uidgid` sections beforehand: sources of accounts may be slow, the builder must not wait. */
async function resolveAccounts(files: readonly Uint8Array[], environment: ConfigEnvironment): Promise<AccountNames> {
  const names = { uid: new Map<string, number | null>(), gid: new Map<string, number | null>() };
  for (const bytes of files) {
    for (const token of lexConfig(bytes)) {
      if (token.kind === 'item' && (token.key === 'uid' || token.key === 'gid') && !/^[+]?\d+$/.test(token.value)) {
        names[token.key].set(token.value, null);
      }
    }
  }
  for (const [kind, map] of [['passwd', names.uid] as const, ['group', names.gid] as const]) {
    for (const name of map.keys()) map.set(name, await environment.accountId(kind, name));
  }
  return {
    userId: (name) => names.uid.get(name) ?? null,
    groupId: (name) => names.gid.get(name) ?? null,
  };
}

async function checkStateDirectory(
  path: string,
  positions: ReadonlyMap<string, Position>,
  environment: ConfigEnvironment,
): Promise<ConfigError | null> {
  try {
    await environment.enterDirectory(path);
    return null;
  } catch (error) {
    const stockMessage = `Cannot chdir to state directory ${path}. ${systemReason(error).text}`;
    return new ConfigError('RONDO_CONFIG_STATE_DIRECTORY', stockMessage, {
      stockMessage,
      exitCode: ConfigExit.STATE_DIRECTORY,
      position: positions.get('system.state_dir'),
      key: 'system.state_dir',
      hint: 'Create the directory',
    });
  }
}

function failed(
  file: string,
  errors: readonly ConfigError[],
  warnings: readonly ConfigWarning[],
  logging: LoggingConfig | null,
): FailedConfiguration {
  return { ok: false, file, errors, exitCode: errors[0]?.exitCode ?? ConfigExit.MAIN_CONFIG, warnings, logging };
}
