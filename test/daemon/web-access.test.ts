import { chmodSync, copyFileSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { nodeEnvironment } from '../../src/config/environment.ts';
import { warningText } from '../../src/config/errors.ts';
import { Icmap } from '../../src/config/icmap/index.ts';
import { type LoadedConfiguration, loadConfiguration } from '../../src/config/load.ts';
import { Observation } from '../../src/daemon/observation.ts';
import { bytesOf, type CertificateFiles, makeCertificate, noOpenssl } from '../web/certificates.ts';

// Where metrics are served, to whom, and what is said of files that cannot serve: a configuration file, and what becomes of it.

const PORT = 31_000 + (process.pid % 1000);
const environment = {
  ...nodeEnvironment(),
  hostname: () => 'web-host',
  localAddresses: () => ['127.0.0.1'],
  lookup: async () => [],
  reverse: async () => null,
};

interface Served {
  readonly lines: readonly string[];
  readonly loaded: LoadedConfiguration;
  /** As at the end of a reload. */
  reloaded(): void;
}

const NEVER = (): never => {
  throw new Error('nobody asks for it here');
};

async function serve(t: Test, directory: string, system: readonly string[]): Promise<Served> {
  const file = join(directory, 'corosync.conf');
  const head = 'totem {\nversion: 2\n}\nnodelist {\nnode {\nnodeid: 1\nname: a\nring0_addr: 127.0.0.1\n}\n}\n';
  writeFileSync(file, `${head}system {\n${system.join('\n')}\n}\n`);
  const loaded = await loadConfiguration({ file }, { purpose: 'start', environment, stateDirectory: directory });
  if (!loaded.ok) throw loaded.errors[0];
  const cmap = Icmap.withStockAccess();
  cmap.copyFrom(loaded.map);
  const lines: string[] = [];
  const observation = new Observation({
    identity: { cluster: '', version: '', startedAtMs: 0 },
    cmap,
    positions: loaded.positions,
    log: (level, _subsystem, text) => lines.push(`${level} ${text.replaceAll(directory, 'D')}`),
    counters: { raw: () => 0, namesBelow: () => [] },
    watch: { total: { count: 0, ms: 0 }, last: null },
    totem: () => loaded.totem,
    stateWord: () => 0,
    quorum: () => ({ provider: '', quorate: true, votes: null, words: () => [] }),
    clients: () => [],
    seen: () => [],
    loopTurns: () => 1,
    ringHeap: async () => ({ usedBytes: 0, collections: [] }),
    flightRecords: NEVER,
  });
  observation.begin();
  t.teardown(() => observation.end());
  return {
    lines,
    loaded,
    reloaded() {
      cmap.setU8('config.reload_in_progress', 1);
      cmap.setU8('config.reload_in_progress', 0);
    },
  };
}

/** Common name of the certificate that is shown, and the status of the response. */
function ask(port: number, token: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
    const options = { host: '127.0.0.1', port, path: '/healthz', agent: false, rejectUnauthorized: false, headers };
    const asked = request(options, (response) => {
      response.resume();
      response.on('end', () => resolve(`${subject} ${response.statusCode}`));
    });
    let subject = '';
    asked.on('socket', (socket) => {
      socket.on('secureConnect', () => {
        if ('getPeerCertificate' in socket && typeof socket.getPeerCertificate === 'function')
          subject = String(socket.getPeerCertificate().subject.CN);
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

function place(directory: string, from: CertificateFiles): { certificate: string; key: string } {
  const to = { certificate: join(directory, 'http.crt'), key: join(directory, 'http.key') };
  for (const part of ['certificate', 'key'] as const) {
    rmSync(to[part], { force: true });
    copyFileSync(from[part], to[part]);
  }
  chmodSync(to.key, 0o400);
  return to;
}

t.test('TLS by corosync.conf, and another certificate and token by a reload', { skip: noOpenssl }, async (t) => {
  const directory = realpathSync(t.testdir({}));
  const made = join(directory, 'made');
  mkdirSync(made);
  const [first, second] = [makeCertificate(made, 'first'), makeCertificate(made, 'second', ['-days', '3'])];
  const files = place(directory, first);
  const token = join(directory, 'token');
  writeFileSync(token, 'the-first-token-of-two\n', { mode: 0o400 });
  const { lines, reloaded } = await serve(t, directory, [
    `metrics: 127.0.0.1:${PORT}`,
    `http_certificate_file: ${files.certificate}`,
    `http_key_file: ${files.key}`,
    `http_token_file: ${token}`,
  ]);
  t.match(lines, [
    /^info Serving \/metrics at 127\.0\.0\.1:\d+ over TLS \(CN=first, valid until \d{4}-.*\), to those who/,
  ]);
  t.equal(await ask(PORT, 'the-first-token-of-two'), 'first 200');
  t.equal(await ask(PORT, ''), 'first 401');

  place(directory, second);
  rmSync(token);
  writeFileSync(token, 'the-second-token-of-two\n', { mode: 0o400 });
  t.equal(await ask(PORT, 'the-first-token-of-two'), 'first 200', 'until the reload nothing changes');
  reloaded();
  t.match(lines.at(-1), /^info 127\.0\.0\.1:\d+ has another certificate from now on: CN=second, valid until/);
  t.equal(await ask(PORT, 'the-second-token-of-two'), 'second 200');
  t.equal(await ask(PORT, 'the-first-token-of-two'), 'second 401');

  writeFileSync(files.certificate, bytesOf(first.certificate));
  reloaded();
  t.match(
    lines.at(-1),
    /^warning D\/corosync\.conf:14:16: 127\.0\.0\.1:\d+ goes on with the token and the certificate that it has: the key file D\/http\.key cannot serve: it is not the key of the certificate$/,
  );
  t.equal(await ask(PORT, 'the-second-token-of-two'), 'second 200');
  const before = lines.length;
  place(directory, second);
  reloaded();
  t.equal(lines.length, before, 'nothing is said when nothing has changed');
});

t.test('what is not served, with its place in the file', { skip: noOpenssl }, async (t) => {
  const directory = realpathSync(t.testdir({}));
  const { certificate, key } = makeCertificate(directory, 'node');
  const open = join(directory, 'open.key');
  writeFileSync(open, bytesOf(key));
  chmodSync(open, 0o644);
  const large = join(directory, 'large.crt');
  writeFileSync(large, 'x'.repeat(70_000));
  const at = `metrics: 127.0.0.1:${PORT}`;
  for (const [system, wanted] of [
    [
      [at, `http_key_file: ${key}`],
      /^error D\/corosync\.conf:13:16: system\.metrics 127\.\S+ is not served: system\.http_certificate_file is missing/,
    ],
    [[at, `http_certificate_file: ${certificate}`], /D\/corosync\.conf:13:24: .*system\.http_key_file is missing/],
    [
      [at, `http_certificate_file: ${certificate}`, `http_key_file: ${open}`],
      /:14:16: .* D\/open\.key is not secret: everybody can read it/,
    ],
    [[at, `http_certificate_file: ${certificate}`, `http_key_file: D/no`], /:14:16: .* cannot be read: ENOENT/],
    [[at, `http_certificate_file: ${certificate}`, `http_key_file: ${directory}`], /:14:16: .* cannot be read: EISDIR/],
    [[at, `http_certificate_file: ${large}`, `http_key_file: ${key}`], /:13:24: .* has more than 65536 bytes/],
    [[at, `http_certificate_file: ${key}`, `http_key_file: ${key}`], /:13:24: .* it holds no certificate in PEM/],
    [
      [`metrics: 0.0.0.0:${PORT}`],
      /^error D\/corosync\.conf:12:10: system\.metrics 0\.0\.0\.0:\d+ is not served: everybody in the network/,
    ],
    [
      ['dashboard: 9180'],
      /^error D\/corosync\.conf:12:12: system\.dashboard 9180 is not served: it is no ADDRESS:PORT/,
    ],
  ] as const) {
    const { lines } = await serve(t, directory, system);
    t.equal(lines.length, 1, system.join(' '));
    t.match(lines[0], wanted);
  }
  const { lines } = await serve(t, directory, [
    `metrics: 0.0.0.0:${PORT + 1}`,
    `http_certificate_file: ${certificate}`,
    `http_key_file: ${key}`,
  ]);
  t.match(lines, [
    /^info Serving .* over TLS/,
    /^warning .*everybody who reaches it may read; system\.http_token_file/,
  ]);
  t.equal(await ask(PORT + 1, ''), 'node 200', 'a certificate is enough for an address of the network');
});

t.test('the check of the file sees what it can without the files', async (t) => {
  const directory = realpathSync(t.testdir({}));
  const found = async (...system: readonly string[]): Promise<readonly string[]> => {
    const { loaded } = await serve(t, directory, ['ipc_instance: x', ...system]);
    return loaded.warnings
      .filter(({ code }) => code === 'web')
      .map((one) => warningText(one).replaceAll(directory, 'D'));
  };
  t.same(await found(), []);
  t.same(await found('metrics: unix:/nowhere/x', 'dashboard: 127.0.0.1:1'), []);
  t.match(await found('dashboard: 10.0.0.1:80'), [/^D\/corosync\.conf:13:12: 10\.0\.0\.1:80 is not served: everybody/]);
  t.same(await found('metrics: 10.0.0.1:80', 'http_token_file: /x'), []);
  t.match(await found('http_key_file: /x'), [/:13:16: Metrics and page are not served: system\.http_certificate_file/]);
});
