import { parseListenAddress } from '../../lib/listen-address.ts';
import { nearest } from '../../lib/nearest.ts';
import { findOption } from '../options/index.ts';
import { isSwitch } from '../options/option.ts';
import type { ConfigBuilder, SourceItem } from '../parser/builder.ts';
import { findOffender } from '../parser/hints.ts';
import { orList } from '../parser/values.ts';
import { parseDscp } from '../totem/dscp.ts';
import type { Findings } from './findings.ts';

const INTERFACE_DROPPED_FROM = 0x8000_0000;
const BACKUP_FILE = /(~|\.(bak|orig|old|swp|rpmsave|rpmnew|dpkg-\w+))$/;

/** Values that stock accepts and then takes for something else. */
export function lintValues(parsed: ConfigBuilder, findings: Findings): void {
  const files = new Set<string>();
  for (const item of parsed.items) {
    lintText(item, findings);
    lintEnumeration(item, findings);
    lintNumber(item, findings);
    lintListenAddress(item, findings);
    files.add(item.position.file);
  }
  for (const file of files) {
    if (!BACKUP_FILE.test(file)) continue;
    const position = { file, line: 1, column: 1 };
    findings.add(
      'backup-file',
      position,
      undefined,
      'This looks like a backup copy, but every file of uidgid.d counts',
      'Remove the file',
    );
  }
}

function lintText({ key, value, position, storedKey }: SourceItem, findings: Findings): void {
  const add = (code: string, message: string, hint: string): void =>
    findings.add(code, position, storedKey, message, hint);
  if (/^(["']).*\1$/.test(value)) add('quotes', `The quotes are part of the value of ${key}`, 'Remove the quotes');
  if (/\s#/.test(value) && !key.startsWith('exec_')) {
    add('comment-in-value', `The text after # is part of the value of ${key}`, 'Put the comment on a line of its own');
  }
  if (/\xa0/.test(value) && /^(\xc2)?\xa0|(\xc2)?\xa0$/.test(value)) {
    add('blank', `The value of ${key} starts or ends with ${findOffender('\xc2\xa0')?.name}`, 'Remove it');
  }
  if (value !== '' && /^[\x20-\x7e]*$/.test(value) && value !== value.trim()) {
    add('blank', `The value of ${key} starts or ends with white space`, 'Remove it');
  }
}

/** Texts that mean the default because they are none of the values, silently. Logging values are errors elsewhere. */
function lintEnumeration({ section, key, value, position, storedKey }: SourceItem, findings: Findings): void {
  if (section.startsWith('logging') && key !== 'format') return;
  if (section === 'quorum' && key === 'provider') return; // a rule of its own
  const option = findOption(section, key);
  if (key === 'ip_dscp' && section === 'totem' && parseDscp(value) === null) {
    findings.add(
      'value',
      position,
      storedKey,
      `ip_dscp ${value} is no DSCP value and is ignored`,
      'Write 0 to 63, cs0 to cs7, af11 to af43 or ef',
    );
    return;
  }
  if (option?.values === undefined || option.values.includes(value)) return;
  const near = nearest(value, option.values);
  const hint = near === null ? `Write ${orList(option.values)}` : `Did you mean ${near}?`;
  findings.add('value', position, storedKey, `${value === '' ? 'Nothing' : value} is no value of ${key}`, hint);
}

/** Where nobody could listen, and what is not opened without a token. */
function lintListenAddress({ section, key, value, position, storedKey }: SourceItem, findings: Findings): void {
  if (section !== 'system' || (key !== 'metrics' && key !== 'dashboard')) return;
  const address = parseListenAddress(value);
  if (typeof address !== 'string') return;
  const hint = 'Write for example 127.0.0.1:9180';
  findings.add(
    'value',
    position,
    storedKey,
    `${value === '' ? 'Nothing' : value} is no address of ${key}: ${address}`,
    hint,
  );
}

function lintNumber({ section, key, value, position, storedKey }: SourceItem, findings: Findings): void {
  const number = /^\s*[+-]?\d+$/.test(value) ? Number(value) : null;
  if (number === null) return;
  const add = (message: string, hint: string): void => findings.add('number', position, storedKey, message, hint);
  if (section === 'totem.interface' && number >= INTERFACE_DROPPED_FROM) {
    add(`${key} ${value} is too large and is ignored`, `Write a number below ${INTERFACE_DROPPED_FROM}`);
  }
  const option = findOption(section, key);
  if (option === undefined) return;
  const { min, max } = option;
  if (isSwitch(option) && number !== 0 && number !== 1) add(`${key} is a switch; ${value} acts as 1`, 'Write 0 or 1');
  if (!option.section.startsWith('resources') || min === undefined || max === undefined) return;
  if (number < min || number > max) {
    add(`${key} ${value} is out of range and is ignored`, `Write a number from ${min} to ${max}`);
  }
}
