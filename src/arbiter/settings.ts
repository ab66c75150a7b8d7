import { readFileSync } from 'node:fs';

/** An advanced setting (`-S name=value`): a number within bounds, a switch, a text, a umask or a group. */
export type SettingKind =
  | {
      readonly kind: 'number';
      readonly min: number;
      readonly max: number;
      readonly fraction?: boolean;
      /** Why it is read and checked, and nothing else: told to whoever gives it. */
      readonly withoutEffect?: string;
    }
  | { readonly kind: 'switch' | 'text' | 'umask' | 'group' | 'ignored' }
  | { readonly kind: 'words'; readonly words: readonly string[] };
/** Numbers for numbers, umasks and groups; `null`: left as it is. */
export type SettingValue = number | boolean | string | null;
export type SettingKinds = Readonly<Record<string, SettingKind>>;

const INT_MAX = 2 ** 31 - 1;
const U32_MAX = 2 ** 32 - 1;

/** An integer from `min` on, of the type that stock keeps it in. */
export const intKind = (min: number) => ({ kind: 'number', min, max: INT_MAX }) as const;
export const u32Kind = (min: number) => ({ kind: 'number', min, max: U32_MAX }) as const;
export const sizeKind = (min: number) => ({ kind: 'number', min, max: Number.MAX_SAFE_INTEGER }) as const;

/** What both programs have: the lock, and the socket of their tools. */
export const CONTROL_SETTING_KINDS = {
  lock_file: { kind: 'text' },
  local_socket_file: { kind: 'text' },
  local_socket_umask: { kind: 'umask' },
  local_socket_gid: { kind: 'group' },
  local_socket_backlog: intKind(1),
  ipc_max_clients: sizeKind(0),
  ipc_max_receive_size: sizeKind(1024),
  ipc_max_send_size: sizeKind(1024),
} as const satisfies SettingKinds;

/** Their defaults. `name`: of the program; its files are below /run. */
export function controlSettings(name: string, ipcSendBytesMax: number) {
  const run = `/run/${name}/${name}`;
  return {
    lock_file: `${run}.pid`,
    local_socket_file: `${run}.sock`,
    local_socket_umask: null as number | null,
    local_socket_gid: null as number | null,
    local_socket_backlog: 10,
    ipc_max_clients: 10,
    ipc_max_receive_size: 4 * 1024,
    ipc_max_send_size: ipcSendBytesMax,
  } satisfies Record<string, SettingValue>;
}
export type CommonSettings = Readonly<ReturnType<typeof controlSettings>>;

export type SettingProblem =
  | { readonly problem: 'unknown'; readonly name: string }
  | { readonly problem: 'invalid'; readonly name: string; readonly value: string };

/** `name=value[,name2=value2…]` as stock reads it; what is to be said of those that do nothing. Throws nothing: a problem is returned. */
export function applySettings(
  text: string,
  kinds: SettingKinds,
  into: Record<string, SettingValue>,
): SettingProblem | readonly string[] {
  const notes: string[] = [];
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    const [name, value] = equals < 0 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)];
    if (name === '') break;
    const found = Object.keys(kinds).find((key) => key === name.toLowerCase());
    if (found === undefined) return { problem: 'unknown', name };
    const kind = kinds[found]!;
    if (kind.kind === 'ignored') notes.push(`Option '${name}' is deprecated and has no effect anymore`);
    else {
      const read = readSetting(kind, value);
      if (read === undefined) return { problem: 'invalid', name, value };
      const why = kind.kind === 'number' ? kind.withoutEffect : undefined;
      if (why === undefined) into[found] = read;
      else notes.push(`Option '${name}' has no effect here: ${why}`);
    }
  }
  return notes;
}

function readSetting(kind: SettingKind, value: string): SettingValue | undefined {
  switch (kind.kind) {
    case 'number':
      return readNumber(value, kind.min, kind.max, kind.fraction ?? false);
    case 'switch':
      return readSwitch(value) ?? undefined;
    case 'umask':
      return value === '' ? null : /^[0-7]+$/.test(value) ? bounded(Number.parseInt(value, 8), 0, 0o777) : undefined;
    case 'group':
      return value === '' ? null : groupId(value);
    case 'words':
      return kind.words.includes(value.toLowerCase()) ? value.toLowerCase() : undefined;
    default:
      return value;
  }
}

const bounded = (value: number, min: number, max: number): number | undefined =>
  value >= min && value <= max ? value : undefined;

function readNumber(value: string, min: number, max: number, fraction: boolean): number | undefined {
  const pattern = fraction ? /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i : /^\s*[+-]?\d+$/;
  return pattern.test(value) ? bounded(Number(value), min, max) : undefined;
}

/** `yes`, `on`, `1`; `no`, `off`, `0`; `null`: neither. */
export function readSwitch(value: string): boolean | null {
  if (/^(?:yes|on|1)$/i.test(value)) return true;
  return /^(?:no|off|0)$/i.test(value) ? false : null;
}

const GID_MAX = 0xffff_fffe;

/** By number or by name; -1: left as it is. */
function groupId(value: string): SettingValue | undefined {
  if (/^-?\d+$/.test(value)) {
    const id = bounded(Number(value), -1, GID_MAX);
    return id === -1 ? null : id;
  }
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(`${value}:`));
  const id = line?.split(':')[2];
  return id === undefined ? undefined : Number(id);
}
