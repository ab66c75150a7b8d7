import { once } from 'node:events';
import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { readAuthorities } from '../../src/notify/authorities.ts';
import type { Notice } from '../../src/notify/notice.ts';
import { Notifier } from '../../src/notify/notifier.ts';
import { ATTEMPT_MS_MAX, ATTEMPTS_MAX, webhookDelivery } from '../../src/notify/webhook.ts';
import { type CertificateFiles, makeCertificate, noOpenssl } from '../web/certificates.ts';

// Notices over https: to whom they go, and to whom not.

const never = new AbortController().signal;
const NOTICE: Notice = {
  id: '1-x-1',
  seq: 1,
  timeMs: 0,
  host: 'h',
  nodeId: 1,
  name: 'quorum.lost',
  priority: 31,
  event: { kind: 'quorum', quorate: false, members: [1] },
};
const AT_ONCE = { random: () => 0, pause: async () => {} };

interface Hook {
  readonly port: number;
  /** What came, with its key. */
  readonly keys: string[];
  /** Connections that were begun. */
  connections: number;
}

async function listen(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function hook(t: Test, { certificate, key }: CertificateFiles, statuses: number[] = []): Promise<Hook> {
  const keys: string[] = [];
  const server = createHttps({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
    keys.push(String(request.headers['idempotency-key']));
    request.resume();
    const status = statuses.shift() ?? 200;
    if (status === 0) request.socket.destroy();
    else request.on('end', () => response.writeHead(status).end());
  });
  t.teardown(() => server.closeAllConnections());
  const found = { port: await listen(t, server), keys, connections: 0 };
  server.on('connection', () => found.connections++);
  return found;
}

t.test(
  'a server with a certificate of the given authority gets notices, with one key for all attempts',
  { skip: noOpenssl },
  async (t) => {
    const files = makeCertificate(realpathSync(t.testdir({})), 'receiver');
    const { port, keys } = await hook(t, files, [503, 0, 429, 204]);
    await webhookDelivery(`https://127.0.0.1:${port}/x`, readAuthorities(files.certificate), AT_ONCE).deliver(
      NOTICE,
      0,
      never,
    );
    t.same(keys, [NOTICE.id, NOTICE.id, NOTICE.id, NOTICE.id]);
    const refusing = await hook(t, files, [403]);
    const delivery = webhookDelivery(
      `https://localhost:${refusing.port}/x`,
      readAuthorities(files.certificate),
      AT_ONCE,
    );
    await t.rejects(delivery.deliver(NOTICE, 0, never), /HTTP status 403$/);
    t.equal(refusing.keys.length, 1, 'a refusal is not asked again');
  },
);

t.test('nobody else gets any', { skip: noOpenssl }, async (t) => {
  const directory = realpathSync(t.testdir({}));
  const [good, other] = [makeCertificate(directory, 'good'), makeCertificate(directory, 'other')];
  const server = await hook(t, good);
  const send = (url: string, authority: string | null): Promise<void> =>
    webhookDelivery(url, authority === null ? null : readAuthorities(authority), AT_ONCE).deliver(NOTICE, 0, never);
  const url = `https://127.0.0.1:${server.port}/x`;
  await t.rejects(send(url, null), /self-signed certificate, 8 times/, 'an authority that nobody knows');
  t.equal(server.connections, ATTEMPTS_MAX, 'it is tried again: certificates get renewed');
  await t.rejects(send(url, other.certificate), /self-signed|unable to verify/, 'of another authority');
  await t.rejects(
    send(`https://127.1.1.1:${server.port}/x`, good.certificate),
    /ECONNREFUSED|altnames/i,
    'another address',
  );
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
  });
  await t.rejects(send(url, null), /self-signed/, 'the environment does not switch the check off');
  t.same(server.keys, [], 'nothing was sent to any of them');
});

t.test('a name that is not in the certificate', { skip: noOpenssl }, async (t) => {
  const files = makeCertificate(realpathSync(t.testdir({})), 'named', [], 'DNS:elsewhere.example');
  const server = await hook(t, files);
  const delivery = webhookDelivery(`https://127.0.0.1:${server.port}/x`, readAuthorities(files.certificate), AT_ONCE);
  await t.rejects(delivery.deliver(NOTICE, 0, never), /does not match certificate's altnames/);
  t.same(server.keys, []);
});

t.test('a server that takes the connection and never shakes hands costs one attempt its time', async (t) => {
  const port = await listen(
    t,
    createServer((socket) => {
      t.teardown(() => socket.destroy());
      socket.resume().on('error', () => {});
    }),
  );
  const giveUp = new AbortController();
  const once = { random: () => 0, pause: async () => giveUp.abort() };
  const startMs = performance.now();
  await t.rejects(
    webhookDelivery(`https://127.0.0.1:${port}/x`, null, once).deliver(NOTICE, 0, giveUp.signal),
    /abort|timeout/i,
  );
  const tookMs = performance.now() - startMs;
  t.ok(tookMs > ATTEMPT_MS_MAX * 0.9 && tookMs < ATTEMPT_MS_MAX + 4_000, `${Math.round(tookMs)} ms`);
});

t.test('the file of the authorities', { skip: noOpenssl }, async (t) => {
  const directory = realpathSync(t.testdir({}));
  const files = makeCertificate(directory, 'ca');
  const server = await hook(t, files);
  const notifier = (authorityFile: string, checkFile?: (path: string) => void): Notifier => {
    const rules = checkFile === undefined ? {} : { checkFile };
    const made = new Notifier({
      host: 'h',
      nodeId: 1,
      nowMs: () => 0,
      complain: (_to, text) => t.comment(text),
      authorityFile,
      ...rules,
    });
    t.teardown(() => made.close());
    return made;
  };
  const good = notifier(files.certificate);
  good.add(`https://127.0.0.1:${server.port}/x`);
  good.notify(NOTICE.event);
  for (let turns = 0; server.keys.length === 0 && turns < 100; turns++) await delay(50);
  t.match(server.keys, [/^1-.*-1$/]);

  const junk = join(directory, 'junk');
  writeFileSync(junk, 'junk\n');
  const broken = join(directory, 'broken');
  const pem = readFileSync(files.certificate, 'latin1');
  writeFileSync(broken, `${pem}${pem.replace(/^MII/m, 'NII')}`);
  const url = 'https://user:secret@127.0.0.1:1/x?token=secret';
  for (const [path, wanted] of [
    [join(directory, 'none'), /https:\/\/127\.0\.0\.1:1\/x: its server could not be checked: ENOENT/],
    [junk, /holds no certificates in PEM/],
    [broken, /certificate 2 cannot be read/],
    [directory, /is not a regular file/],
  ] as const)
    t.throws(() => notifier(path).add(url), wanted);
  const others = (): void => {
    throw new Error('others can write it');
  };
  t.throws(() => notifier(files.certificate, others).add(url), /others can write it/);
  t.doesNotThrow(() => notifier(junk).add('http://127.0.0.1:1/x'), 'plain webhooks do not need it');
});
