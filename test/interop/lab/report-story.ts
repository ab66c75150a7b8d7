import { type Host, PackagedGround, type PackageKind, reach, startCluster } from './packaged.ts';

const REPORT_MS = 300_000;

/** What the programs that collect everything about a node for a support case found of its cluster engine. */
export interface Collected {
  /** Status and last words of the program. */
  readonly ended: string;
  readonly files: readonly string[];
  /** Contents of files that say something of the engine, by name. */
  readonly texts: ReadonlyMap<string, string>;
}

export interface Reports {
  readonly conf: string;
  readonly crm: Collected;
  readonly pacemaker: Collected;
  readonly health: string;
}

/** A cluster of one, of which a blackbox was written: crmsh's `crm report` and `crm cluster health`, Pacemaker's `crm_report`. */
export async function reports(kind: PackageKind): Promise<Reports> {
  const packaged = await PackagedGround.create(kind);
  try {
    const [host] = await packaged.addHosts('node1');
    if (host === undefined) throw new Error('one host');
    // The machine's own logs are searched, too, and are long.
    await host.tree.must('rm -rf /var/log/messages /var/log/syslog && mkdir -p /var/log/crmsh /reports');
    await startCluster('lab', [host]);
    await reach(host, 'node online', /Online: \[ node1 \]/);
    await host.tree.must('crm_attribute -n stonith-enabled -v false && corosync-blackbox >/dev/null');
    const { tree } = host;
    const from = (await tree.must("date '+%F %H:%M:00' --date='1 hour ago'")).trim();
    const crm = await collect(host, `crm report -S -D -d -f '${from}' /reports/crm`, '/reports/crm');
    const pacemaker = await collect(
      host,
      `crm_report -S --as-directory --dest /reports/pacemaker -f '${from}' -n node1`,
      '/reports/pacemaker',
    );
    const health = await tree.run('cd /reports && crm cluster health', REPORT_MS);
    const conf = await tree.must('cat /etc/corosync/corosync.conf');
    return { conf, crm, pacemaker, health: `${health.code}\n${health.stdout}${health.stderr}` };
  } finally {
    await packaged.close();
  }
}

async function collect({ tree }: Host, line: string, directory: string): Promise<Collected> {
  const { code, stdout, stderr } = await tree.run(line, REPORT_MS);
  const listed = await tree.run(`cd ${directory} && find . -type f -o -type l | sort`);
  const files = listed.stdout.split('\n').filter((path) => path !== '');
  const texts = new Map<string, string>();
  for (const path of files.filter((file) => ABOUT_THE_ENGINE.test(file)))
    texts.set(path.replace(/.*\//, ''), (await tree.run(`cat '${directory}/${path}'`)).stdout);
  return { ended: `${code}\n${stdout}${stderr}`, files, texts };
}

const ABOUT_THE_ENGINE = /\/(corosync[^/]*|fdata\.txt|sysinfo\.txt|sysstats\.txt|analysis\.txt)$/;
