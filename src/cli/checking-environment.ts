import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ConfigEnvironment, nodeEnvironment } from '../config/environment.ts';

/** The machine, seen without touching it: the log file is not created, the state directory may be another machine's. */
export function checkingEnvironment(node: unknown): ConfigEnvironment {
  const environment = nodeEnvironment();
  return {
    ...environment,
    ...(typeof node === 'string' ? { hostname: () => node } : {}),
    openForAppend: (path) => access(dirname(path), constants.W_OK),
    enterDirectory: () => Promise.resolve(),
  };
}
