import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ConfigEnvironment, nodeEnvironment } from '../config/environment.ts';
import type { LoadOptions } from '../config/load.ts';
import { PROGRAM_LISTS } from '../services/quorum/providers.ts';

/** How commands read a configuration. The machine is seen without touching it: the log file is not created, the state directory may be another machine's. */
export function checking(node: unknown): Pick<LoadOptions, 'environment' | 'lists'> {
  const machine = nodeEnvironment();
  const environment: ConfigEnvironment = {
    ...machine,
    ...(typeof node === 'string' ? { hostname: () => node } : {}),
    openForAppend: (path) => access(dirname(path), constants.W_OK),
    enterDirectory: () => Promise.resolve(),
  };
  return { environment, lists: PROGRAM_LISTS };
}
