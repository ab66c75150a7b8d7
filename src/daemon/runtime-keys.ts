import { type Icmap, TRACK_CHANGES } from '../config/icmap/index.ts';
import { cmapText } from '../lib/cmap-value.ts';

/** Keys that make the daemon do something when they are written (config-and-tools.md 2.1). */
export interface TriggerActions {
  forceGather(): void;
  dumpFlightData(): void;
  dumpState(): void;
}

const FORCE_GATHER = 'runtime.force_gather';
const DUMP_FLIGHT_DATA = 'runtime.blackbox.dump_flight_data';
const DUMP_STATE = 'runtime.blackbox.dump_state';
const IDLE = 'no';

export function installTriggerKeys(cmap: Icmap, actions: TriggerActions): void {
  trigger(cmap, FORCE_GATHER, actions.forceGather, true);
  trigger(cmap, DUMP_FLIGHT_DATA, actions.dumpFlightData, false);
  trigger(cmap, DUMP_STATE, actions.dumpState, false);
}

/** Any value but `no` triggers; `reset` writes `no` back, so that the same value triggers again. */
function trigger(cmap: Icmap, key: string, action: () => void, reset: boolean): void {
  cmap.setString(key, IDLE);
  cmap.track(key, TRACK_CHANGES, (_event, _key, value) => {
    if (value !== null && cmapText(value) === IDLE) return;
    if (reset) cmap.setString(key, IDLE);
    action();
  });
}
