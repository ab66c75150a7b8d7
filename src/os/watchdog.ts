import { scratch } from './arena.ts';
import { bind, orErrno } from './libc.ts';

const cIoctl = bind<(fd: number, request: number, argument: number) => number>('ioctl', 'int', [
  'int',
  'size_t',
  'uintptr_t',
]);

/** WDIOC_SETTIMEOUT: _IOWR('W', 6, int). */
const WDIOC_SETTIMEOUT = 0xc0045706;

/** Sets the seconds after which the device resets the machine. `false`: it does not take this number. */
export function setWatchdogTimeout(fd: number, timeoutSec: number): boolean {
  scratch.i32[0] = timeoutSec;
  return orErrno(cIoctl(fd, WDIOC_SETTIMEOUT, scratch.address)) >= 0 && scratch.i32[0] === timeoutSec;
}
