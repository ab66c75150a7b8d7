import { scratch } from './arena.ts';
import { bind } from './libc.ts';

const cIoctl = bind<(fd: number, request: number, argument: number) => number>('ioctl', 'int', [
  'int',
  'size_t',
  'uintptr_t',
]);
const cReboot = bind<(how: number) => number>('reboot', 'int', ['int']);

const WDIOC_SETTIMEOUT = 0xc0045706;
const RB_AUTOBOOT = 0x01234567;
const RB_POWER_OFF = 0x4321fedc;

/** Time after which an untickled watchdog resets the machine. `false`: the device does not take it. */
export function setWatchdogTimeout(fd: number, timeoutSec: number): boolean {
  scratch.i32[0] = timeoutSec;
  return cIoctl(fd, WDIOC_SETTIMEOUT, scratch.address) >= 0;
}

/** At once, without stopping anything. Needs CAP_SYS_BOOT; `false`: not permitted. */
export const rebootMachine = (): boolean => cReboot(RB_AUTOBOOT) >= 0;
export const powerOffMachine = (): boolean => cReboot(RB_POWER_OFF) >= 0;
