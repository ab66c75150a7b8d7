import { ringId } from '../lab/lab.ts';
import { compareSequences, compareWithSent, type LoadMember, settle } from '../lab/load.ts';
import type { DaemonKind, LabNode } from '../lab/node.ts';
import { sleep } from '../lab/process.ts';
import { compareCommonOrder, sequenceDigests } from './order.ts';
import { removeGroup } from './resources.ts';
import { FaultScene, type Holdings, holdingsOf } from './scene.ts';
import { FAULT_DEFAULTS, type Fault } from './table.ts';

export interface FaultResult {
  readonly fault: string;
  /** `ours,ours,stock`; the first node is the one that it happened to. */
  readonly mix: string;
  readonly verdict: 'passed' | 'failed' | 'skipped';
  readonly date: string;
  readonly seconds: number;
  /** From the end of the fault to one ring of all. */
  readonly healMs: number | null;
  /** New memberships that a node logged meanwhile, at most. */
  readonly memberships: number;
  /** Delivered to the member that got most. */
  readonly messages: number;
  /** Of the sequence of the last batch, equal at all members. */
  readonly digest: string;
  /** What the daemon of the victim has grown by, if it is the same one. */
  readonly growthMiB: number | null;
  readonly notes: readonly string[];
  /** Daemons stalled: by the fault, or on a machine that is too busy for the timeouts of this ring. */
  readonly stalled: boolean;
  readonly complaints: readonly string[];
}

const PER_WAVE = 15;
const LAST_BATCH = 20;
const SETTLE_MS = 45_000;
const HEAL_MS_MAX = 60_000;
/** Three starts on a busy machine. */
const START_MS_MAX = 90_000;
/** Files that a daemon opens only when it needs them. */
const SPARE_DESCRIPTORS = 4;

const memberships = (nodes: readonly LabNode[]): number =>
  Math.max(...nodes.map((node) => node.log(true).split('A new membership').length - 1));

const ringsOf = (scene: FaultScene): Promise<(string | null)[]> => Promise.all(scene.lab.nodes.map(ringId));

/** One fault at the first of these daemons, with everything that has to hold afterwards. */
export async function runFault(fault: Fault, kinds: readonly DaemonKind[]): Promise<FaultResult> {
  const startMs = performance.now();
  const complaints: string[] = [];
  const scene = await FaultScene.create({ ...FAULT_DEFAULTS, ...fault.options }, kinds);
  let stalled = false;
  const outcome: Outcome = { healMs: null, memberships: 0, messages: 0, digest: '', growthMiB: null };
  let verdict: FaultResult['verdict'] = 'passed';
  try {
    const reason = (await fault.prepare?.(scene)) ?? null;
    if (reason !== null) {
      verdict = 'skipped';
      scene.notes.push(reason);
    } else await play(fault, scene, outcome, complaints);
  } catch (error) {
    complaints.push(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
  } finally {
    stalled = scene.lab.nodes.some((node) => node.hasStalled());
    if (complaints.length > 0) {
      verdict = 'failed';
      if (process.env['RONDO_LAB_KEEP'] !== undefined) process.stderr.write(`${scene.lab.logs(60)}\n`);
    }
    await scene.close();
    removeGroup(scene.victim);
  }
  return {
    fault: fault.name,
    mix: kinds.join(),
    verdict,
    date: new Date().toISOString().slice(0, 16),
    seconds: Math.round((performance.now() - startMs) / 100) / 10,
    ...outcome,
    notes: scene.notes,
    stalled,
    complaints,
  };
}

interface Outcome {
  healMs: number | null;
  memberships: number;
  messages: number;
  digest: string;
  growthMiB: number | null;
}

async function play(fault: Fault, scene: FaultScene, outcome: Outcome, complaints: string[]): Promise<void> {
  const { lab, victim } = scene;
  scene.startVictim(fault.start ?? null);
  for (const node of scene.others) node.startDaemon();
  await lab.waitRing(lab.nodes, START_MS_MAX);
  await scene.joinAll();
  await settle(scene.members);
  for (const member of scene.members) member.mark();
  const founders = [...scene.members];
  const before = lab.nodes.map(holdingsOf);
  const ringsBefore = await ringsOf(scene);
  const viewsBefore = memberships(lab.nodes);
  const daemon = victim.daemon;

  scene.beginLoad(fault.perWave ?? PER_WAVE);
  await sleep(500);
  await fault.harm(scene);
  await sleep(fault.holdMs);
  await fault.mend?.(scene);
  const mendedMs = performance.now();
  await lab.waitRing(lab.nodes, HEAL_MS_MAX);
  outcome.healMs = Math.round(performance.now() - mendedMs);
  await scene.endLoad();
  await scene.joinAll();
  await settle(scene.living, SETTLE_MS);

  outcome.memberships = memberships(lab.nodes) - viewsBefore;
  outcome.messages = Math.max(...(await Promise.all(scene.living.map((member) => member.delivered()))));
  complaints.push(...compareCommonOrder(scene.everyone));
  if (fault.ring === 'stays' || (fault.ring === 'stays among ours' && lab.nodes.every(({ kind }) => kind === 'ours'))) {
    complaints.push(...compareSequences(founders), ...compareWithSent(founders));
    if ((await ringsOf(scene)).join() !== ringsBefore.join()) complaints.push('the ring changed');
  }
  await lastBatch(scene, outcome, complaints);
  await scene.endHelpers();
  for (const member of scene.living) if (!founders.includes(member) && member.node === victim) await leave(member);
  await sleep(700);
  for (const [at, node] of lab.nodes.entries()) {
    const held = before[at];
    if (held !== undefined) complaints.push(...leftBehind(node, held, holdingsOf(node)));
  }
  const grown = holdingsOf(victim).residentMiB - (before[0]?.residentMiB ?? 0);
  outcome.growthMiB = victim.daemon === daemon ? grown : null;
}

/** A member that came later, unless it took the place of one that died with its daemon. */
async function leave(member: LoadMember): Promise<void> {
  if (member.node.daemon?.alive) await member.leave();
}

/** When all is over: everybody delivers the same, all of it. */
async function lastBatch(scene: FaultScene, outcome: Outcome, complaints: string[]): Promise<void> {
  const { living } = scene;
  for (const member of living) member.mark();
  scene.send(LAST_BATCH);
  await settle(living, SETTLE_MS);
  complaints.push(...compareSequences(living));
  const digests = new Set(sequenceDigests(living));
  const counts = await Promise.all(living.map((member) => member.progress()));
  const wanted = living.length * LAST_BATCH;
  if (counts.some(({ sinceMark }) => sinceMark !== wanted))
    complaints.push(`of the last ${wanted} messages ${counts.map(({ sinceMark }) => sinceMark).join(' ')} arrived`);
  if (digests.size !== 1) complaints.push(`${digests.size} different sequences in the last batch`);
  outcome.digest = [...digests][0]?.slice(0, 16) ?? '';
}

function leftBehind(node: LabNode, before: Holdings, after: Holdings): string[] {
  if (node.kind !== 'ours') return [];
  const found: string[] = [];
  if (after.descriptors > before.descriptors + SPARE_DESCRIPTORS)
    found.push(`${node.plan.name}: ${after.descriptors} descriptors, ${before.descriptors} before`);
  if (after.sharedFiles > before.sharedFiles)
    found.push(`${node.plan.name}: ${after.sharedFiles} files in /dev/shm, ${before.sharedFiles} before`);
  return found;
}
