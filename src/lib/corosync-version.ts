/** The release of stock whose behaviour this project has: what `corosync -v`, log lines and tools show. */
export const COROSYNC_VERSION = '3.1.7';
/** The release of stock's quorum device and its arbiter whose behaviour ours have. */
export const COROSYNC_QDEVICE_VERSION = '3.0.3';
