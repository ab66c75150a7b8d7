/** The name under which the daemon was started: bin/launch.sh makes it that of the process. Without the launcher it is ours. */
export const programName = (): string => (process.title === 'corosync' ? 'corosync' : 'rondod');
