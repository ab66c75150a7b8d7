import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { QNETD_METRICS, type QnetdView } from '../../src/arbiter/qnetd/metrics.ts';
import { runQnetd } from '../../src/arbiter/qnetd/qnetd.ts';
import { qnetdSettings } from '../../src/arbiter/qnetd/qnetd-settings.ts';
import { NodeListType, QnetMessageType, TlsMode, Vote } from '../../src/qnet/ids.ts';
import { encodeQnet, type QnetOptions } from '../../src/qnet/messages.ts';
import { Exposition } from '../../src/web/metrics/exposition.ts';
import { rondo } from '../cli/run-rondo.ts';
import { nodes } from '../qnet/arbiter-harness.ts';

/** One arbiter on two addresses, many clusters: each has its own votes, and what is shown of them stays bounded. */
const CLUSTERS = 120;
const work = mkdtempSync(join(tmpdir(), 'rondo-qnetd-'));
t.teardown(() => rmSync(work, { recursive: true, force: true }));
const PORT = 23_000 + (process.pid % 2000) * 2;
const METRICS_PORT = PORT + 1;

/** A device that says all it has to at once: PREINIT, INIT, its lists. */
function device(host: string, cluster: string, nodeId: number): Promise<Socket> {
  const ringId = { nodeId: 1, seq: 8n };
  const init = { nodeId, algorithm: 1, heartbeatMs: 8000, tieBreaker: { mode: 1, nodeId: 0 }, ringId };
  const messages: readonly (readonly [number, QnetOptions])[] = [
    [QnetMessageType.PREINIT, { sequence: 1, clusterName: Buffer.from(cluster) }],
    [QnetMessageType.INIT, { sequence: 2, ...init }],
    [QnetMessageType.NODE_LIST, { sequence: 3, listType: NodeListType.INITIAL_CONFIG, nodes: nodes(1, 2) }],
    [QnetMessageType.NODE_LIST, { sequence: 4, listType: NodeListType.MEMBERSHIP, ringId, nodes: nodes(1, 2) }],
  ];
  return new Promise((resolve, reject) => {
    const socket = connect(PORT, host, () => {
      for (const [type, options] of messages) socket.write(encodeQnet(type, options));
      resolve(socket);
    });
    socket.on('error', reject);
    socket.resume();
  });
}

interface Shown {
  readonly listening: readonly string[];
  readonly clients: number;
  readonly clusters: readonly { readonly name: string; readonly nodes: readonly { readonly decidedVote: string }[] }[];
}

