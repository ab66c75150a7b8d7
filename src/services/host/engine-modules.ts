import { pathToFileURL } from 'node:url';
import type { LogFunction } from '../../lib/log.ts';
import { HANDLERS_MAX, SERVICES_MAX } from '../codec/ids.ts';
import { ENGINE_INTERFACE_VERSION, type MainEngineContext, type ServiceEngine } from '../engine.ts';
import { fromVersion1 } from './engine-version-1.ts';

/** The items of a `service { … }` section: `name`, `path`, and whatever the engine understands. */
export type EngineModuleOptions = Readonly<Record<string, string>>;

/** What a module must export (docs/service-engines.md). */
export interface EngineModule {
  readonly interfaceVersion: number;
  /** A `ServiceEngine<MainEngineContext>` or a promise of one; a module of an older version: what an engine was there. */
  createEngine(options: EngineModuleOptions): unknown;
}

/** The oldest version of the interface that modules may be written for. */
const ENGINE_INTERFACE_VERSION_MIN = 1;
/** Ids below are stock's services and reserved ones. */
export const MODULE_SERVICE_ID_MIN = 16;
/** Engines that come with the daemon and need no path. */
const SHIPPED: Readonly<Record<string, string>> = { evs: new URL('../evs/engine.js', import.meta.url).href };
const NAME = /^[a-z][a-z0-9_]{0,31}$/;
const STOCK_NAMES = ['cmap', 'cfg', 'cpg', 'quorum', 'pload', 'votequorum', 'mon', 'wd'];

export interface ModuleLoader {
  readonly log: LogFunction;
  /** The real path of a file that nobody but root and the daemon's user can change; throws for any other. */
  trusted(path: string): string;
  /** `import()`; tests give modules of their own. */
  import(url: string): Promise<unknown>;
}

/**
 * Makes the engines that the configuration names. One that cannot be made is reported and left out: the daemon starts
 * without it.
 */
export async function loadEngineModules(
  blocks: readonly EngineModuleOptions[],
  loader: ModuleLoader,
): Promise<ServiceEngine<MainEngineContext>[]> {
  const engines: ServiceEngine<MainEngineContext>[] = [];
  for (const block of blocks) {
    if (isOldBlock(block)) {
      loader.log('debug', 'SERV', 'A service section without path, for Corosync 1, has no effect', 'old section');
      continue;
    }
    try {
      const engine = await makeEngine(block, loader);
      const twin = engines.find((other) => other.serviceId === engine.serviceId || other.name === engine.name);
      if (twin !== undefined) throw new Error(`its name or id ${engine.serviceId} is taken by ${twin.name}`);
      engines.push(engine);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      loader.log('error', 'SERV', `Service engine ${block['name'] ?? '(no name)'} is not loaded: ${text}`);
    }
  }
  return engines;
}

/**
 * `service { name: pacemaker  ver: 0 }` and its like: written for Corosync 1, and still in files of today. Stock takes no notice, and has no `path`
 * there, so a section is ours when it names a module or an engine that we ship.
 */
const isOldBlock = ({ name, path }: EngineModuleOptions): boolean =>
  path === undefined && (name === undefined || !Object.hasOwn(SHIPPED, name));

async function makeEngine(block: EngineModuleOptions, loader: ModuleLoader): Promise<ServiceEngine<MainEngineContext>> {
  const { name, path } = block;
  if (name === undefined) throw new Error('a service section needs a name');
  const shipped = path === undefined ? SHIPPED[name] : undefined;
  if (!NAME.test(name)) throw new Error('a name is 1 to 32 of a-z, 0-9 and _, a letter first');
  if (STOCK_NAMES.includes(name)) throw new Error('the name is one of the built-in services');
  // A module is code of the daemon: the path that was checked is the one that is loaded.
  const file = path === undefined ? name : loader.trusted(path);
  const module = await loader.import(shipped ?? pathToFileURL(file).href);
  if (!isEngineModule(module)) throw new Error(`${file} exports no interfaceVersion and createEngine`);
  const { interfaceVersion } = module;
  if (interfaceVersion < ENGINE_INTERFACE_VERSION_MIN || interfaceVersion > ENGINE_INTERFACE_VERSION) {
    const known = `${ENGINE_INTERFACE_VERSION_MIN} to ${ENGINE_INTERFACE_VERSION}`;
    throw new Error(`${file} was written for version ${interfaceVersion} of the interface, this daemon has ${known}`);
  }
  const made: unknown = await module.createEngine(block);
  const engine = interfaceVersion === 1 ? fromVersion1(made) : made;
  if (!isEngine(engine)) throw new Error('it is not a service engine');
  const problem = problemOf(engine, name);
  if (problem !== null) throw new Error(problem);
  return engine;
}

function isEngineModule(module: unknown): module is EngineModule {
  if (typeof module !== 'object' || module === null) return false;
  const { interfaceVersion, createEngine } = module as Partial<EngineModule>;
  return typeof interfaceVersion === 'number' && typeof createEngine === 'function';
}

/** A module may be plain JavaScript: the shape is checked, not only typed. */
function isEngine(made: unknown): made is ServiceEngine<MainEngineContext> {
  if (typeof made !== 'object' || made === null) return false;
  const { calls, messages, start } = made as Partial<ServiceEngine<MainEngineContext>>;
  return typeof calls === 'object' && calls !== null && Array.isArray(messages) && typeof start === 'function';
}

function problemOf(engine: ServiceEngine<MainEngineContext>, name: string): string | null {
  const { serviceId, calls, messages } = engine;
  if (engine.name !== name) return `the engine calls itself ${engine.name}, the configuration ${name}`;
  const inRange = Number.isInteger(serviceId) && serviceId >= MODULE_SERVICE_ID_MIN && serviceId < SERVICES_MAX;
  if (!inRange) return `service id ${serviceId} is not within ${MODULE_SERVICE_ID_MIN} to ${SERVICES_MAX - 1}`;
  const ids = Object.values(calls).map(({ id }) => id);
  if (ids.length > HANDLERS_MAX || messages.length > HANDLERS_MAX) return `more than ${HANDLERS_MAX} functions`;
  const wrong = ids.find((id, at) => !(Number.isInteger(id) && id >= 0 && id < HANDLERS_MAX) || ids.indexOf(id) !== at);
  return wrong === undefined ? null : `request id ${wrong} is not one of 0 to ${HANDLERS_MAX - 1}, each once`;
}
