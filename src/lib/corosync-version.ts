/** The release of stock whose behaviour this project has: what `corosync -v`, log lines and tools show. */
export const COROSYNC_VERSION = '3.1.7';
