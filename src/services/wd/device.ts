import { closeSync, openSync, writeSync } from 'node:fs';

/** A watchdog: it resets the machine unless it is tickled in time. */
export interface WatchdogDevice {
  /** `false`: the device does not take this timeout. */
  setTimeout(timeoutSec: number): boolean;
  tickle(): void;
  /** Disarms and closes. */
  close(): void;
}

/** Throws if the device cannot be opened. */
export type OpenWatchdog = (path: string) => WatchdogDevice;

/**
 * The device of the Linux watchdog interface. Opening it arms it; a write tickles it; `V` before the close disarms it.
 * The timeout needs an ioctl, which only the layer of system calls can do.
 */
export const linuxWatchdog =
  (setTimeoutOf: (fd: number, timeoutSec: number) => boolean): OpenWatchdog =>
  (path) => {
    const fd = openSync(path, 'w');
    return {
      setTimeout: (timeoutSec) => setTimeoutOf(fd, timeoutSec),
      tickle: () => void writeSync(fd, '\0'),
      close: () => {
        writeSync(fd, 'V');
        closeSync(fd);
      },
    };
  };
