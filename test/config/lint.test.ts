import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type ConfigEnvironment, nodeEnvironment } from '../../src/config/environment.ts';
import { type ConfigWarning, warningText } from '../../src/config/errors.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { PROGRAM_LISTS } from '../../src/services/quorum/providers.ts';

const environment: ConfigEnvironment = {
  ...nodeEnvironment(),
  hostname: () => 'lint-host',
  localAddresses: () => ['127.0.0.1'],
  lookup: async () => [],
  reverse: async () => null,
  enterDirectory: async () => {},
};
const directory = mkdtempSync(join(tmpdir(), 'lint-'));
const file = join(directory, 'corosync.conf');
t.teardown(() => rmSync(directory, { recursive: true }));

const BASE =
  'totem {\n  version: 2\n}\nnodelist {\n  node {\n    nodeid: 1\n    name: a\n    ring0_addr: 127.0.0.1\n  }\n}\n';

/** That it is plain text is said of every file here; only one test is about it. */
const notPlain = ({ code }: ConfigWarning): boolean => code !== 'plain-text';

async function lint(text: string, wanted: (warning: ConfigWarning) => boolean = notPlain): Promise<string[]> {
  writeFileSync(file, text, 'latin1');
  const result = await loadConfiguration({ file }, { purpose: 'test', environment, lists: PROGRAM_LISTS });
  const lines = result.warnings.filter(wanted).map(warningText);
  if (!result.ok) lines.push(...result.errors.map((error) => `error: ${error.message}`));
  return lines.map((line) => line.replaceAll(file, 'F').replaceAll(directory, 'D'));
}

t.test('nothing to say about a good file', async (t) => {
  t.strictSame(await lint(BASE), []);
  const pcs = `${BASE}totem {\n  cluster_uuid: 1234\n}\nnodelist {\n  node {\n    datacenterid: east\n  }\n}\n`;
  t.notMatch(await lint(pcs), ['cluster_uuid', 'datacenterid']);
});

t.test('what the next release of stock refuses', async (t) => {
  const plain = (text: string): Promise<string[]> => lint(`${BASE}${text}`, ({ code }) => code === 'plain-text');
  t.match(await plain(''), [/Without crypto_cipher this ring is not encrypted and not heard by the next release/]);
  t.match(await plain('totem {\n  transport: udpu\n}\n'), [/^F:12:14: Transport udpu is plain text/]);
  const key = `key: ${'k'.repeat(200)}`;
  t.match(await plain(`totem {\n  crypto_hash: sha1\n  ${key}\n}\n`), [/Without crypto_cipher/]);
  t.same(await plain(`totem {\n  secauth: on\n  ${key}\n}\n`), []);
});

t.test('system.compatibility: next', async (t) => {
  const key = `key: ${'k'.repeat(200)}`;
  const load = async (totem: string) => {
    writeFileSync(file, `${BASE}totem {\n${totem}\n}\nsystem {\n  compatibility: next\n}\n`);
    return loadConfiguration({ file }, { purpose: 'start', environment });
  };
  const errors = async (totem: string): Promise<readonly string[]> => {
    const result = await load(totem);
    return result.ok ? [] : result.errors.map((error) => error.message);
  };
  const encrypted = await load(key);
  t.match(encrypted, { ok: true, totem: { crypto: { cipher: 'aes256', hash: 'sha256' } } });
  t.equal(encrypted.ok && encrypted.map.getU16('runtime.config.totem.interface.0.mcastport'), 5405);
  t.match(await load(`${key}\ncrypto_cipher: aes128`), { totem: { crypto: { cipher: 'aes128', hash: 'sha256' } } });
  const named = async (name: string): Promise<string> => {
    const result = await load(`${key}\ncrypto_cipher: ${name}`);
    return result.ok ? result.totem.crypto.cipher : (result.errors[0]?.message ?? '');
  };
  const names = ['aes256-ctr', 'aes-128-ctr', 'aes192-cbc', 'aes-256-cbc'];
  const found: string[] = [];
  for (const name of names) found.push(await named(name));
  t.same(found, ['aes256-ctr', 'aes128-ctr', 'aes192', 'aes256']);
  for (const name of ['aes-256', 'aes256-gcm', 'aes512-ctr']) t.match(await named(name), /Invalid cipher type/);
  t.match(await errors(`${key}\nsecauth: off`), [/require enabled encryption/]);
  t.match(await errors(`${key}\ncrypto_hash: none`), [/crypto_cipher requires crypto_hash/]);
  t.match(await errors(`${key}\ncrypto_cipher: none`), [/require enabled encryption/]);
  t.match(await errors('transport: udpu'), [/Should be knet/]);
  t.match(await errors(''), [/Could not open .*authkey/], 'a key is needed');
  const unknown = (await lint(`${BASE}system {\n  compatibility: 4\n}\n`)).at(-1);
  t.equal(unknown, 'error: F:12:18: Invalid system.compatibility. Write 3.1 or next');
});

