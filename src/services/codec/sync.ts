import { array, I32_ELEMENT, i32, ringId } from './fields.ts';
import { SyncFn } from './ids.ts';
import { RequestStruct } from './struct.ts';

/** Messages of the barrier protocol, group "sync" (services.md 1.6, 3.4). Their ids are plain numbers. */
export const SYNC_BARRIER = new RequestStruct(SyncFn.BARRIER, 'req_exec_barrier_message', 32, {
  ringId: ringId('ring_id.', 16, 4),
});
export const SYNC_SERVICES_MAX = 128;
export const SYNC_SERVICE_BUILD = new RequestStruct(SyncFn.SERVICE_BUILD, 'req_exec_service_build_message', 552, {
  ringId: ringId('ring_id.', 16, 4),
  serviceCount: i32('service_list_entries', 32),
  services: array('service_list', 40, SYNC_SERVICES_MAX, I32_ELEMENT),
});
