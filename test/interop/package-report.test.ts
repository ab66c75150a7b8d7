import t from 'tap';
import { packagedUnavailable } from './lab/packaged.ts';
import { type Collected, reports } from './lab/report-story.ts';

t.setTimeout(0);

/** `crm report`, `crm cluster health` and `crm_report` find our process, log, blackbox and configuration, as they find stock's. */
t.test('reports for a support case', { skip: packagedUnavailable('crm', 'crm_report') }, async (t) => {
  t.setTimeout(900_000);
  const [ours, stock] = await Promise.all([reports('ours'), reports('stock')]);
  if (process.env['RONDO_LAB_SHOW'] !== undefined) t.comment(JSON.stringify([ours, stock].map(shown), undefined, 1));
  for (const name of ['crm', 'pacemaker'] as const) {
    const { ended, texts } = ours[name];
    t.match(stock[name].ended, /^0\n/, `${name}: works with stock`);
    t.match(ended, /^0\n/, name);
    t.same(engineFiles(ours[name]), engineFiles(stock[name]), `${name}: the same files`);
    t.equal(texts.get('corosync.conf'), ours.conf, `${name}: the configuration`);
    t.match(texts.get('corosync.log') ?? texts.get('corosync.log.extract.txt'), /Members\[1\]: 1/, `${name}: the log`);
    t.match(texts.get('fdata.txt') ?? texts.get('corosync-blackbox-live.txt'), /starting up/, `${name}: the blackbox`);
    t.match(texts.get('sysinfo.txt'), /Corosync Cluster Engine, version '3/, `${name}: the version`);
    t.match(texts.get('sysstats.txt'), /\d:\d\d corosync$/m, `${name}: the process`);
  }
  t.match(ours.pacemaker.texts.get('corosync.quorum'), /^Quorate:\s+Yes$/m);
  t.equal(ours.pacemaker.texts.get('corosync.dump')?.includes('totem.cluster_name (str) = lab'), true, 'the map');
  t.match(ours.health, /^0\n[\s\S]*Diff corosync\.conf\.\.\. OK/);
  t.match(stock.health, /^0\n[\s\S]*Diff corosync\.conf\.\.\. OK/);
});

function engineFiles({ texts }: Collected): string[] {
  return [...texts.keys()].sort();
}

function shown({ crm, pacemaker, health }: Awaited<ReturnType<typeof reports>>): unknown {
  const short = ({ ended, files, texts }: Collected) => ({
    ended,
    files,
    texts: [...texts].map(([name, text]) => `${name}: ${text.slice(0, 1500)}`),
  });
  return { crm: short(crm), pacemaker: short(pacemaker), health };
}
