import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import { certificateDer, KeyDirectory } from '../../src/arbiter/authority.ts';
import { loadKeys, type TlsKeys } from '../../src/arbiter/keys.ts';
import { ServerLink } from '../../src/arbiter/qdevice/server-link.ts';
import { Connections } from '../../src/arbiter/qnetd/connections.ts';
import { QnetMessageType, TlsMode } from '../../src/qnet/ids.ts';
import { decodeQnet, encodeQnet } from '../../src/qnet/messages.ts';
import { SETTINGS } from '../qnet/arbiter-harness.ts';

const NAMES = { authority: 'QNet CA', certificate: 'Cluster Cert' };
const nss = existsSync('/usr/bin/certutil') && existsSync('/usr/bin/pk12util');
const openssl = existsSync('/usr/bin/openssl') ? false : 'openssl is not installed';
t.setTimeout(120_000); // making RSA keys takes its time
const work = mkdtempSync(join(tmpdir(), 'rondo-arbiter-'));
t.teardown(() => rmSync(work, { recursive: true, force: true }));

function directory(name: string): KeyDirectory {
  const keys = new KeyDirectory(join(work, name));
  keys.make(0o770);
  return keys;
}

const noWarning = (text: string): void => void t.fail(text);

/** The authority with its server, and the keys of a cluster, as the commands make them. */
function make(cluster = 'lab'): {
  readonly server: KeyDirectory;
  readonly node: KeyDirectory;
  readonly other: KeyDirectory;
} {
  const all = {
    server: directory(`server-${cluster}`),
    node: directory(`node-${cluster}`),
    other: directory(`other-${cluster}`),
  };
  all.server.makeAuthority('QNet CA');
  all.server.makeServer('Qnetd Server');
  const authority = readFileSync(all.server.file('ca.crt'));
  for (const keys of [all.node, all.other])
    keys.importAuthority(Buffer.concat([Buffer.from('Certificate:\n  text\n'), authority]));
  const certificate = certificateDer(all.server.sign(all.node.makeRequest(cluster)));
  all.other.importPkcs12(all.node.importSigned(certificate, 'Cluster Cert'));
  return all;
}

const LIMITS = {
  clientsMax: 100,
  perAddressMax: 2,
  handshakeMs: 5000,
  tlsPerSecond: 200,
  tlsPerAddressPerSecond: 8,
  sendMessagesMax: 32,
  backlog: 4,
  watchesClients: true,
  silenceFactor: 1.5,
};

