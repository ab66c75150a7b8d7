import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import { parseListenAddress } from '../../src/lib/listen-address.ts';
import { WEB_LIMITS } from '../../src/web/limits.ts';
import { openListeningSocket } from '../../src/web/listening-socket.ts';
import { WebServer } from '../../src/web/server.ts';
import { TlsIdentity } from '../../src/web/tls.ts';
import { bytesOf, type CertificateFiles, makeCertificate, noOpenssl } from './certificates.ts';

let lastPort = 29_000 + (process.pid % 500) * 4;

function identity({ certificate, key }: CertificateFiles): TlsIdentity {
  const made = TlsIdentity.from(bytesOf(certificate), bytesOf(key), Date.now());
  if (!(made instanceof TlsIdentity)) throw new Error(`${made.file}: ${made.text}`);
  return made;
}

const access = (tls: TlsIdentity) => ({ rules: { token: null, localNamesOnly: false, scheme: 'https' }, tls }) as const;

function serve(t: Test, tls: TlsIdentity): { readonly port: number; readonly server: WebServer } {
  const port = lastPort++;
  const address = parseListenAddress(`127.0.0.1:${port}`);
  if (typeof address === 'string') throw new Error(address);
  const content = { metrics: async () => 'figures\n', page: null, health: () => '', readiness: () => '' };
  const server = new WebServer(openListeningSocket(address), content, access(tls), (text) => t.comment(text));
  server.open();
  t.teardown(() => server.close());
  return { port, server };
}

interface Reply {
  readonly status: number;
  readonly body: string;
  /** Common name of the server's certificate. */
  readonly subject: string;
}

/** One request as a reader makes it who knows one authority; rejects when the certificate is not of it. */
function get(port: number, authority: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const ca = readFileSync(authority);
    const asked = request({ host: '127.0.0.1', port, path: '/metrics', agent: false, ca, headers }, (response) => {
      const { socket } = response;
      const subject = 'getPeerCertificate' in socket ? connectionSubject(socket) : '';
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, subject }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

function connectionSubject(socket: Socket & { getPeerCertificate?: unknown }): string {
  const { getPeerCertificate } = socket;
  const found: unknown = typeof getPeerCertificate === 'function' ? getPeerCertificate.call(socket) : null;
  if (typeof found !== 'object' || found === null || !('subject' in found)) return '';
  const { subject } = found;
  return typeof subject === 'object' && subject !== null && 'CN' in subject ? String(subject.CN) : '';
}

/** Milliseconds until the other side ends the connection. */
function endOf(socket: Socket, startMs = performance.now()): Promise<number> {
  return new Promise((resolve) => {
    socket.on('error', () => {});
    socket.on('close', () => resolve(performance.now() - startMs));
    socket.resume();
  });
}

t.test('metrics over TLS', { skip: noOpenssl }, async (t) => {
  const directory = realpathSync(t.testdir({}));
  const [first, second] = [makeCertificate(directory, 'first'), makeCertificate(directory, 'second')];
  const { port, server } = serve(t, identity(first));
  t.match(await get(port, first.certificate), { status: 200, body: 'figures\n', subject: 'first' });
  await t.rejects(
    get(port, second.certificate),
    /self-signed|unable to verify/,
    'a reader notices another certificate',
  );
  const origin = { Origin: `https://127.0.0.1:${port}` };
  t.match(await get(port, first.certificate, origin), { status: 200 }, 'its own page may read');
  const foreign = { Origin: `http://127.0.0.1:${port}` };
  t.match(await get(port, first.certificate, foreign), { status: 403 }, 'the same host without TLS is another site');

  const plain = connect(port, '127.0.0.1', () => plain.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'));
  let text = '';
  plain.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  t.ok((await endOf(plain)) < WEB_LIMITS.requestMs, 'who speaks no TLS is sent away at once');
  t.notMatch(text, /figures|HTTP/);

  server.admit(access(identity(second)));
  t.match(await get(port, second.certificate), { status: 200, subject: 'second' }, 'a new certificate is used at once');
});

t.test('versions and repeated handshakes', { skip: noOpenssl }, async (t) => {
  const files = makeCertificate(realpathSync(t.testdir({})), 'node');
  const { port } = serve(t, identity(files));
  const ca = readFileSync(files.certificate);
  const old = connectTls({ host: '127.0.0.1', port, ca, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' });
  const refused = await new Promise<Error>((resolve) => old.once('error', resolve));
  t.match(refused.message, /version|protocol|ciphers/i);

  const socket = connectTls({ host: '127.0.0.1', port, ca, maxVersion: 'TLSv1.2' });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  const ended = endOf(socket);
  const again = await new Promise<string>((resolve) => {
    socket.once('close', () => resolve('closed'));
    if (
      socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error === null ? 'done' : error.message)) !==
      true
    )
      resolve('refused');
  });
  t.not(again, 'done', 'a second handshake on one connection is not made');
  socket.destroy();
  await ended;
});

t.test('handshakes without an end hold a place for a bounded time', { skip: noOpenssl }, async (t) => {
  const files = makeCertificate(realpathSync(t.testdir({})), 'node');
  const { port } = serve(t, identity(files));
  const startMs = performance.now();
  const silent = Array.from({ length: WEB_LIMITS.connectionsMax }, () => connect(port, '127.0.0.1'));
  const ends = silent.map((socket) => endOf(socket, startMs));
  // The head of a record that announces more than comes, a byte from time to time.
  const slow = silent[0]!;
  slow.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]));
  const drip = setInterval(() => slow.write(Buffer.from([0])), 100);
  t.teardown(() => clearInterval(drip));
  await delay(300);
  await t.rejects(
    get(port, files.certificate),
    /ECONNRESET|hang up|disconnected/,
    'one more than there are places is closed',
  );
  const longestMs = Math.max(...(await Promise.all(ends)));
  clearInterval(drip);
  t.ok(longestMs > WEB_LIMITS.handshakeMs * 0.8, `${Math.round(longestMs)} ms`);
  t.ok(longestMs < WEB_LIMITS.handshakeMs + 4_000, `${Math.round(longestMs)} ms`);
  await delay(1_500);
  t.match(await get(port, files.certificate), { status: 200 }, 'and then readers are served again');
});