const STORIES: readonly (readonly [name: string, text: string, expected: readonly string[]])[] = [
  ['a slip', 'totem {\n  tokne: 5000\n}\n', ['F:12:3: Unknown key tokne. Did you mean token?']],
  [
    'a key in the wrong section',
    'quorum {\n  token: 5000\n}\n',
    ['F:12:3: Key token has no meaning in section quorum. It belongs to section totem'],
  ],
  [
    'a place where nobody can listen',
    'system {\n  metrics: localhost:9180\n  dashboard: 127.0.0.1:9181\n}\n',
    [
      'F:12:3: localhost:9180 is no address of metrics: localhost is no numeric address. Write for example 127.0.0.1:9180',
    ],
  ],
  [
    'a key outside of sections',
    'token: 5000\n',
    ['F:11:1: Key token stands outside of every section. It belongs to section totem'],
  ],
  [
    'options that do nothing here',
    '#\n#\n#\nsystem {\n  allow_knet_handle_fallback: yes\n}\npload {\n  count: 5\n}\n',
    [
      'F:15:3: allow_knet_handle_fallback: yes has no effect: no part of the set-up of the network needs privileges here, so that it cannot fail for want of them. Remove the line',
      'F:18:3: count has no effect: set it through cmap, as u32. Remove the line',
    ],
  ],
  [
    'options that do nothing only with other values',
    'system {\n  qb_ipc_type: native\n  allow_knet_handle_fallback: no\n}\n',
    [],
  ],
  ['a misspelt section', 'loging {\n  debug: on\n}\n', ['F:11:1: Unknown section loging. Did you mean logging?']],
  [
    'a section in the wrong place',
    'node {\n  nodeid: 2\n}\n',
    [
      'F:11:1: Section node has no meaning here. It belongs inside of nodelist; is a closing brace missing or one too many?',
    ],
  ],
  [
    'a section inside of a node',
    'nodelist {\n  node {\n    nodeid: 1\n    name: a\n    ring0_addr: 127.0.0.1\n    logging {\n    }\n  }\n}\n',
    [
      'F:11:1: A second nodelist overwrites the nodes of the first one by one. Put all nodes into one nodelist',
      'F:16:5: Section logging stands inside of nodelist.node, which holds no sections. Close the outer section first',
    ],
  ],
  [
    'old names',
    'totem {\n  interface {\n    ringnumber: 0\n  }\n}\n',
    ['F:13:5: ringnumber is not known any more. Write linknumber'],
  ],
  [
    'dead options',
    'totem {\n  rrp_mode: none\n}\n',
    ['F:12:3: rrp_mode is obsolete: it has had no effect since 3.0. Remove the line'],
  ],
  [
    'twice',
    'totem {\n  token: 5000\n  token: 6000\n}\n',
    ['F:13:3: totem.token is given again; the value of line 12 is lost. Remove one of the lines'],
  ],
  [
    'twice in a logger block',
    'logging {\n  logger_subsys {\n    subsys: CPG\n    debug: on\n    debug: off\n  }\n}\n',
    ['F:15:5: debug is given twice in this block; the first value counts here. Remove one of the lines'],
  ],
  [
    'blocks about one link',
    'totem {\n  interface {\n    mcastport: 6000\n  }\n  interface {\n    knet_pong_count: 3\n  }\n}\n',
    ['F:15:3: A block about linknumber 0 stands in line 12 already. Give every block its linknumber'],
  ],
  ['silent default', 'totem {\n  secauth: yes\n}\n', ['F:12:3: yes is no value of secauth. Write on or off']],
  [
    'quotes',
    'totem {\n  cluster_name: "x"\n}\n',
    ['F:12:3: The quotes are part of the value of cluster_name. Remove the quotes'],
  ],
  [
    'dropped number',
    'totem {\n  interface {\n    knet_ping_interval: 4294967295\n  }\n}\n',
    ['F:13:5: knet_ping_interval 4294967295 is too large and is ignored. Write a number below 2147483648'],
  ],
  [
    'two_node',
    'quorum {\n  provider: corosync_votequorum\n  two_node: 2\n  auto_tie_breaker: 1\n}\n',
    [
      'F:13:3: two_node is a switch; 2 acts as 1. Write 0 or 1',
      'F:13:13: two_node and auto_tie_breaker: two_node is switched off. Remove one of them',
    ],
  ],
];

