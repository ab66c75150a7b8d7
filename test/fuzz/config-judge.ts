import { readdirSync, readFileSync } from 'node:fs';
import { type ConfigEnvironment, nodeEnvironment } from '../../src/config/environment.ts';
import { warningText } from '../../src/config/errors.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { latin1, latin1Bytes } from '../../src/config/parser/lexer.ts';

const DIRECTORY = new URL('../../../test/vectors/conf/', import.meta.url);
/** Loading one file, the longest that is made here. */
const LOAD_MS_MAX = 3_000;

/** The configurations of the vectors. */
export const exampleConfigurations = (): string[] =>
  readdirSync(DIRECTORY)
    .filter((name) => name.endsWith('.conf'))
    .map((name) => latin1(readFileSync(new URL(name, DIRECTORY))));

export const CONFIG_VALUES = [
  '', '0', '-0', '1', '-1', '2', '8', '255', '256', '65535', '65536', '2147483647', '2147483648', '4294967295',
  '4294967296', '18446744073709551615', '18446744073709551616', '9'.repeat(300), '1e9', '0x10', '٣', 'yes', 'no', 'on',
  'trace', 'knet', 'udp', 'udpu', 'aes256', 'sha256', 'k'.repeat(200), 'k'.repeat(509), '127.0.0.1', '::1', 'fe80::1%lo',
  '::ffff:1.2.3.4', '999.1.1.1', '239.1.2.3', 'a.b.c', '.', '..', 'host-a', '__proto__', 'constructor', 'toString',
  '%s%n', '../../etc/shadow', '\x1b[2J', '\0', 'a{b', 'a}b', 'a:b', ': :', '#', '"', '\xff\xfe', 'lowest', '1 2 3',
]; // biome-ignore format: a table
export const CONFIG_NAMES = ['totem', 'nodelist', 'node', 'interface', 'member', 'logging', 'logger_subsys', 'logging_daemon', 'quorum', 'device', 'net', 'heuristics', 'uidgid', 'service', 'system', 'resources', 'nozzle', 'pload', '__proto__', 'constructor', 'x'.repeat(240), '']; // biome-ignore format: a table
export const CONFIG_JUNK = ['{', '}', '}}', '{{', ': x', 'key: x', 'key : y', 'a {', 'a { b', '} x', '#', '\r', '\0', 'x'.repeat(600), '\xef\xbb\xbftotem {', 'a:: {', '\t \t']; // biome-ignore format: a table

let current = '';
const environment: ConfigEnvironment = {
  ...nodeEnvironment(),
  hostname: () => 'host-a',
  localAddresses: () => ['127.0.0.1', '::1'],
  lookup: async (name, family) => (family === 4 && name.startsWith('host') ? ['10.0.0.9'] : []),
  reverse: async () => null,
  readFile: async () => latin1Bytes(current),
  readKeyFile: async () => ({ bytes: new Uint8Array(256).fill(3), mode: 0o400, uid: 0, gid: 0 }),
  listFiles: async () => [],
  openForAppend: async () => {},
  enterDirectory: async () => {},
  accountId: async () => 77,
};

/** Loads a text and returns what is wrong with the outcome; `null`: nothing. */
export async function judgeConfiguration(text: string, purpose: 'test' | 'start'): Promise<string | null> {
  current = text;
  const before = process.cpuUsage();
  const result = await loadConfiguration({ file: '/fuzz/corosync.conf' }, { purpose, environment });
  const { user, system } = process.cpuUsage(before); // not the clock: other work on the machine takes time, too
  const elapsedMs = (user + system) / 1000;
  if (elapsedMs > LOAD_MS_MAX) return `took ${Math.round(elapsedMs)} ms`;
  for (const { position } of result.warnings) if (position !== undefined && position.line < 1) return 'a line below 1';
  if (result.warnings.some((warning) => /undefined|\[object|NaN/.test(warningText(warning)))) return 'a broken text';
  if (result.ok) return Object.values(result.totem.timings).includes(Number.NaN) ? 'a timing is no number' : null;
  if (result.errors.length === 0) return 'refused without an error';
  // An unknown user with stock's mark for "not found" has no text.
  return result.errors.some(({ message }) => /undefined|\[object|NaN/.test(message)) ? 'a broken error' : null;
}
