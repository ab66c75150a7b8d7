/** What to do about what the system refused, for whoever reads the last line of a daemon. */
const ADVICE: Readonly<Record<string, string>> = {
  EMFILE: 'raise the limit of open files (LimitNOFILE= of the unit, ulimit -n)',
  ENFILE: 'the system has no descriptors left (fs.file-max)',
  ENOSPC: 'make room on that file system',
  EDQUOT: 'the quota of that file system is used up',
  EROFS: 'that file system is mounted read-only; the unit opens more places with ReadWritePaths=',
  ENOMEM: 'give it more memory, or fewer memory mappings to others (vm.max_map_count, MemoryMax=)',
  EACCES: 'check owner and permissions, and what the unit leaves open',
  ERR_WORKER_OUT_OF_MEMORY: 'give it more memory',
};

/** One line about a failure: what, where, what to do. Its stack, if it has one, is for the debug log (`stackOf`). */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [line = ''] = error.message.split('\n');
  const advice = ADVICE[codeOf(error)];
  return advice === undefined ? line || error.name : `${line}: ${advice}`;
}

export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
