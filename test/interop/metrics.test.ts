import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { makeCertificate, noOpenssl } from '../web/certificates.ts';
import { FULL, skipReason } from './lab/cases.ts';
import { hasCommand, ROOT } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { LabNode } from './lab/node.ts';
import { must, run, sleep, until } from './lab/process.ts';

// Debian's Prometheus scrapes three nodes over TLS, all rules load, and one fires when a link is cut.

const TOKEN = 'a-token-of-the-lab-0123456789';
const PROMETHEUS = '127.0.0.1:19090';
/** In the full programme every scrape of a whole minute is looked at; all have to have come but for so many, of one node, which the machine lost. */
const MINUTE_MS = 60_000;
const SCRAPES_LOST = 5;
const KINDS = ['ours', 'ours', 'ours'] as const;
const unavailable = skipReason(KINDS) || noOpenssl || (!hasCommand('prometheus') && 'needs Debian’s prometheus');

interface Result<T> {
  readonly data: T;
}

/** A question to Prometheus, which listens inside of a node's network. */
async function query<T>(node: LabNode, path: string): Promise<T> {
  const script = `import urllib.request; print(urllib.request.urlopen('http://${PROMETHEUS}/api/v1/${path}', timeout=5).read().decode())`;
  const { code, stdout, stderr } = await node.space.run('python3', ['-c', script]);
  if (code !== 0) throw new Error(stderr.trim().split('\n').at(-1));
  return (JSON.parse(stdout) as Result<T>).data;
}

/** The rules as they are shipped, but for the time that a condition has to last. */
function quickRules(): string {
  const text = readFileSync(join(ROOT, 'conf/prometheus/rondo.rules.yml'), 'utf8');
  return text.replaceAll(/for: \w+$/gm, 'for: 1s');
}

