import { sleep } from '../lab/process.ts';
import type { Fault } from './table.ts';

/** A stop and its end by signals. */
const frozen = (name: string, ms: number, ring: Fault['ring']): Fault => ({
  name,
  what: `one daemon is stopped (SIGSTOP) for ${ms / 1000} s`,
  ring,
  holdMs: ms,
  harm: async ({ victim }) => victim.freeze(),
  mend: async ({ victim }) => victim.thaw(),
});

export const PROCESS_FAULTS: readonly Fault[] = [
  {
    name: 'killed',
    what: 'one daemon is killed (SIGKILL) and started again after 2 s',
    ring: 'may change',
    holdMs: 2_000,
    harm: (scene) => scene.killVictim(),
    mend: async ({ victim }) => void victim.startDaemon(),
  },
  {
    name: 'killed-again',
    what: 'one daemon is killed five times, and started again at once each time',
    ring: 'may change',
    holdMs: 0,
    harm: async (scene) => {
      for (let times = 0; times < 5; times++) {
        await scene.killVictim();
        scene.victim.startDaemon();
        await sleep(700 + 300 * times);
      }
    },
  },
  {
    name: 'stopped-orderly',
    what: 'one daemon ends by SIGTERM and is started again after 2 s',
    ring: 'may change',
    holdMs: 2_000,
    harm: async ({ victim }) => void (await victim.stopDaemon()),
    mend: async ({ victim }) => void victim.startDaemon(),
  },
  frozen('frozen-short', 1_000, 'stays'),
  frozen('frozen-long', 8_000, 'may change'),
  {
    name: 'stutter',
    what: 'one daemon is stopped for 0.2 s, 15 times',
    ring: 'may change',
    holdMs: 0,
    harm: async ({ victim }) => {
      for (let times = 0; times < 15; times++) {
        victim.freeze();
        await sleep(200);
        victim.thaw();
        await sleep(200);
      }
    },
  },
];
