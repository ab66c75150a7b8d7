import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { labUnavailable, oursUnavailable } from '../lab/host.ts';
import { compareSequences, settle } from '../lab/load.ts';
import type { DaemonKind, LabNode } from '../lab/node.ts';
import { sleep } from '../lab/process.ts';
import { type ChurnCounts, churn, deaths, ghosts } from './churn.ts';
import { judgeFlatness, SAMPLES_MIN, type Sample } from './flat.ts';
import { FaultScene, holdingsOf } from './scene.ts';
import { FAULT_DEFAULTS } from './table.ts';

const USAGE = `npm run soak -- [options]     churn of clients, daemons and links; memory, descriptors, threads and files must stay flat
  --minutes N         for so long (60)
  --kinds LIST        the daemons (ours,ours,ours); the last one is killed again and again
  --deaths            nothing but that, and clients killed in the middle of sending
`;
const QUIET_MS = 1_000;
/** Three starts on a busy machine. */
const START_MS_MAX = 120_000;
/** Their records are read whole each time. */
const ROUNDS_OF_MEMBERS = 60;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    kinds: { type: 'string', default: 'ours,ours,ours' },
    deaths: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const out = (text: string): void => void process.stdout.write(`${text}\n`);

function sample(node: LabNode): Sample {
  const { descriptors, sharedFiles, residentMiB } = holdingsOf(node);
  const status = readFileSync(`/proc/${node.daemon?.pid}/status`, 'latin1');
  return {
    atMs: performance.now(),
    residentMiB,
    descriptors,
    sharedFiles,
    threads: Number(/^Threads:\s+(\d+)/m.exec(status)?.[1]),
    stateFiles: readdirSync(join(node.space.directory, 'state'), { recursive: true }).length,
  };
}

/** Waits for one ring, compares what all got since the last time, and looks at the processes when it is quiet. */
async function takeStock(scene: FaultScene, series: Map<string, Sample[]>): Promise<string[]> {
  const { lab } = scene;
  await lab.waitRing(lab.nodes, 60_000);
  await scene.joinAll();
  await settle(scene.living);
  for (const member of scene.living) member.mark();
  scene.send(30);
  await settle(scene.living);
  const complaints = [...compareSequences(scene.living), ...(await ghosts(scene))];
  await sleep(QUIET_MS);
  for (const node of lab.nodes) {
    const name = `${node.plan.name} (${node.kind}, ${node.daemon?.pid})`;
    const taken = sample(node);
    series.set(name, [...(series.get(name) ?? []), taken]);
    if (!values.deaths) continue;
    const lives = `${node.plan.name} (all processes)`; // what a killed one left in files stays with its node
    series.set(lives, [...(series.get(lives) ?? []), taken]);
  }
  return complaints;
}

function judge(series: ReadonlyMap<string, readonly Sample[]>): string[] {
  const complaints: string[] = [];
  for (const [name, samples] of series) {
    const [first, last] = [samples[0], samples.at(-1)];
    if (samples.length < SAMPLES_MIN || first === undefined || last === undefined) continue;
    const flat = judgeFlatness(samples);
    const of = (key: keyof Sample): string => `${first[key]} → ${last[key]}`;
    out(
      `${name}: ${samples.length} samples, resident ${of('residentMiB')} MiB (slope after the warm-up ${flat.slopeMiBPerHour.toFixed(1)} MiB an hour, ${flat.grownMiB.toFixed(1)} MiB in all), descriptors ${of('descriptors')}, threads ${of('threads')}, /dev/shm ${of('sharedFiles')}, state ${of('stateFiles')}`,
    );
    complaints.push(...flat.complaints.map((complaint) => `${name}: ${complaint}`));
  }
  return complaints;
}

async function soak(): Promise<boolean> {
  const kinds = values.kinds.split(',').map((word): DaemonKind => (word === 'ours' ? 'ours' : 'stock'));
  const scene = await FaultScene.create(FAULT_DEFAULTS, kinds);
  const counts: ChurnCounts = { clients: 0, clientKills: 0, daemonKills: 0, cuts: 0, reloads: 0 };
  const series = new Map<string, Sample[]>();
  const complaints: string[] = [];
  const startMs = performance.now();
  const endMs = startMs + Number(values.minutes) * 60_000;
  let rounds = 0;
  let messages = 0;
  try {
    for (const node of scene.lab.nodes) node.startDaemon();
    await scene.lab.waitRing(scene.lab.nodes, START_MS_MAX);
    await scene.joinAll();
    for (; performance.now() < endMs; rounds++) {
      scene.beginLoad(10);
      await (values.deaths ? deaths(scene, counts) : churn(scene, counts, rounds));
      await scene.endLoad();
      complaints.push(...(await takeStock(scene, series)));
      if (rounds % ROUNDS_OF_MEMBERS !== ROUNDS_OF_MEMBERS - 1) continue;
      for (const member of scene.living.splice(0)) {
        messages += await member.delivered();
        await member.leave();
      }
      out(`${((performance.now() - startMs) / 60_000).toFixed(0)} min, ${JSON.stringify(counts)}`);
      await scene.joinAll();
    }
    messages += Math.max(...(await Promise.all(scene.living.map((member) => member.delivered()))));
  } catch (error) {
    complaints.push(`${error instanceof Error ? error.message : error}`, scene.lab.logs(15));
  } finally {
    await scene.close();
  }
  const broken = complaints.length > 0;
  complaints.push(...judge(series));
  for (const complaint of complaints) out(complaint);
  const minutes = ((performance.now() - startMs) / 60_000).toFixed(1);
  const verdict = broken ? 'FAILED' : complaints.length === 0 ? 'flat' : 'NOT FLAT';
  out(
    `soak, ${values.kinds}: ${minutes} min, ${rounds} rounds, ${messages} messages, ${JSON.stringify(counts)}: ${verdict}`,
  );
  return complaints.length === 0;
}

if (values.help) out(USAGE);
else {
  const reason = labUnavailable() || oursUnavailable();
  if (reason !== false) out(reason);
  process.exitCode = reason === false && (await soak()) ? 0 : 1;
}
