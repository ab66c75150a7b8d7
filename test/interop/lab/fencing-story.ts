import { DrbdHandlers, drbdUnavailable } from './drbd-handlers.ts';
import { type Host, PackagedGround, type PackageKind, reach, startCluster, startNode } from './packaged.ts';
import { PowerSwitch } from './power-switch.ts';

const ALL = /Online: \[ node1 node2 node3 \]/;
const OTHERS = /Online: \[ node2 node3 \][\s\S]*OFFLINE: \[ node1 \]/;

/** What was to be seen after each step, and what it was. */
export type Views = Map<string, unknown>;

/**
 * Three hosts, a power switch that Pacemaker can ask, and a resource that prefers the first one. Its daemon dies; its line is cut while it
 * runs on; an administrator has one shot. Whoever is lost is off before the resource starts elsewhere, and comes back by being turned on.
 */
export async function fencingStory(kind: PackageKind): Promise<Views> {
  const packaged = await PackagedGround.create(kind);
  const views: Views = new Map();
  try {
    const hosts = await packaged.addHosts('node1', 'node2', 'node3');
    const [first, second, third] = hosts;
    if (first === undefined || second === undefined || third === undefined) throw new Error('three hosts');
    const handlers = await DrbdHandlers.on(first.tree);
    const power = await PowerSwitch.on(packaged, hosts);
    let began = performance.now();
    const step = async (what: string, pattern: RegExp): Promise<void> => {
      const view = await reach(third, what, pattern);
      views.set(what, { view: stateLines(view), orders: [...power.orders] });
      if (process.env['RONDO_LAB_SHOW']) console.error(`${kind}: ${what}: ${Math.round(performance.now() - began)} ms`);
      began = performance.now();
    };
    try {
      await startCluster('lab', hosts);
      await reach(third, 'nodes online', ALL);
      await configure(third);
      await step('resource and fencing started', /power.*Started[\s\S]*dummy.*Started node1/);
      views.set('devices', (await third.tree.must('stonith_admin -l node1 --quiet')).trim());
      if (drbdUnavailable() === false) {
        views.set('DRBD: peer is there', await handlers.call('crm-fence-peer.9.sh'));
        await handlers.synchronised();
        views.set('DRBD: peer has all of it', await handlers.call('crm-unfence-peer.9.sh'));
      }

      await first.tree.must('kill -9 $(pidof corosync)');
      await step('daemon killed', new RegExp(`${OTHERS.source}[\\s\\S]*dummy.*Started node2`));
      await comeBack(packaged, first, step, 'turned on again');

      await first.tree.must('ip link set eth0 down');
      await step('line cut', new RegExp(`${OTHERS.source}[\\s\\S]*dummy.*Started node2`));
      await comeBack(packaged, first, step, 'turned on with its line');

      await third.tree.must('stonith_admin --reboot node2 --tag lab');
      await step('shot by the administrator', /Online: \[ node1 node3 \][\s\S]*OFFLINE: \[ node2 \]/);
      views.set('history', history(await third.tree.must("stonith_admin -H '*' --verbose")));
      return views;
    } finally {
      await power.close();
    }
  } finally {
    await packaged.close();
  }
}

async function configure({ tree }: Host): Promise<void> {
  await tree.must('crm_attribute -n stonith-enabled -v true && crm_attribute -n stonith-timeout -v 40s');
  const power = '<primitive id="power" class="stonith" type="fence_lab"/>';
  const parameters =
    '<instance_attributes id="replica-p"><nvpair id="replica-r" name="drbd_resource" value="r0"/></instance_attributes>';
  const dummy =
    '<primitive id="dummy" class="ocf" provider="pacemaker" type="Dummy"><operations><op id="dummy-m" name="monitor" interval="5s"/></operations></primitive>';
  // DRBD's handlers look for a clone whose resource has this parameter; the agent takes no notice of it.
  const replica = `<clone id="replicas"><meta_attributes id="replicas-m"><nvpair id="replicas-p" name="promotable" value="true"/></meta_attributes>
    <primitive id="replica" class="ocf" provider="pacemaker" type="Stateful">${parameters}</primitive></clone>`;
  for (const xml of [power, dummy, replica]) await tree.must(`cibadmin -C -o resources -X '${xml}'`);
  for (const [at, score] of ['300', '200', '100'].entries()) {
    const rule = `<rsc_location id="at-${at + 1}" rsc="dummy" node="node${at + 1}" score="${score}"/>`;
    await tree.must(`cibadmin -C -o constraints -X '${rule}'`);
  }
}

async function comeBack(
  packaged: PackagedGround,
  host: Host,
  step: (what: string, pattern: RegExp) => Promise<void>,
  what: string,
): Promise<void> {
  await packaged.powerOn(host);
  await startNode(host);
  await step(what, new RegExp(`${ALL.source}[\\s\\S]*dummy.*Started node1`));
}

/** Hosts and the resource whose place is given; the rest of what crm_mon says differs from run to run. */
function stateLines(view: string): string[] {
  const lines = view.split('\n').map((line) => line.trim());
  return lines.filter((line) => /^\* (Online|OFFLINE|Node node\d|dummy)/.test(line));
}

/** Who was shot, the last one first. */
function history(text: string): string[] {
  return [...text.matchAll(/reboot of node\d successful/g)].map(([line]) => line);
}
