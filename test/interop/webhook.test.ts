import { join } from 'node:path';
import t from 'tap';
import { makeCertificate, noOpenssl } from '../web/certificates.ts';
import { skipReason } from './lab/cases.ts';
import { Lab } from './lab/lab.ts';
import { type Running, until } from './lab/process.ts';

// Webhooks of a daemon that runs: over http and https, refused and cut off at first, and to a server that is not the one it should be.

const KINDS = ['ours', 'stock', 'stock'] as const;

/** Serves POST on a port, over TLS where a certificate is given; refuses the first request, cuts the second off. A line of JSON for each. */
const RECEIVER = `
import http.server, json, ssl, sys
seen = 0
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global seen
        seen += 1
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        status = {1: 503, 2: 0}.get(seen, 204)
        print(json.dumps({'key': self.headers['Idempotency-Key'], 'type': self.headers['Content-Type'], 'status': status, 'body': body}), flush=True)
        if status == 0: self.close_connection = True; self.connection.close(); return
        self.send_response(status); self.send_header('Content-Length', '0'); self.end_headers()
    def log_message(self, *args): pass
    def handle(self):
        try: super().handle()
        except (OSError, ValueError): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Hook)
if len(sys.argv) > 2:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); tls.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.handle_error = lambda *args: None
print('ready', flush=True)
server.serve_forever()
`;

interface Request {
  readonly key: string;
  readonly type: string;
  readonly status: number;
  readonly body: { readonly id: string; readonly event: string; readonly seq: number; readonly members?: number[] };
}

const requestsOf = ({ output }: Running): readonly Request[] =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Request);

t.test(
  'a daemon posts its notices over http and https, again where that failed, and to nobody else',
  { skip: skipReason(KINDS) || noOpenssl, timeout: 120_000 },
  async (t) => {
    const targets = ['https://127.0.0.1:8443/hook', 'http://127.0.0.1:8080/hook', 'https://127.0.0.1:8444/hook'];
    const system = [`notify: ${targets.join(' ')}`, 'notify_ca_file: /etc/corosync/hook.crt'];
    const lab = await Lab.create({ transport: 'udpu', system }, KINDS);
    t.teardown(() => lab.close());
    const [one, two, three] = [lab.node(1), lab.node(2), lab.node(3)];
    const etc = join(one.space.directory, 'etc');
    makeCertificate(etc, 'hook');
    makeCertificate(etc, 'other');
    const serve = async (...args: readonly string[]): Promise<Running> => {
      const receiver = one.space.start('python3', ['-c', RECEIVER, ...args]);
      await receiver.waitFor(/ready/);
      return receiver;
    };
    const secure = await serve('8443', '/etc/corosync/hook.crt', '/etc/corosync/hook.key');
    const plain = await serve('8080');
    const stranger = await serve('8444', '/etc/corosync/other.crt', '/etc/corosync/other.key');
    for (const node of lab.nodes) node.startDaemon();
    await lab.waitRing(lab.nodes);
    await Promise.all([two.killDaemon(), three.killDaemon()]);

    for (const [receiver, name] of [
      [secure, 'https'],
      [plain, 'http'],
    ] as const) {
      const all = await until(
        `the loss of quorum over ${name}`,
        async () => {
          const requests = requestsOf(receiver);
          return requests.some(({ status, body }) => status === 204 && body.event === 'quorum.lost') ? requests : null;
        },
        40_000,
      ).catch((error: Error) => {
        throw new Error(`${error.message}\n${receiver.output}${receiver.errors}\n${lab.logs()}`);
      });
      const [refused, cutOff, taken] = all;
      t.same([refused?.status, cutOff?.status, taken?.status], [503, 0, 204], `${name}: tried until it was taken`);
      t.equal(refused?.key, cutOff?.key, 'with one key');
      t.equal(cutOff?.key, taken?.key, 'for all attempts');
      t.same(taken?.body, refused?.body, 'and one body');
      t.equal(taken?.type, 'application/json');
      const kept = all.filter(({ status }) => status === 204);
      t.equal(new Set(kept.map(({ key }) => key)).size, kept.length, 'what was taken is not sent again');
      t.same(
        kept.map(({ key, body }) => key === body.id),
        kept.map(() => true),
        'the key is the id of the notice',
      );
      t.match(kept.find(({ body }) => body.event === 'quorum.lost')?.body, { members: [1] });
    }
    t.same(requestsOf(stranger), [], 'a server of another authority gets nothing');
    t.ok(one.daemon?.alive);
  },
);
