import { spawn } from 'node:child_process';
import { applySettings, type SettingKinds, type SettingValue } from '../../arbiter/settings.ts';
import type { Option } from './getopt.ts';
import { EXIT_FAILURE, EXIT_SUCCESS, Exit, type ToolIo } from './tool.ts';

/** What the command lines of arbiter and device are alike in. */
export interface DaemonInvocation<Settings> {
  foreground: boolean;
  debug: boolean;
  bump: boolean;
  readonly settings: Settings;
}

export const daemonOptions = <Settings>(settings: Settings): DaemonInvocation<Settings> => ({
  foreground: false,
  debug: false,
  bump: false,
  settings,
});

/** Takes `-d`, `-f` and `-S`; `false`: it is another one. @throws Exit after stock's message about a setting */
export function takeDaemonOption(
  { letter, value }: Option,
  chosen: DaemonInvocation<Record<string, SettingValue>>,
  kinds: SettingKinds,
  io: ToolIo,
  program: string,
): boolean {
  if (letter === 'f') chosen.foreground = true;
  else if (letter === 'S') takeSettings(value, kinds, chosen.settings, io, program);
  else if (letter === 'd') {
    // Given twice, debug lines have another priority.
    chosen.bump = chosen.debug;
    chosen.debug = true;
  } else return false;
  return true;
}

function takeSettings(
  text: string,
  kinds: SettingKinds,
  into: Record<string, SettingValue>,
  io: ToolIo,
  program: string,
): void {
  const result = applySettings(text, kinds, into);
  if ('problem' in result) {
    const { problem, name } = result;
    const what =
      problem === 'unknown' ? `Unknown option '${name}'` : `Invalid value '${result.value}' for option '${name}'`;
    io.err(`${program}: ${what}\n`);
    throw new Exit(EXIT_FAILURE);
  }
  for (const note of result) io.err(`${program}: ${note}\n`);
}

/** Runs it in the foreground, or the same again in a session of its own, in the foreground of nobody. */
export async function runOrDetach(
  {
    foreground,
    io,
    program,
  }: { readonly foreground: boolean; readonly io: Pick<ToolIo, 'err'>; readonly program: string },
  run: () => Promise<number>,
): Promise<number> {
  if (foreground) return await run();
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1), '-f'], {
    cwd: '/',
    detached: true,
    stdio: 'ignore',
  });
  return await new Promise((resolve) => {
    child.once('spawn', () => {
      child.unref();
      resolve(EXIT_SUCCESS);
    });
    // No process, no descriptor or no memory is left.
    child.once('error', (error) => {
      io.err(`${program}: cannot go into the background: ${error.message}; -f keeps it in the foreground\n`);
      resolve(EXIT_FAILURE);
    });
  });
}
