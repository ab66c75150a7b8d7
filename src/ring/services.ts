import { ServiceId } from '../services/codec/ids.ts';
import { CpgService } from './cpg/cpg-service.ts';
import type { ReloadGate } from './reload-gate.ts';
import type { MakeRingEngine } from './ring-engine.ts';
import type { ServiceRouter } from './service-router.ts';

/** The services that run on this thread. The only place of this folder that knows services by name. */
export const RING_ENGINES: readonly MakeRingEngine[] = [(env, ring) => new CpgService(env, ring)];

/** What this thread has to see of the messages of services on the main thread. */
export function observeServices(router: ServiceRouter, reloads: ReloadGate): void {
  router.observe(ServiceId.CFG, reloads);
}
