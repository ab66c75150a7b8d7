import { posix } from 'node:path';
import { type Import, importsOf, type Source } from './sources.ts';

/**
 * Who may import whom: the arrows of docs/architecture.md. A target is a folder of src/, one file of it, a package,
 * or, after `type `, something of which only types may be used. An own folder is always allowed.
 */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  os: ['koffi', 'lib'],
  config: ['lib', 'os/interfaces.ts'],
  observe: ['lib', 'config', 'pino'],
  bridge: ['lib', 'type config'],
  totem: ['lib'],
  knet: ['lib'],
  transport: ['os', 'totem', 'knet', 'type config', 'lib'],
  ipc: ['os', 'lib'],
  client: ['ipc', 'lib', 'os', 'services/codec'],
  /** Building blocks of programs, on top of the client. */
  platform: ['client', 'os/errno.ts', 'os/fd.ts', 'lib'],
  services: ['lib', 'config', 'totem/interface.ts', 'ipc/interface.ts'],
  /** Clusters in one process for tests: real engines over a ring without a network. */
  testing: ['services', 'client', 'config', 'lib'],
  ring: [
    'bridge',
    'transport',
    'totem',
    'knet',
    'services/cpg',
    'services/sync',
    'services/engine.ts',
    'services/codec',
    'services/host/admission.ts',
    'services/host/flow-control.ts',
    'ipc',
    'os',
    'observe',
    'type config',
    'lib',
  ],
  /** The quorum device's protocol and the arbiter's algorithms: pure. */
  qnet: ['lib'],
  /** The two daemons around them: sockets, TLS, control sockets, keys. */
  arbiter: ['qnet', 'client', 'web', 'config/key-material.ts', 'os', 'lib'],
  /** A node within a program: the daemon without its process. */
  node: [
    'daemon',
    'client',
    'config',
    'ipc',
    'services/host',
    'services/engine.ts',
    'cli/demo/generate.ts',
    'os',
    'lib',
  ],
  /** What others may watch: metrics and the page. */
  web: ['os', 'lib'],
  /** Events to receivers outside: used by the daemon and by commands. */
  notify: ['os', 'lib'],
  daemon: [
    'notify',
    'web',
    'bridge',
    'ring',
    'transport',
    'totem',
    'knet',
    'services',
    'ipc',
    'os',
    'observe',
    'config',
    'lib',
    'pino',
  ],
  /** Predictions: the daemon's cores of all nodes on virtual time. */
  sim: [
    'totem',
    'knet',
    'transport/knet/knet-config.ts',
    'transport/knet/knet-addresses.ts',
    'services/sync',
    'services/votequorum',
    'services/codec',
    'services/engine.ts',
    'config/options/index.ts',
    'type config',
    'lib',
  ],
  /** Captures of a ring's traffic: the decoders of the protocol cores, with the keys and libraries around them. */
  decode: [
    'os',
    'totem',
    'knet',
    'transport/knet/crypto-provider.ts',
    'transport/knet/library-compression.ts',
    'services/codec',
    'services/connectivity/messages.ts',
    'lib',
  ],
  cli: [
    'notify',
    'arbiter',
    'qnet',
    'client',
    'decode',
    'sim',
    'services/codec',
    'services/votequorum/forecast.ts',
    'services/votequorum/words.ts',
    'services/quorum/providers.ts',
    'config',
    'observe',
    'ipc',
    'os',
    'lib',
    'type daemon',
  ],
};

/** Folders whose code is a function of its arguments: no I/O, clock, randomness or logging. */
export const PURE = ['totem', 'knet', 'qnet', 'lib'] as const;

/**
 * Hubs, which join the parts of a thread, and who may know them: whoever makes them. A part that imports its hub, if only as a type, can
 * reach everything; it gets a narrow interface of its own instead.
 */
export const HUBS: Readonly<Record<string, readonly string[]>> = {
  'src/daemon/daemon.ts': ['src/daemon/main.ts', 'src/node/create-node.ts'],
  'src/ring/running-ring.ts': ['src/ring/ring-thread.ts', 'src/ring/warm-up/practice-node.ts'],
  'src/ring/ring-thread.ts': ['src/ring/run.ts'],
};

export interface Breach {
  readonly where: string;
  readonly what: string;
}

/** Imports that go against the arrows. */
export function breaches(sources: readonly Source[]): readonly Breach[] {
  return sources.flatMap((source) => {
    const [, folder] = /^src\/([^/]+)\//.exec(source.path) ?? [];
    const allowed = folder === undefined ? undefined : LAYERS[folder];
    if (folder === undefined || allowed === undefined) {
      return [{ where: source.path, what: 'is in no known layer: add it to the table of layers, with its arrows' }];
    }
    return importsOf(source)
      .filter((item) => !isAllowed(source, folder, allowed, item))
      .map((item) => ({ where: `${source.path}:${item.line}`, what: `${folder} may not import ${item.specifier}` }));
  });
}

/** Imports of a hub by a part of it. */
export function hubBreaches(sources: readonly Source[]): readonly Breach[] {
  return sources.flatMap((source) =>
    importsOf(source).flatMap(({ specifier, line }) => {
      const target = specifier.startsWith('.') ? posix.join(posix.dirname(source.path), specifier) : specifier;
      const makers = HUBS[target];
      if (makers === undefined || makers.includes(source.path)) return [];
      return [{ where: `${source.path}:${line}`, what: `imports the hub ${target}: it gets an interface of its own` }];
    }),
  );
}

function isAllowed(source: Source, folder: string, allowed: readonly string[], item: Import): boolean {
  if (item.specifier.startsWith('node:')) return !PURE.some((pure) => pure === folder) || folder === 'lib';
  if (!item.specifier.startsWith('.')) return matches(allowed, item.specifier, item.typeOnly);
  const target = posix.join(posix.dirname(source.path), item.specifier);
  if (target.startsWith(`src/${folder}/`)) return true;
  return target.startsWith('src/') && matches(allowed, target.slice('src/'.length), item.typeOnly);
}

function matches(allowed: readonly string[], target: string, typeOnly: boolean): boolean {
  return allowed.some((entry) => {
    const [, kind, path] = /^(type )?(.*)$/.exec(entry) ?? [];
    if (kind !== undefined && !typeOnly) return false;
    return target === path || target.startsWith(`${path}/`) || target === `${path}.ts`;
  });
}