/** What a device gets for PREINIT and INIT over TLS: an error code, or why the connection ended. */
async function converse(server: TlsKeys, client: TlsKeys, cluster: string, name = 'Qnetd Server'): Promise<string> {
  const port = await freePort();
  const connections = new Connections({ ...SETTINGS, tls: TlsMode.REQUIRED }, LIMITS, server, () => {});
  await connections.listen('127.0.0.1', port, null);
  try {
    return await new Promise<string>((resolve) => {
      const limit = { receiveBytesMax: 1 << 15, sendMessagesMax: 10, connectMs: 5000 };
      const link = ServerLink.open(
        { host: '127.0.0.1', port, family: 4 },
        limit,
        {
          opened: () =>
            link.send(encodeQnet(QnetMessageType.PREINIT, { sequence: 1, clusterName: Buffer.from(cluster) })),
          received: (bytes) => {
            const message = decodeQnet(bytes);
            if (message?.type === QnetMessageType.PREINIT_REPLY) {
              link.send(encodeQnet(QnetMessageType.STARTTLS, { sequence: 2 }));
              link.startTls(client, name);
              const init = { nodeId: 1, algorithm: 1, heartbeatMs: 8000, tieBreaker: { mode: 1, nodeId: 0 } };
              const ringId = { nodeId: 1, seq: 4n };
              link.send(encodeQnet(QnetMessageType.INIT, { sequence: 3, ...init, ringId }));
            } else {
              resolve(`error ${message?.error}`);
              link.end('shutdown');
            }
          },
          closed: (why) => resolve(why),
        },
        () => {},
      );
    });
  } finally {
    connections.close();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

t.test('keys that we make', { skip: openssl }, async (t) => {
  const { server, node, other } = make();
  const [serverKeys, nodeKeys, otherKeys] = [server, node, other].map(({ path }) =>
    loadKeys(path, NAMES, 'required', noWarning, work),
  ) as [TlsKeys, TlsKeys, TlsKeys];
  t.equal(await converse(serverKeys, nodeKeys, 'lab'), 'error 0', 'the node that made the request');
  t.equal(await converse(serverKeys, otherKeys, 'lab'), 'error 0', 'one that has the key from it');
  t.equal(await converse(serverKeys, nodeKeys, 'another'), 'serverClosed', 'a certificate of another cluster');
  t.equal(await converse(serverKeys, nodeKeys, 'lab', 'Somebody'), 'incompatible', 'a server with another name');
  t.equal(await converse(serverKeys, { ca: nodeKeys.ca }, 'lab'), 'serverClosed', 'no certificate');
  const strangers = make('strangers');
  const stranger = loadKeys(strangers.node.path, NAMES, 'required', noWarning, work);
  t.not(await converse(serverKeys, stranger, 'strangers'), 'error 0', 'another authority');
  const warnings: string[] = [];
  chmodSync(node.file('node.key'), 0o644);
  loadKeys(node.path, NAMES, 'required', (text) => warnings.push(text), work);
  t.match(warnings, [/node\.key is not secret: everybody can read it/]);
  chmodSync(node.file('node.key'), 0o600);
  t.equal(statSync(node.file('node.key')).mode & 0o777, 0o600);
  t.equal(statSync(server.file('ca.key')).mode & 0o777, 0o600);
  t.throws(() => node.importSigned(readFileSync(server.file('node.crt')), 'x'), /not for the key/);
  t.throws(
    () => loadKeys(join(work, 'nothing'), NAMES, 'required', noWarning, work),
    /neither ca\.crt nor an NSS database/,
  );
});

t.test('a second handshake on a connection is the work of one, and ends it', { skip: openssl }, async (t) => {
  const { server, node } = make('again');
  const [ofServer, ofNode] = [server, node].map(({ path }) => loadKeys(path, NAMES, 'required', noWarning, work));
  const port = await freePort();
  const connections = new Connections({ ...SETTINGS, tls: TlsMode.REQUIRED }, LIMITS, ofServer!, () => {});
  t.teardown(() => connections.close());
  await connections.listen('127.0.0.1', port, null);
  const raw = connect(port, '127.0.0.1');
  raw.write(encodeQnet(QnetMessageType.PREINIT, { sequence: 1, clusterName: Buffer.from('again') }));
  await once(raw, 'data');
  raw.removeAllListeners('data');
  raw.write(encodeQnet(QnetMessageType.STARTTLS, { sequence: 2 }));
  const { ca, cert, key } = ofNode!;
  const socket = connectTls({
    socket: raw,
    ca,
    cert,
    key,
    maxVersion: 'TLSv1.2',
    checkServerIdentity: () => undefined,
  });
  await once(socket, 'secureConnect');
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  let again = false;
  socket.renegotiate({ rejectUnauthorized: false }, (error) => {
    again = error === null;
  });
  await closed;
  t.equal(again, false);
  t.same(connections.handshakes, { begun: 1, delayed: 0 });
});

t.test('a certificate that has expired: of the authority, and of anybody', { skip: openssl }, async (t) => {
  const { server, node } = make('expired');
  const nodeKeys = loadKeys(node.path, NAMES, 'required', noWarning, work);
  const { ca, key } = loadKeys(server.path, NAMES, 'required', noWarning, work);
  const impostor = directory('impostor');
  impostor.makeAuthority('QNet CA');
  const run = (...args: readonly string[]): Buffer => execFileSync('/usr/bin/openssl', args, { stdio: 'pipe' });
  const [request, expired] = [join(work, 'request'), ['-days', '-1', '-set_serial', '9']];
  run('req', '-new', '-key', server.file('node.key'), '-subj', '/CN=Qnetd Server', '-out', request);
  const signedBy = ({ path }: KeyDirectory): Buffer =>
    run('x509', '-req', '-in', request, '-CA', join(path, 'ca.crt'), '-CAkey', join(path, 'ca.key'), ...expired);
  const selfSigned = run('x509', '-req', '-in', request, '-signkey', server.file('node.key'), '-days', '-1');
  const outcome = (cert: Buffer): Promise<string> => converse({ ca, key: key!, cert }, nodeKeys, 'expired');
  t.equal(await outcome(signedBy(server)), 'error 0', 'that of the authority still serves');
  t.equal(await outcome(selfSigned), 'incompatible', 'one that its owner has signed');
  t.equal(await outcome(signedBy(impostor)), 'incompatible', 'one of another authority with the same name');
});

t.test(
  'root makes keys in a directory of another user, who exchanges it',
  { skip: openssl || (process.geteuid?.() !== 0 && 'needs root') },
  (t) => {
    const place = mkdtempSync(join(work, 'of-user-'));
    chownSync(place, 65_534, 65_534);
    const keys = new KeyDirectory(join(place, 'keys'));
    keys.make(0o770);
    keys.write('ca.crt', Buffer.from('x'), 0o644);
    t.same([statSync(keys.path).uid, statSync(keys.file('ca.crt')).uid], [65_534, 65_534], 'they are his');
    const [victim, file] = [join(work, 'of-root'), join(work, 'of-root', 'ca.crt')];
    mkdirSync(victim);
    writeFileSync(file, 'root');
    rmSync(keys.path, { recursive: true });
    symlinkSync(victim, keys.path);
    lchownSync(keys.path, 65_534, 65_534);
    t.throws(() => keys.make(0o770), /symbolic link/);
    t.throws(() => keys.write('ca.crt', Buffer.from('x'), 0o644), /symbolic link/);
    t.same([statSync(victim).uid, statSync(file).uid, readFileSync(file, 'utf8')], [0, 0, 'root']);
    t.end();
  },
);

t.test('pcs and NSS see a directory of our keys as one that has keys', { skip: openssl }, async (t) => {
  const keys = directory('marked');
  keys.makeAuthority('QNet CA');
  keys.mark();
  const look =
    'from pcs.lib.corosync.qdevice_net import _nss_certificate_db_initialized as f; import sys; print(f(sys.argv[1]))';
  const pcs = spawnSync('/usr/bin/python3', ['-c', look, keys.path], { encoding: 'utf8' });
  if (/No module named/.test(pcs.stderr)) t.comment('pcs is not installed');
  else t.equal(pcs.stdout, 'True\n', pcs.stderr);
  if (!nss) return t.comment("NSS's tools are not installed");
  // The way back: stock's command makes its database in the same place.
  execFileSync('certutil', ['-N', '-d', keys.path, '--empty-password'], { stdio: 'pipe' });
  t.match(execFileSync('certutil', ['-L', '-d', keys.path], { encoding: 'utf8' }), /Certificate Nickname/);
});

t.test('a name in which OpenSSL would find more than a name', { skip: openssl }, async (t) => {
  const name = 'a/CN=Qnetd Server+O=x,\\é';
  const keys = directory('odd');
  keys.makeAuthority('QNet CA');
  keys.makeServer(name);
  const { subject } = new X509Certificate(readFileSync(keys.file('node.crt'))).toLegacyObject();
  t.same(subject, { __proto__: null, CN: name });
});

t.test(
  'an NSS database, and its tools with our files',
  { skip: openssl || (!nss && "NSS's tools are not installed") },
  async (t) => {
    const { server, node } = make('nss');
    const database = join(work, 'database');
    mkdirSync(database);
    const password = join(database, 'pwdfile.txt');
    writeFileSync(password, '');
    const run = (name: string, ...args: readonly string[]): Buffer => execFileSync(name, args, { stdio: 'pipe' });
    run('certutil', '-N', '-d', database, '-f', password);
    run(
      'certutil',
      '-A',
      '-d',
      database,
      '-t',
      'CT,c,c',
      '-n',
      'QNet CA',
      '-f',
      password,
      '-i',
      server.file('ca.crt'),
      '-a',
    );
    writeFileSync(join(work, 'node.p12'), node.importSigned(readFileSync(node.file('node.crt')), 'Cluster Cert'));
    run('pk12util', '-i', join(work, 'node.p12'), '-d', database, '-W', '', '-k', password);
    await throughDatabase(t, server, database);
    if (process.getuid?.() === 0) t.equal(asReader(database), 'its key', 'for one who may only read it, too');
    // What stock's certutil exports is read, too.
    run('pk12util', '-o', join(work, 'stock.p12'), '-d', database, '-W', '', '-n', 'Cluster Cert');
    const third = directory('third');
    third.importAuthority(run('certutil', '-L', '-d', database, '-n', 'QNet CA', '-r'));
    third.importPkcs12(readFileSync(join(work, 'stock.p12')));
    const keys = loadKeys(third.path, NAMES, 'required', noWarning, work);
    t.equal(await converse(loadKeys(server.path, NAMES, 'required', noWarning, work), keys, 'nss'), 'error 0');
  },
);

/** What the arbiter's own user, whom stock's package lets read, is told of a database. */
function asReader(database: string): string {
  chmodSync(work, 0o711);
  const place = mkdtempSync(join(work, 'of-reader-'));
  chownSync(place, 65_534, 65_534);
  for (const name of ['cert9.db', 'key4.db']) chmodSync(join(database, name), 0o644);
  const program = [
    `import { loadKeys } from ${JSON.stringify(import.meta.resolve('../../src/arbiter/keys.js'))};`,
    'process.setgroups([]); process.setgid(65534); process.setuid(65534);',
    `const keys = loadKeys(${JSON.stringify(database)}, ${JSON.stringify(NAMES)}, 'required', () => undefined, ${JSON.stringify(place)});`,
    "console.log(keys.pfx === undefined ? 'no key' : 'its key');",
  ].join('\n');
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { TMPDIR: '/nowhere' }, // the environment has no say
  });
  return `${stdout}${stderr}`.trim();
}

async function throughDatabase(t: Test, server: KeyDirectory, database: string): Promise<void> {
  const keys = loadKeys(database, NAMES, 'required', noWarning, work);
  t.ok(keys.pfx, 'the database gave its key');
  const ofServer = loadKeys(server.path, NAMES, 'required', noWarning, work);
  t.equal(await converse(ofServer, keys, 'nss'), 'error 0');
  const before = process.cpuUsage();
  for (let turn = 0; turn < 4; turn++) t.equal(await converse(ofServer, keys, 'nss'), 'error 0');
  const { user, system } = process.cpuUsage(before);
  t.ok(user + system < 700_000, `what NSS sealed is opened once: ${(user + system) / 1000} ms for four connections`);
}