t.test('a quorum provider that there is not', async (t) => {
  const text = `${BASE}quorum {\n  provider: corosync_votequorom\n}\n`;
  const line = 'F:12:13: Invalid quorum provider: the daemon does not start. Write corosync_votequorum';
  t.strictSame(await lint(text), [line]);
  t.strictSame(await lint(text.replace('votequorom', 'ykd')), [], 'one of the list');
  writeFileSync(file, text);
  const unlisted = await loadConfiguration({ file }, { purpose: 'test', environment });
  t.strictSame(unlisted.warnings.filter(notPlain), [], 'whoever has no list cannot say');
});

t.test('what stock accepts without a word', async (t) => {
  for (const [name, text, expected] of STORIES) t.strictSame(await lint(BASE + text), expected, name);
});

t.test('errors say where, what, and what to do', async (t) => {
  for (const [text, expected] of [
    [
      `${BASE}totem {\n  token: 5s\n}\n`,
      'F:12:10: Value of key "totem.token" is expected to be integer in range (0..4294967295), but "5s" was given. Write the number without a unit',
    ],
    [
      `${BASE}quorum {\n  two_node: yes\n}\n`,
      'F:12:13: Value of key "quorum.two_node" is expected to be integer in range (0..255), but "yes" was given. This switch is a number: write 1',
    ],
    [
      `${BASE}totem {\n\xc2\xa0 token: 5\n}\n`,
      `F:12:1: Can't store key "totem.\xc2\xa0 token" into icmap, returned error is CS_ERR_NAME_TOO_LONG. Remove a non-breaking space (U+00A0); names are made of A-Z a-z 0-9 . _ - / :`,
    ],
    [
      `\xef\xbb\xbf${BASE}`,
      `F:2:3: Can't store key "\xef\xbb\xbftotem.version" into icmap, returned error is CS_ERR_NAME_TOO_LONG. Remove a byte order mark (U+FEFF); names are made of A-Z a-z 0-9 . _ - / :`,
    ],
    [
      `${BASE}totem\n{\n`,
      'F:11:1: Line is not opening or closing section or key value. A line is SECTION {, KEY: VALUE, } or a comment that starts with #',
    ],
    [
      `${BASE}token = 5\n`,
      'F:11:1: Line is not opening or closing section or key value. Write KEY: VALUE, with a colon',
    ],
    [
      `${BASE}totem {\n} # end\n`,
      "F:12:3: Extra characters before or after closing bracket '}'. A comment needs a line of its own",
    ],
    [
      BASE.replace('nodeid: 1\n', ''),
      'F:7:17: Knet requires an explicit nodeid for the local node. Add nodeid: N to the node',
    ],
    [`${BASE}logging {\n  debug: yes\n}\n`, 'F:12:10: unknown value for debug. Write on, off or trace'],
    [
      `${BASE}totem {\n  crypto_cipher: aes256\n}\n`,
      'F:12:18: crypto_cipher requires crypto_hash with value other than none. Add crypto_hash: sha256',
    ],
  ] as const) {
    const lines = await lint(text);
    t.equal(
      lines.find((line) => line.startsWith('error: ')),
      `error: ${expected}`,
    );
  }
});

