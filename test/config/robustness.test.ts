import fc from 'fast-check';
import t from 'tap';
import { AddressRetry, type ResolvedAddress, withAddresses } from '../../src/config/address-retry.ts';
import { type ConfigEnvironment, nodeEnvironment } from '../../src/config/environment.ts';
import { isValidKey } from '../../src/config/icmap/index.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { ConfigBuilder } from '../../src/config/parser/builder.ts';
import { latin1, latin1Bytes, lexConfig } from '../../src/config/parser/lexer.ts';

const NOBODY = { userId: () => null, groupId: () => null };
const line = fc.oneof(
  fc.string({ maxLength: 40, unit: fc.constantFrom(...'ab:{}# \t\r\0\xa0.1-_/') }),
  fc.constantFrom(
    'totem {',
    'interface {',
    'nodelist {',
    'node {',
    'logging {',
    'logger_subsys {',
    'uidgid {',
    '}',
    '}',
  ),
  fc.constantFrom(
    'token: 5',
    'linknumber: 1',
    'ttl: 4',
    'nodeid: 7',
    'subsys: A',
    'uid: 0',
    'memberaddr: x',
    'version: 2',
  ),
);
const text = fc.array(line, { maxLength: 40 }).map((lines) => lines.join('\n'));

t.test('no bytes make the parser throw, and what it stores is storable', async (t) => {
  fc.assert(
    fc.property(fc.oneof(text.map(latin1Bytes), fc.uint8Array({ maxLength: 2000 })), (bytes) => {
      const builder = new ConfigBuilder(NOBODY);
      builder.addFile('file', bytes);
      for (const { key } of builder.map.entries()) if (!isValidKey(key)) return false;
      return builder.errors.every(
        ({ position }) => position !== undefined && position.line >= 0 && position.column >= 1,
      );
    }),
    { numRuns: 500 },
  );
  t.pass('held');
});

t.test('the lexer ends with the last line and counts all of them', async (t) => {
  fc.assert(
    fc.property(text, (content) => {
      const tokens = [...lexConfig(latin1Bytes(content))];
      const lines = content === '' ? 0 : content.replace(/\n$/, '').split('\n').length;
      const last = tokens.at(-1);
      return last?.kind === 'end' && last.line === lines && tokens.slice(0, -1).every((token) => token.line <= lines);
    }),
  );
  t.pass('held');
});

t.test('a line with a key is cut like every other, without a string', async (t) => {
  const blanks = fc.string({ maxLength: 3, unit: fc.constantFrom(' ', '\t') });
  const rest = fc.string({ maxLength: 20, unit: fc.constantFrom(...'ab: \t{}#=\r\0') });
  fc.assert(
    fc.property(blanks, blanks, fc.constantFrom(':', '::', '', '{'), rest, (before, between, mark, value) => {
      // `kez` goes the ordinary way.
      const read = (name: string) => {
        const [token] = lexConfig(latin1Bytes(`${before}${name}${between}${mark}${value}`));
        if (token?.kind !== 'item') return { ...token, text: '' };
        const { secret, value: text, ...others } = token;
        return { ...others, key: '', text: secret === undefined ? text : latin1(secret) };
      };
      return JSON.stringify(read('key')) === JSON.stringify(read('kez')).replaceAll('kez', 'key');
    }),
    { numRuns: 3000 },
  );
  t.pass('held');
});

const FILE = `totem {\nversion: 2\n}\nnodelist {\nnode {\nnodeid: 1\nname: a\nring0_addr: 127.0.0.1\n}\nnode {\nnodeid: 2\nname: b\nring0_addr: slow.example\n}\n}\n`;
const silent: ConfigEnvironment = {
  ...nodeEnvironment(),
  hostname: () => 'a',
  localAddresses: () => ['127.0.0.1'],
  lookup: () => new Promise(() => {}),
  reverse: () => new Promise(() => {}),
  readFile: async () => latin1Bytes(FILE),
  listFiles: async () => [],
  enterDirectory: async () => {},
};

t.test('a name server that never answers delays a start by a second at most', async (t) => {
  const started = Date.now();
  const result = await loadConfiguration({ file: '/x/corosync.conf' }, { purpose: 'start', environment: silent });
  t.ok(result.ok && result.unresolved.length === 1);
  t.ok(Date.now() - started < 3_000);
});

t.test('names are asked for again until they resolve', async (t) => {
  const loaded = await loadConfiguration({ file: '/x/corosync.conf' }, { purpose: 'start', environment: silent });
  if (!loaded.ok) throw loaded.errors[0];
  const resolved = await new Promise<readonly ResolvedAddress[]>((resolve) => {
    const retry = new AddressRetry(resolve, {
      ...silent,
      lookup: async (_, family) => (family === 4 ? ['10.0.0.2'] : []),
    });
    retry.watch(loaded.unresolved);
    t.teardown(() => retry.stop());
    setTimeout(() => {}, 4_000); // the retry's timer does not keep the process alive
  });
  t.strictSame(withAddresses(loaded.totem, resolved).members[1]?.addresses, ['10.0.0.2']);
});
