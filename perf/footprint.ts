import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { program } from '../test/interop/lab/programs.ts';
import { costOf } from './counters.ts';
import type { Figures } from './measures.ts';
import type { Rig } from './rig.ts';

const READY = /Completed service synchronization, ready to provide service/;
const READY_MS_MAX = 60_000;
const POLL_MS = 5;
/** Busy loops of ordinary priority beside a start, four a core. */
const BUSY_PER_CORE = 4;
/** They end by themselves if whoever started them is gone. */
const BUSY = `for (const end = Date.now() + ${READY_MS_MAX}; Date.now() < end; );`;
const SENDERS = 3;
const SENT_BYTES = 1400;
const SAMPLE_MS = 500;
const AFTER_MS = 30_000;
/** A daemon that has been up for a while: what only its start needed is given back. */
const SETTLE_MS = 12_000;

/** From the command to the line in the log that says that clients are served: node 1 is stopped and started again, alone and busy. */
export async function startTimes(rig: Rig): Promise<Figures> {
  const idle = await startOnce(rig);
  const busy = Array.from({ length: BUSY_PER_CORE * cpus().length }, () =>
    spawn(process.execPath, ['-e', BUSY], { stdio: 'ignore' }),
  );
  try {
    await delay(500);
    const { readyMs } = await startOnce(rig);
    return { readyMs: idle.readyMs, readyCpuMs: idle.readyCpuMs, busyReadyMs: readyMs };
  } finally {
    for (const child of busy) child.kill('SIGKILL');
  }
}

async function startOnce(rig: Rig): Promise<{ readonly readyMs: number; readonly readyCpuMs: number }> {
  await rig.first.stopDaemon();
  const startMs = performance.now();
  rig.first.startDaemon();
  const { cost } = await costOf({ pid: rig.first.daemon?.pid ?? 0 }, false, async () => {
    while (!READY.test(rig.first.log())) {
      if (performance.now() - startMs > READY_MS_MAX) throw new Error(`not ready: ${rig.first.log()}`);
      await delay(POLL_MS);
    }
  });
  return { readyMs: performance.now() - startMs, readyCpuMs: cost.cpuMs };
}

/** Resident memory of node 1: idle, the most under three senders, and half a minute later. */
export async function memory(rig: Rig, seconds: number): Promise<Figures> {
  const path = await program('cpgbench');
  await delay(SETTLE_MS);
  const idleMb = residentMb(rig);
  let loadedMb = idleMb;
  const senders = Array.from({ length: SENDERS }, (_, at) =>
    rig.first.space.run(path, [`memory${at}`, `${SENT_BYTES}`, `${seconds}`], { timeoutMs: seconds * 1000 + 60_000 }),
  );
  const timer = setInterval(() => {
    loadedMb = Math.max(loadedMb, residentMb(rig));
  }, SAMPLE_MS);
  await Promise.all(senders);
  clearInterval(timer);
  await delay(AFTER_MS);
  return { idleMb, loadedMb, afterMb: residentMb(rig) };
}

function residentMb(rig: Rig): number {
  const status = readFileSync(`/proc/${rig.first.daemon?.pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
