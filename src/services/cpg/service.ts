import { CPG_CALLS, CPG_MESSAGES } from '../codec/cpg.ts';
import { ServiceId } from '../codec/ids.ts';
import { messageNames } from '../codec/message.ts';
import type { ServiceDeclaration } from '../engine.ts';

/** Service 2: closed process groups (services.md 4). It runs on the ring thread; the main thread knows it by this. */
export const CPG_SERVICE: ServiceDeclaration = {
  serviceId: ServiceId.CPG,
  name: 'cpg',
  description: 'corosync cluster closed process group service v1.01',
  unloadPriority: 1,
  allowInquorate: true,
  calls: CPG_CALLS,
  messages: messageNames(CPG_MESSAGES),
  takesPartInSync: true,
};