t.test(
  'prometheus scrapes three nodes, and an alert fires when a link is cut',
  { skip: unavailable, timeout: 230_000 },
  async (t) => {
    const lab = await Lab.create({ transport: 'knet', links: 2, crypto: { cipher: 'aes256', hash: 'sha256' } }, KINDS);
    t.teardown(() => lab.close());
    for (const node of lab.nodes) {
      const etc = join(node.space.directory, 'etc');
      writeFileSync(join(etc, 'http-token'), `${TOKEN}\n`, { mode: 0o400 });
      makeCertificate(etc, 'http', [], `IP:${node.plan.addresses[0]}`);
    }
    lab.writeConfs();
    const confs = lab.nodes.map((node) => readFileSync(node.confFile, 'utf8'));
    for (const [at, node] of lab.nodes.entries()) {
      const files = ['http_token_file: /etc/corosync/http-token', 'http_certificate_file: /etc/corosync/http.crt'];
      const more = [`metrics: ${node.plan.addresses[0]}:9180`, ...files, 'http_key_file: /etc/corosync/http.key', ''];
      node.writeConf((confs[at] ?? '').replace(/^system \{\n/m, (head) => head + more.join('\n')));
      node.startDaemon();
    }
    await lab.waitRing(lab.nodes);
    const directory = mkdtempSync(join(tmpdir(), 'rondo-prometheus-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    writeFileSync(join(directory, 'rules.yml'), quickRules());
    writeFileSync(join(directory, 'token'), TOKEN, { mode: 0o400 });
    const authorities = lab.nodes.map(({ space }) => readFileSync(join(space.directory, 'etc/http.crt'), 'latin1'));
    writeFileSync(join(directory, 'nodes.crt'), authorities.join(''));
    const targets = lab.nodes.map(({ plan }) => `'${plan.addresses[0]}:9180'`).join(', ');
    writeFileSync(
      join(directory, 'prometheus.yml'),
      `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ['${directory}/rules.yml']
scrape_configs:
  - job_name: rondo
    scheme: https
    tls_config: { ca_file: '${directory}/nodes.crt' }
    authorization: { credentials_file: '${directory}/token' }
    static_configs: [{ targets: [${targets}] }]
`,
    );
    const [first, second] = [lab.node(1), lab.node(2)];
    await must('promtool', ['check', 'config', join(directory, 'prometheus.yml')]);
    const prometheus = first.space.start('prometheus', [
      `--config.file=${directory}/prometheus.yml`,
      `--storage.tsdb.path=${directory}/data`,
      `--web.listen-address=${PROMETHEUS}`,
    ]);
    t.teardown(() => prometheus.stop('SIGTERM'));

    type Targets = { readonly activeTargets: readonly { readonly health: string; readonly lastError: string }[] };
    const seen = await until(
      'three healthy targets',
      async () => {
        const { activeTargets } = await query<Targets>(first, 'targets').catch(() => ({ activeTargets: [] }));
        return activeTargets.length === 3 && activeTargets.every(({ health }) => health === 'up')
          ? activeTargets
          : null;
      },
      40_000,
    );
    const scrapedSinceMs = performance.now();
    t.same(
      seen.map(({ lastError }) => lastError),
      ['', '', ''],
    );
    type Rules = {
      readonly groups: readonly {
        readonly rules: readonly {
          readonly name: string;
          readonly health: string;
          readonly state: string;
          readonly lastError?: string;
        }[];
      }[];
    };
    const rules = await until('all rules are evaluated', async () => {
      const all = (await query<Rules>(first, 'rules')).groups.flatMap((group) => group.rules);
      return all.length > 10 && all.every(({ health }) => health !== 'unknown') ? all : null;
    });
    t.same(
      rules.filter(({ health }) => health !== 'ok').map(({ name, lastError }) => `${name}: ${lastError}`),
      [],
      'every rule can be evaluated',
    );
    type Vector = {
      readonly result: readonly {
        readonly metric: Readonly<Record<string, string>>;
        readonly value: readonly [number, string];
      }[];
    };
    const value = async (expression: string): Promise<readonly string[]> =>
      (await query<Vector>(first, `query?query=${encodeURIComponent(expression)}`)).result.map((one) => one.value[1]);
    t.same(await value('ha_cluster_corosync_quorate'), ['1', '1', '1']);
    t.same(await value('sum(rondo_link_up)'), ['12']);

    await first.cut({ peers: [second], link: 1 });
    type Alert = { readonly state: string; readonly labels: Readonly<Record<string, string>> };
    const firingNow = async (name: string): Promise<readonly Alert[]> => {
      const { alerts } = await query<{ readonly alerts: readonly Alert[] }>(first, 'alerts');
      return alerts.filter(({ state, labels }) => state === 'firing' && labels['alertname'] === name);
    };
    const fires = (name: string): Promise<readonly Alert[]> =>
      until(
        `${name} fires`,
        async () => {
          const found = await firingNow(name);
          return found.length > 0 ? found : null;
        },
        40_000,
      );
    const firing = await fires('RondoLinkDown');
    t.match(firing[0]?.labels, { link: '1', node: /^node[12]$/ });
    t.same(await value('ha_cluster_corosync_quorate'), ['1', '1', '1'], 'the ring goes on over the other link');
    await first.heal();
    const resolved = (): Promise<true> =>
      until('it is resolved', async () => ((await value('sum(rondo_link_up)'))[0] === '12' ? true : null), 40_000);
    await resolved();

    await first.cut({ peers: [second], link: 1, direction: 'in' });
    // While a link goes or comes, one end sees it before the other: for a moment that is one way, too, and perhaps the other one.
    await until(
      'RondoLinkOneWay fires for node 2, which hears node 1 and is not heard, and for nobody else',
      async () => {
        const alerts = await firingNow('RondoLinkOneWay');
        const words = alerts.map(({ labels: { link, from_id, to_id } }) => `${link} ${from_id} ${to_id}`);
        return words.length > 0 && words.every((one) => one === '1 2 1') ? true : null;
      },
      40_000,
    );
    await first.heal();
    await resolved();

    if (FULL) {
      await sleep(scrapedSinceMs + MINUTE_MS - performance.now());
      t.same(await value('min_over_time(up[55s])'), ['1', '1', '1'], 'no scrape of a minute has failed');
      const counts = (await value('count_over_time(up[60s])')).map(Number);
      t.ok(
        counts.every((count) => count >= 60 - SCRAPES_LOST),
        `${counts.join(' ')} scrapes in a minute`,
      );
      t.comment(`a scrape took at most ${await value('max(max_over_time(scrape_duration_seconds[60s]))')} s`);
    }

    const context = `import ssl, urllib.request, urllib.error
tls = ssl.create_default_context(cafile='${directory}/nodes.crt')
`;
    const bare = `${context}
try: urllib.request.urlopen('https://${second.plan.addresses[0]}:9180/metrics', timeout=5, context=tls)
except urllib.error.HTTPError as error: print(error.code)`;
    t.equal(
      (await first.space.run('python3', ['-c', bare])).stdout.trim(),
      '401',
      'without the token nobody reads them',
    );
    const open = `${context}
request = urllib.request.Request('https://${second.plan.addresses[0]}:9180/metrics', headers={'Authorization': 'Bearer ${TOKEN}'})
print(urllib.request.urlopen(request, timeout=5, context=tls).read().decode(), end='')`;
    const { stdout: text } = await first.space.run('python3', ['-c', open]);
    t.same(
      await run('promtool', ['check', 'metrics'], { input: text }),
      { code: 0, stdout: '', stderr: '' },
      'promtool has nothing to say',
    );
  },
);
