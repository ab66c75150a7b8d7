import type { LogFunction } from '../lib/log.ts';
import { monotonicNs } from '../os/clock.ts';
import { powerOffMachine, rebootMachine, setWatchdogTimeout } from '../os/machine.ts';
import type { MainEngineContext, ServiceEngine } from '../services/engine.ts';
import { MonEngine } from '../services/mon/engine.ts';
import { systemSampler } from '../services/mon/sampler.ts';
import { PloadEngine } from '../services/pload/engine.ts';
import { linuxWatchdog } from '../services/wd/device.ts';
import { WatchdogEngine } from '../services/wd/engine.ts';

export interface SystemPorts {
  /** Ends the process at once. */
  exit(code: number): void;
  /** Writes the flight recorder. */
  dumpFlightData(): void;
}

/** Engines that have to do with the machine and not with the cluster: pload, mon, wd, in stock's order of loading. wd only where the node owns the machine. */
export function systemEngines(
  log: LogFunction,
  ownsMachine: boolean,
  { exit, dumpFlightData }: SystemPorts,
): ServiceEngine<MainEngineContext>[] {
  const machine = (what: string, act: () => boolean): void => {
    log('emerg', 'WD', `A watched resource failed: ${what}`);
    dumpFlightData(); // the machine goes down under us
    if (!act()) log('emerg', 'WD', `${what} is not permitted`);
  };
  const engines = [new PloadEngine({ exit }), new MonEngine({ sampler: systemSampler, monotonicNs })];
  if (!ownsMachine) return engines;
  return [
    ...engines,
    new WatchdogEngine({
      open: linuxWatchdog(setWatchdogTimeout),
      monotonicNs,
      reboot: () => machine('reboot', rebootMachine),
      powerOff: () => machine('power off', powerOffMachine),
    }),
  ];
}
