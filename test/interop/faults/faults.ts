import { CLIENT_FAULTS } from './clients.ts';
import { NETWORK_FAULTS } from './network.ts';
import { PROCESS_FAULTS } from './processes.ts';
import { RESOURCE_FAULTS } from './resources.ts';
import type { Fault } from './table.ts';

/** The rows of the laboratory's matrix; its columns are mixtures of daemons. */
export const FAULTS: readonly Fault[] = [...NETWORK_FAULTS, ...PROCESS_FAULTS, ...RESOURCE_FAULTS, ...CLIENT_FAULTS];
