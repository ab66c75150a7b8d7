import { type Host, PackagedGround, reach, startCluster } from './packaged.ts';
import { until } from './process.ts';

const TICKET_MS = 120_000;
const TICKET = 'ticket';

/** Who had the ticket, as booth says, and what ran where. */
export interface BoothViews {
  readonly before: string;
  readonly granted: string;
  readonly afterwards: string;
}

/**
 * Two clusters at two sites and an arbitrator, with Debian's booth: a resource runs at the site that has the ticket. The site is lost, the
 * ticket expires, and the other one gets it with the arbitrator's voice.
 */
export async function boothStory(): Promise<BoothViews> {
  const packaged = await PackagedGround.create('ours');
  try {
    const hosts = await packaged.addHosts('site1', 'site2', 'arbiter');
    const [one, two, arbiter] = hosts;
    if (one === undefined || two === undefined || arbiter === undefined) throw new Error('three hosts');
    await boothConfiguration(hosts);
    for (const site of [one, two]) {
      await startCluster(site.name, [site]);
      await reach(site, 'node online', new RegExp(`Online: \\[ ${site.name} \\]`));
      await siteResources(site);
    }
    arbiter.tree.start('boothd', ['daemon', '-S', '-c', '/etc/booth/booth.conf']);
    for (const site of [one, two]) await reach(site, 'booth started', /booth.*Started/, /service.*Stopped/);
    await until(
      'booth answers',
      async () => ((await two.tree.run('booth peers')).stdout.includes('arbitrator') ? true : null),
      TICKET_MS,
    );
    const before = await one.tree.must('booth list');
    await one.tree.must(`booth grant -s ${one.address} ${TICKET}`);
    await reach(one, 'the ticket is at site 1', /service.*Started site1/);
    const granted = await two.tree.must('booth list');

    await one.tree.close();
    await reach(two, 'the ticket is at site 2', /service.*Started site2/);
    return { before, granted, afterwards: await arbiter.tree.must('booth list') };
  } finally {
    await packaged.close();
  }
}

async function boothConfiguration(hosts: readonly Host[]): Promise<void> {
  const [one, two, arbiter] = hosts;
  const conf = [
    'transport = UDP',
    'port = 9929',
    'authfile = /etc/booth/booth.key',
    `arbitrator = ${arbiter?.address}`,
    `site = ${one?.address}`,
    `site = ${two?.address}`,
    `ticket = "${TICKET}"`,
    '  expire = 30',
    '  timeout = 3',
    '  retries = 3',
  ].join('\n');
  for (const { tree } of hosts) {
    // Where there are some, booth 1.0 waits for ever for the rest of the IPv6 addresses: newer kernels (seen with 6.18) send all at once.
    await tree.must('sysctl -qw net.ipv6.conf.all.disable_ipv6=1');
    await tree.write('/etc/booth/booth.conf', conf);
    await tree.write('/etc/booth/booth.key', 'the key of the laboratory', '600');
    await tree.must('mkdir -p /run/booth && chown hacluster:haclient /run/booth /etc/booth/booth.key');
  }
}

async function siteResources({ tree }: Host): Promise<void> {
  await tree.must('crm_attribute -n stonith-enabled -v false');
  await tree.must(
    'crm configure primitive booth ocf:pacemaker:booth-site params config=/etc/booth/booth.conf op monitor interval=10s',
  );
  await tree.must('crm configure primitive service ocf:pacemaker:Dummy op monitor interval=5s');
  await tree.must(`crm configure rsc_ticket service-ticket ${TICKET}: service loss-policy=stop`);
}