t.test('two addresses, many clusters', async (t) => {
  const socket = join(work, 'qnetd.sock');
  const settings = {
    ...qnetdSettings(),
    lock_file: join(work, 'qnetd.pid'),
    local_socket_file: socket,
    metrics: `127.0.0.1:${METRICS_PORT}`,
  };
  const hosts = ['127.0.0.1', '::1'];
  const stop = new AbortController();
  const rest = { foreground: false, debug: false, bump: false, clientCertificateRequired: false, clientsMax: 0 };
  const ended = runQnetd({ ...rest, hosts, port: PORT, family: null, tls: TlsMode.UNSUPPORTED, settings }, stop.signal);
  const devices: Socket[] = [];
  t.teardown(async () => {
    for (const one of devices) one.destroy();
    stop.abort();
    await ended;
  });
  const status = async (): Promise<Shown | null> => {
    const { status: code, out } = await rondo('qnetd', 'status', '--json', '-p', socket);
    return code === 0 ? (JSON.parse(out) as Shown) : null;
  };
  const when = async <T>(what: string, look: () => Promise<T | null>): Promise<T> => {
    for (let turn = 0; turn < 200; turn++) {
      const found = await look();
      if (found !== null) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`never: ${what}`);
  };
  t.same((await when('its start', status)).listening, [`127.0.0.1:${PORT}`, `::1:${PORT}`]);
  for (let cluster = 0; cluster < CLUSTERS; cluster++)
    for (const nodeId of [1, 2]) devices.push(await device(hosts[nodeId - 1]!, `cluster ${cluster}`, nodeId));
  const all = await when('all votes', async () => {
    const seen = await status();
    const votes = seen?.clusters.flatMap((cluster) => cluster.nodes.map(({ decidedVote }) => decidedVote)) ?? [];
    return votes.filter((vote) => vote === 'ACK').length === 2 * CLUSTERS ? seen : null;
  });
  t.equal(all?.clients, 2 * CLUSTERS);
  t.equal(all?.clusters.length, CLUSTERS);
  const text = await rondo('qnetd', 'status', '-p', socket);
  t.match(text.out, /^Devices: {2}240, of 120 clusters$/m);
  t.match(text.out, /^cluster 7 +Fifty-Fifty split +2 +::1:\d+ +no +1 2 +ACK$/m);

  const page = await (await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`)).text();
  t.match(page, /^rondo_qnetd_clusters 120$/m);
  t.match(page, /^rondo_qnetd_node_has_vote\{cluster="cluster 7",node_id="2"\} 1$/m);
  t.match(page, /^# TYPE rondo_qnetd_messages_total counter$/m);
  const rebound = await fetch(`http://localhost.localdomain:${METRICS_PORT}/metrics`, {
    headers: { host: 'evil.example' },
  }).catch(() => null);
  t.not(rebound?.status, 200, 'a name that leads here gets nothing');

  // A node of one cluster goes: the others notice nothing.
  devices[0]?.destroy();
  await when('one less', async () => ((await status())?.clients === 2 * CLUSTERS - 1 ? true : null));
  const after = await status();
  t.equal(
    after?.clusters.flatMap((cluster) => cluster.nodes).filter(({ decidedVote }) => decidedVote === 'ACK').length,
    239,
  );
});

t.test('metrics that everybody could read are not served, nor with a token that others can read', async (t) => {
  const start = async (more: object): Promise<number> => {
    const settings = {
      ...qnetdSettings(),
      lock_file: join(work, 'o.pid'),
      local_socket_file: join(work, 'o.sock'),
      ...more,
    };
    const rest = { foreground: false, debug: false, bump: false, clientCertificateRequired: false, clientsMax: 0 };
    const options = { ...rest, hosts: ['127.0.0.1'], port: PORT, family: null, tls: TlsMode.UNSUPPORTED, settings };
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), 3000);
    const status = await runQnetd(options, stop.signal);
    clearTimeout(timer);
    return status;
  };
  t.equal(await start({ metrics: `0.0.0.0:${METRICS_PORT}` }), 1);
  const token = join(work, 'token');
  writeFileSync(token, `${'t'.repeat(32)}\n`, { mode: 0o644 });
  t.equal(await start({ metrics: `127.0.0.1:${METRICS_PORT}`, metrics_token_file: token }), 1);
});

t.test('an arbiter that does not run', async (t) => {
  const { status, err } = await rondo('qnetd', 'status', '-p', join(work, 'nothing'));
  t.equal(status, 3);
  t.match(err, /no arbiter can be asked at .*nothing: there is no such socket.*systemctl start corosync-qnetd/);
});

t.test('what is shown stays bounded, whatever devices call their clusters', async (t) => {
  const client = { nodeId: 1, algorithm: 1, decidedVote: Vote.ACK };
  const names = Array.from({ length: 3000 }, (_, at) => (at === 0 ? 'x'.repeat(30_000) : `c${at}\u001b"\\`));
  const clusters = new Map(names.map((name) => [name, { name, clients: Array(20).fill(client) }]));
  const counts = { accepted: 1, refused: 0, received: 0, sent: 0, cut: 0 };
  const handshakes = { begun: 0, delayed: 0 };
  const view: QnetdView = { arbiter: { clients: { size: 60_000 }, clusters }, counts, handshakes };
  const page = await new Exposition(QNETD_METRICS, 'text').render(view);
  t.ok(page.length < 512 * 1024, `${page.length} characters`);
  t.match(page, /^rondo_qnetd_hidden_nodes 55904$/m);
  t.match(page, /cluster="c1\\\\x1b\\"\\\\"/);
  t.notMatch(page, /xxxx/);
});