t.test('files that cannot serve', { skip: noOpenssl }, async (t) => {
  const directory = realpathSync(t.testdir({}));
  const [one, other] = [makeCertificate(directory, 'one'), makeCertificate(directory, 'other')];
  const locked = join(directory, 'locked.key');
  execFileSync('openssl', ['pkcs8', '-topk8', '-in', one.key, '-out', locked, '-passout', 'pass:x'], { stdio: 'pipe' });
  const judged = (certificate: Uint8Array, key: Uint8Array, nowMs = Date.now()): string => {
    const made = TlsIdentity.from(certificate, key, nowMs);
    return made instanceof TlsIdentity ? `good, ${made.caution}` : `${made.file}: ${made.text}`;
  };
  const [certificate, key] = [bytesOf(one.certificate), bytesOf(one.key)];
  const junk = new TextEncoder().encode('junk\n');
  t.equal(judged(certificate, key), 'good, null');
  t.match(judged(certificate, bytesOf(other.key)), /^key: it is not the key of the certificate/);
  t.match(judged(certificate, bytesOf(locked)), /^key: it is encrypted with a passphrase/);
  t.match(judged(certificate, junk), /^key: it holds no private key/);
  t.match(judged(junk, key), /^certificate: it holds no certificate/);
  t.match(judged(new Uint8Array(0), key), /^certificate: it holds no certificate/);
  const day = 86_400_000;
  t.match(judged(certificate, key, Date.now() + 3 * day), /^good, it expired at \d{4}-\d\d-\d\dT[\d:]+Z$/);
  t.match(judged(certificate, key, Date.now() - day), /^good, it is not valid before/);
  t.match(identity(one).description, /^CN=one, valid until \d{4}-/);
});
