import { chmodSync, realpathSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { parseListenAddress } from '../../src/lib/listen-address.ts';
import { closeFd } from '../../src/os/fd.ts';
import { Followers } from '../../src/web/followers.ts';
import type { GuardRules } from '../../src/web/guard.ts';
import { WEB_LIMITS } from '../../src/web/limits.ts';
import { openListeningSocket } from '../../src/web/listening-socket.ts';
import { WebServer } from '../../src/web/server.ts';
import { BearerToken } from '../../src/web/token.ts';

const PORT_FIRST = 21_000 + (process.pid % 2000) * 4;
let lastPort = PORT_FIRST;
const OPEN: GuardRules = { token: null, localNamesOnly: true, scheme: 'http' };

interface Response {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** A request exactly as it is given; what comes until the connection ends. */
function send(port: number, request: string): Promise<Response> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const [head = '', ...body] = text.split('\r\n\r\n');
      resolve({ status: Number(head.split(' ')[1] ?? 0), head, body: body.join('\r\n\r\n') });
    });
  });
}

const get = (port: number, path: string, more = '', host = `127.0.0.1:${port}`): Promise<Response> =>
  send(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`);

interface Serving {
  readonly port: number;
  rendered(): number;
  /** What is told at once when it has changed. */
  readonly shown: { urgent: string };
}

function serve(t: Test, rules: GuardRules = OPEN): Serving {
  const port = lastPort++;
  const address = parseListenAddress(`127.0.0.1:${port}`);
  if (typeof address === 'string') throw new Error(address);
  let rendered = 0;
  const shown = { urgent: '' };
  const state = () => `{"at":${rendered}}`;
  const server = new WebServer(
    openListeningSocket(address),
    {
      metrics: async (format) => {
        rendered++;
        return `rendered as ${format}\n`;
      },
      page: {
        files: new Map([['/', { type: 'text/html', bytes: Buffer.from('<!doctype html>') }]]),
        followers: new Followers({ state, urgent: () => shown.urgent, matrix: () => '{}', history: () => '[]' }),
      },
      health: () => '',
      readiness: () => 'not quorate',
    },
    { rules, tls: null },
    (text) => t.comment(text),
  );
  server.open();
  t.teardown(() => server.close());
  return { port, rendered: () => rendered, shown };
}

t.test('what there is, and under which conditions', async (t) => {
  const { port } = serve(t);
  const metrics = await get(port, '/metrics');
  t.equal(metrics.status, 200);
  t.equal(metrics.body, 'rendered as text\n');
  t.match(metrics.head, /content-type: text\/plain; version=0\.0\.4/i);
  const open = await get(port, '/metrics?x=1', 'Accept: application/openmetrics-text;version=1.0.0\r\n');
  t.equal(open.body, 'rendered as open\n');
  t.equal((await get(port, '/healthz')).body, 'ok\n');
  const ready = await get(port, '/readyz');
  t.same([ready.status, ready.body], [503, 'not quorate\n']);
  const page = await get(port, '/');
  t.equal(page.status, 200);
  t.match(page.head, /content-security-policy: default-src 'none'; script-src 'self'/i);
  t.match(page.head, /connection: close/i);
  t.notMatch(page.head, /access-control/i, 'no other origin may read');
  t.equal((await get(port, '/../etc/passwd')).status, 404);
  t.equal((await get(port, '/%2e%2e/style.css')).status, 404);
  t.equal((await send(port, `HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n`)).body, '');
});

t.test('requests that are refused', async (t) => {
  const { port } = serve(t);
  const host = `127.0.0.1:${port}`;
  for (const [what, status, request] of [
    ['another method', 405, `POST /metrics HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`],
    ['no host', 400, 'GET /metrics HTTP/1.0\r\n\r\n'],
    ['two hosts', 400, `GET /metrics HTTP/1.1\r\nHost: ${host}\r\nHost: evil.example\r\n\r\n`],
    ['a name that leads here', 421, `GET /metrics HTTP/1.1\r\nHost: evil.example:${port}\r\n\r\n`],
    ['a name that looks like an address', 421, 'GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n'],
    ['another site’s script', 403, `GET /metrics HTTP/1.1\r\nHost: ${host}\r\nOrigin: http://evil.example\r\n\r\n`],
    ['a sandboxed page', 403, `GET /events HTTP/1.1\r\nHost: ${host}\r\nOrigin: null\r\n\r\n`],
    ['another site’s image', 403, `GET / HTTP/1.1\r\nHost: ${host}\r\nSec-Fetch-Site: cross-site\r\n\r\n`],
    ['a path without end', 414, `GET /${'a'.repeat(300)} HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
  ] as const)
    t.equal((await send(port, request)).status, status, what);
  const linked = `Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n`;
  t.equal((await get(port, '/', linked)).status, 200, 'a link to the page may be followed');
  t.equal((await get(port, '/metrics', linked)).status, 403, 'to what it shows not');
  t.equal((await get(port, '/', '', `[::1]:${port}`)).status, 200);
  t.equal((await get(port, '/', '', `localhost:${port}`)).status, 200);
});

t.test('a token opens what is protected, by any name of the host', async (t) => {
  const bytes = Buffer.from('0123456789abcdefghij\n');
  const token = BearerToken.from(bytes);
  if (typeof token === 'string') throw new Error(token);
  const { port } = serve(t, { token, localNamesOnly: false, scheme: 'http' });
  const ask = async (authorization: string, path = '/metrics'): Promise<number> =>
    (await get(port, path, authorization === '' ? '' : `Authorization: ${authorization}\r\n`, 'node1.example')).status;
  t.equal(await ask('Bearer 0123456789abcdefghij'), 200);
  t.equal(await ask('bearer   0123456789abcdefghij '), 200);
  for (const wrong of ['', 'Bearer 0123456789abcdefghi', 'Bearer 0123456789abcdefghijk', 'Basic 0123456789abcdefghij'])
    t.equal(await ask(wrong), 401, wrong);
  t.equal(await ask('', '/events'), 401);
  t.equal(await ask('', '/readyz'), 401);
  t.equal(await ask('', '/'), 200, 'the page says nothing before its reader has the token');
  t.match(BearerToken.from(Buffer.from('short\n')), /5 bytes/);
  t.match(BearerToken.from(Buffer.from('0123456789 abcdefghij')), /no printable/);
});

t.test('large headers, slow senders and those who say nothing are cut', async (t) => {
  const { port } = serve(t);
  const large = await get(port, '/metrics', `X: ${'a'.repeat(WEB_LIMITS.headerBytesMax)}\r\n`).catch(() => null);
  t.notMatch(large?.body, /rendered/);
  const startMs = performance.now();
  const ends = await Promise.all([
    send(port, ''),
    send(port, 'GET /metrics HTTP/1.1\r\nHost: local'),
    send(port, `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Body: 1\r\nContent-Length: 100\r\n\r\n`),
  ]);
  t.ok(performance.now() - startMs < WEB_LIMITS.requestMs + WEB_LIMITS.responseMs + 2000, 'all have an end');
  t.same(
    ends.slice(0, 2).map(({ status }) => status),
    [0, 0],
  );
  t.equal((await get(port, '/metrics')).status, 200);
});

t.test('one request a connection, however it is asked', async (t) => {
  const { port, rendered } = serve(t);
  const one = 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const old = 'GET /metrics HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n';
  for (const [what, request] of [
    ['many at once', one.repeat(500)],
    ['many at once, of an old kind that keeps connections', old.repeat(500)],
    ['one within the body of another', `GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 61\r\n\r\n${one}`],
    [
      'chunks and a length',
      `GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${one}`,
    ],
    [
      'two lengths',
      `GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 50\r\n\r\n${one}`,
    ],
    [
      'an unknown coding',
      `GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${one}`,
    ],
    ['lines without a carriage return', one.replaceAll('\r', '').repeat(2)],
    [
      'another protocol',
      `GET /metrics HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n${one}`,
    ],
    ['a tunnel', `CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: localhost\r\n\r\n${one}`],
  ] as const) {
    const before = rendered();
    const { body } = await send(port, request).catch(() => ({ body: '' }));
    t.ok(rendered() - before <= 1, `${what}: ${rendered() - before} served`);
    t.ok((body.match(/rendered/g) ?? []).length <= 1, what);
  }
});

t.test('a second Host where nobody looks any more', async (t) => {
  const { port } = serve(t);
  const many = Array.from({ length: WEB_LIMITS.headersMax }, (_, at) => `X${at}: 1\r\n`).join('');
  const { status } = await send(port, `GET /metrics HTTP/1.1\r\nHost: localhost\r\n${many}Host: evil.example\r\n\r\n`);
  t.equal(status, 431);
});

t.test('followers: events, a bound on their number, and an end for those who do not read', async (t) => {
  const { port } = serve(t);
  const sockets: Socket[] = [];
  const follow = (): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n'));
      sockets.push(socket);
      let text = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (/event: state[\s\S]*event: state/.test(text) || /503/.test(text)) resolve(text);
      });
      socket.on('error', () => resolve(text));
    });
  const first = await follow();
  t.match(first, /event: history\r?\ndata: \[\]/);
  t.match(first, /event: state\r?\ndata: \{"at":0\}/);
  t.match(first, /event: matrix\r?\ndata: \{\}/);
  t.equal(first.match(/event: matrix/g)?.length, 1, 'once, while it does not change');
  await Promise.all(Array.from({ length: WEB_LIMITS.followersMax - 1 }, follow));
  t.match(await follow(), / 503 /);
  for (const socket of sockets) socket.destroy();
  await delay(100);
  t.match(await follow(), /event: state/, 'places are free again');
  for (const socket of sockets) socket.destroy();
});

t.test('the state comes once a second, and at once when something urgent has changed', async (t) => {
  const { port, shown } = serve(t);
  const arrivedMs: number[] = [];
  const socket = connect(port, '127.0.0.1', () => socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n'));
  t.teardown(() => socket.destroy());
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    for (const _ of chunk.matchAll(/event: state/g)) arrivedMs.push(performance.now());
  });
  await delay(700);
  const before = arrivedMs.length;
  shown.urgent = 'node 3 has left';
  const changedMs = performance.now();
  await delay(450);
  const after = arrivedMs.filter((ms) => ms > changedMs);
  t.ok(before <= 2, `${before} in 0.7 s: the first, and that of the timer`);
  t.ok(after.length > 0 && after[0]! - changedMs < 400, `told after ${after[0]! - changedMs} ms`);
  await delay(1200);
  t.ok(arrivedMs.at(-1)! - changedMs > 1000, 'and again, although nothing has changed');
});

t.test(
  'a flood of connections: the loop keeps turning, the address stays taken, readers are served again',
  async (t) => {
    const { port, rendered } = serve(t);
    let longestMs = 0;
    let lastMs = performance.now();
    const pulse = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    }, 10);
    const sockets = Array.from({ length: 400 }, () => connect(port, '127.0.0.1'));
    for (const socket of sockets) {
      socket.on('error', () => {});
      socket.on('connect', () => socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'));
    }
    await delay(1500);
    clearInterval(pulse);
    t.ok(
      rendered() < WEB_LIMITS.connectionsAtOnce + 3 * WEB_LIMITS.connectionsPerSecond,
      `${rendered()} requests taken`,
    );
    t.ok(longestMs < 500, `${longestMs} ms`);
    const address = parseListenAddress(`127.0.0.1:${port}`);
    t.throws(() => openListeningSocket(address as Exclude<typeof address, string>), /EADDRINUSE/);
    for (const socket of sockets) socket.destroy();
    await delay(3500);
    t.equal((await get(port, '/metrics')).status, 200);
  },
);

t.test('addresses', async (t) => {
  for (const [text, loopback] of [
    ['127.0.0.1:9180', true],
    ['127.9.9.9:1', true],
    ['[::1]:9180', true],
    ['0.0.0.0:9180', false],
    ['[::]:65535', false],
    ['10.0.0.1:80', false],
  ] as const)
    t.match(parseListenAddress(text), { kind: 'tcp', loopback });
  t.match(parseListenAddress('unix:/run/rondo/web'), { kind: 'unix', path: '/run/rondo/web' });
  for (const text of [
    '',
    '9180',
    ':9180',
    'localhost:9180',
    '127.0.0.1:0',
    '127.0.0.1:70000',
    '::1:9180',
    'unix:x',
    '1.2.3:1',
  ])
    t.type(parseListenAddress(text), 'string', text);
});

t.test('a unix socket is for its owner, whatever the umask of whoever started the daemon', async (t) => {
  const path = join(realpathSync(t.testdir({})), 'web.sock');
  chmodSync(dirname(path), 0o700);
  const umask = process.umask(0);
  t.teardown(() => process.umask(umask));
  closeFd(openListeningSocket({ kind: 'unix', path }));
  t.equal(statSync(path).mode & 0o777, 0o600);
});
