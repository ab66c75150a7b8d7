import { execFile } from 'node:child_process';
import { closeSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { NozzleConfig, NozzleReading } from '../config/nozzle.ts';
import { failureText } from '../lib/failure.ts';
import type { LogFunction } from '../lib/log.ts';
import { closeFd, duplicateFd } from '../os/fd.ts';
import { interfaceIndexOf } from '../os/interfaces.ts';
import { openTap, setAddress, setHardwareAddress, setInterfaceUp } from '../os/tap.ts';
import { findPlace } from '../os/trusted-path.ts';
import { settlesWithin } from './deferred.ts';
import type { Phase } from './phases.ts';
import { STOP_STEP_MS_MAX } from './ring-phase.ts';

export interface NozzlePorts {
  readonly log: LogFunction;
  /** `updown.d` lies beside it. */
  readonly configurationFile: string;
  read(): NozzleReading;
  /** The ring thread gets a descriptor of its own; -1: none any more. */
  use(fd: number): void;
}

const SCRIPT_MS_MAX = 30_000;
const SCRIPT_OUTPUT_BYTES_MAX = 16_384;
/** How long the kernel may take to remove a device that nobody has open any more. */
const GONE_MS_MAX = 2_000;
const GONE_POLL_MS = 20;
const WRITABLE_BY_OTHERS = 0o022;

/** The scripts around the device, `updown.d/FOLDER/NAME`, and what the log calls them. */
const Script = {
  PRE_UP: { folder: 'pre-up.d', word: 'pre-up' },
  UP: { folder: 'up.d', word: 'up' },
  DOWN: { folder: 'down.d', word: 'pre-down' },
  POST_DOWN: { folder: 'post-down.d', word: 'post-down' },
} as const;
type ScriptKind = (typeof Script)[keyof typeof Script];

/** The virtual Ethernet device between the nodes (`nozzle {}`), from its making to its end. Nothing of it is ever fatal. */
export class Nozzle implements Phase {
  readonly name = 'nozzle';
  private current: { readonly config: NozzleConfig; readonly fd: number } | null = null;
  private work: Promise<void> = Promise.resolve();
  private readonly directory: string;

  constructor(private readonly ports: NozzlePorts) {
    this.directory = join(dirname(ports.configurationFile), 'updown.d');
  }

  begin(): void {
    this.apply();
  }

  async end(): Promise<void> {
    await settlesWithin(STOP_STEP_MS_MAX, this.change(null));
  }

  /** The device as the configuration wants it now. */
  apply(): void {
    const { nozzle, problem } = this.ports.read();
    if (problem !== null) this.report('error', problem);
    else void this.change(nozzle);
  }

  /** One after the other: scripts take their time. */
  private change(wanted: NozzleConfig | null): Promise<void> {
    this.work = this.work.then(async () => {
      try {
        if (wanted !== null && isSame(wanted, this.current?.config)) return;
        await this.remove();
        if (wanted !== null) await this.create(wanted);
      } catch (error) {
        this.report('error', `nozzle: ${failureText(error)}`);
      }
    });
    return this.work;
  }

  private async create(config: NozzleConfig): Promise<void> {
    const { name, address, prefix, hardwareAddress } = config;
    this.report('info', `Local nozzle MAC address is ${hardwareAddress}`);
    this.report('info', `nozzle script dir is ${this.directory}`);
    if (interfaceIndexOf(name) !== 0) throw new Error(`Unable to init nozzle device ${name}: it is there already`);
    const fd = openTap(name);
    try {
      setHardwareAddress(
        name,
        Uint8Array.from(hardwareAddress.split(':'), (byte) => Number.parseInt(byte, 16)),
      );
      this.report('info', `Local nozzle IP address is ${address} / ${prefix}`);
      setAddress(name, address, prefix);
      this.report('info', `Opened '${name}' on fd ${fd}`);
      await this.run(Script.PRE_UP, name);
      setInterfaceUp(name, true);
      const copy = duplicateFd(fd);
      if (copy < 0) throw new Error('no descriptor for the ring thread');
      this.ports.use(copy);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    this.current = { config, fd };
    await this.run(Script.UP, name);
  }

  private async remove(): Promise<void> {
    const { current } = this;
    if (current === null) return;
    const { name } = current.config;
    this.current = null;
    this.ports.use(-1);
    try {
      await this.run(Script.DOWN, name);
      if (interfaceIndexOf(name) !== 0) setInterfaceUp(name, false);
      await this.run(Script.POST_DOWN, name);
    } finally {
      closeFd(current.fd);
    }
    // The ring thread closes its descriptor in its own time.
    for (let ms = 0; ms < GONE_MS_MAX && interfaceIndexOf(name) !== 0; ms += GONE_POLL_MS) await pause(GONE_POLL_MS);
    this.report('info', 'Removed nozzle device');
  }

  /** Runs an administrator's script, if there is one; whatever becomes of it, the device goes on. */
  private async run({ folder, word }: ScriptKind, name: string): Promise<void> {
    const path = join(this.directory, folder, name);
    try {
      if (!this.mayRun(path)) {
        this.report(
          'error',
          `nozzle ${word} script not run: others than root can write ${path} or a directory above it`,
        );
        return;
      }
    } catch {
      return; // there is none
    }
    const options = {
      timeout: SCRIPT_MS_MAX,
      maxBuffer: SCRIPT_OUTPUT_BYTES_MAX,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    };
    const output = await new Promise<string | null>((resolve) => {
      execFile('/bin/sh', ['-c', '"$0"', path], options, (error, out, err) =>
        resolve(error === null ? null : `${out}${err}`),
      );
    });
    if (output === null) return;
    this.report('info', `nozzle ${word} script failed`);
    for (const line of output.split('\n')) if (line !== '') this.report('info', line);
  }

  private mayRun(path: string): boolean {
    const { uid, mode } = statSync(path);
    const place = findPlace(path);
    closeSync(place.directory);
    return place.trusted && (uid === 0 || uid === process.geteuid?.()) && (mode & WRITABLE_BY_OTHERS) === 0;
  }

  private report(level: 'info' | 'error', text: string): void {
    this.ports.log(level, 'TOTEM', text, `nozzle ${level}`);
  }
}

const isSame = (a: NozzleConfig, b: NozzleConfig | undefined): boolean => JSON.stringify(a) === JSON.stringify(b);
