import { u32 } from './fields.ts';
import { PloadFn, ServiceId } from './ids.ts';
import { execStruct } from './struct.ts';

/** Messages of the load generator (services.md 1.6, 10.1). `header.size` of both is wrong in stock traffic (services.md T25). */
export const PLOAD_START = execStruct(ServiceId.PLOAD, PloadFn.START, 'req_exec_pload_start', 24, {
  messageCount: u32('msg_count', 16),
  messageBytes: u32('msg_size', 20),
});
export const PLOAD_MCAST = execStruct(ServiceId.PLOAD, PloadFn.MCAST, 'req_exec_pload_mcast', 16, {});
export const PLOAD_MESSAGES = { start: PLOAD_START, data: PLOAD_MCAST } as const;