t.test('all mistakes of the grammar at once', async (t) => {
  const lines = await lint(`${BASE}junk\ntotem {\n  token: x\n  join: y\n`);
  t.equal(lines.length, 4);
});

t.test('backup copies in uidgid.d', async (t) => {
  mkdirSync(join(directory, 'uidgid.d'));
  writeFileSync(join(directory, 'uidgid.d', 'haclient~'), 'uidgid {\n  uid: 5\n}\n');
  t.strictSame(await lint(BASE), [
    'D/uidgid.d/haclient~:1:1: This looks like a backup copy, but every file of uidgid.d counts. Remove the file',
  ]);
  rmSync(join(directory, 'uidgid.d'), { recursive: true });
});

t.test('knet over SCTP passes the check and does not start', async (t) => {
  writeFileSync(file, `${BASE}totem {\n  interface {\n    knet_transport: sctp\n  }\n}\n`);
  const checked = await loadConfiguration({ file }, { purpose: 'test', environment });
  t.ok(checked.ok);
  const started = await loadConfiguration({ file }, { purpose: 'start', environment });
  t.ok(!started.ok && started.errors[0]?.code === 'RONDO_CONFIG_UNSUPPORTED');
});

t.test('accelerated_window', async (t) => {
  const of = (value: string): Promise<string[]> => lint(`${BASE}totem {\n  accelerated_window: ${value}\n}\n`);
  for (const value of ['auto', '0', '17']) t.same(await of(value), [], value);
  for (const value of ['yes', '-1', '1.5', '12345678'])
    t.match(await of(value), [
      /F:12.*accelerated_window.*neither auto nor a number of messages.*Write auto, 0 or a number/,
    ]);
});

t.test('transmit threads are for knet', async (t) => {
  const of = (transport: string, threads: string): string =>
    `${BASE.replace('version: 2', `version: 2\n  transport: ${transport}`)}system {\n  transmit_threads: ${threads}\n}\n`;
  const ofThreads = ({ code }: ConfigWarning): boolean => code === 'transmit';
  t.match(await lint(of('udpu', '2'), ofThreads), [/transmit_threads has no effect over udpu/]);
  t.same(await lint(of('udpu', '0'), ofThreads), []);
  t.same(await lint(of('knet', '2'), ofThreads), []);
});

t.test('a nozzle device that will not be there', async (t) => {
  const nozzle = (...lines: readonly string[]): Promise<string[]> =>
    lint(`${BASE}nozzle {\n  ${lines.join('\n  ')}\n}\n`);
  const good = ['name: noz0', 'ipaddr: 10.77.3.0', 'ipprefix: 24'];
  t.same(await nozzle(...good), []);
  t.match(await nozzle(...good, 'ipprefix: 31'), [/^F:12:9: There will be no nozzle device: .* <= 30 \(got 31\)/]);
  t.match(await nozzle(...good, 'macaddr: 01:54:01:00:00:00'), [
    /macaddr for nozzle device is not in the correct format/,
  ]);
  t.match(await nozzle('name: ../x', 'ipaddr: 10.77.3.0', 'ipprefix: 24'), [/is not one of an interface '\.\.\/x'/]);
  t.match(await nozzle('name: noz0', 'ipprefix: 24'), [/No IP address supplied/]);
  t.match(await nozzle('ipaddr: 10.77.3.0'), [/it has no name/]);
  t.match(
    await lint(
      `${BASE}totem {\n  transport: udpu\n}\nnozzle {\n  name: noz0\n  ipaddr: 10.77.3.0\n  ipprefix: 24\n}\n`,
    ),
    [/transport udpu has none/],
  );
});
