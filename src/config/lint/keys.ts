import { nearest } from '../../lib/nearest.ts';
import { findOption, KNOWN_SECTIONS, keysOfSection, OPTIONS, sectionsOfKey } from '../options/index.ts';
import type { ConfigBuilder, SourceItem, SourceSection } from '../parser/builder.ts';
import type { Findings } from './findings.ts';

/** Sections of Corosync 1.x and of other programs: stored, ignored, and no slip of the pen. */
const FOREIGN_SECTIONS = new Set(['amf', 'aisexec', 'event', 'qb', 'cfg', 'service', 'rondo']);
/** Sections into which other programs put keys of their own: only near misses are worth a word. */
const OPEN_SECTIONS = new Set(['nodelist.node', 'quorum.device', 'quorum.device.net', 'quorum.device.heuristics']);
/** Blocks that cannot hold other blocks; stock before 3.1.10 loses track of keys after such a block. */
const CLOSED_SECTIONS = new Set([
  'uidgid',
  'totem.interface.member',
  'logging.logger_subsys',
  'logging.logging_daemon',
]);
/** Stock itself warns of these. */
const WARNED_BY_STOCK = new Set(['totem.nodeid', 'totem.interface.bindnetaddr', 'totem.interface.member.memberaddr']);

const isForeign = (path: string): boolean => FOREIGN_SECTIONS.has(path.split('.')[0]!) || path.startsWith('resources.');

/** Sections and keys that stock stores without a word, although nobody reads them (config-and-tools.md 8.1 T7). */
export function lintKeys(parsed: ConfigBuilder, findings: Findings): void {
  const unknown = new Set<string>();
  for (const section of parsed.sections) {
    if (findings.isFull) return;
    lintSection(section, unknown, findings);
  }
  for (const item of parsed.items) {
    if (findings.isFull) return;
    if (!unknown.has(item.section) && !isForeign(item.section)) lintItem(item, findings);
  }
  lintDuplicates(parsed.items, findings);
  lintRepeatedSections(parsed, findings);
}

function lintSection({ path, position }: SourceSection, unknown: Set<string>, findings: Findings): void {
  const parent = path.split('.').slice(0, -1).join('.');
  const name = path.slice(parent === '' ? 0 : parent.length + 1);
  if (CLOSED_SECTIONS.has(parent) || (parent === 'nodelist.node' && !KNOWN_SECTIONS.has(path))) {
    findings.add(
      'misplaced-section',
      position,
      path,
      `Section ${name} stands inside of ${parent}, which holds no sections`,
      'Close the outer section first',
    );
    unknown.add(path);
    return;
  }
  if (KNOWN_SECTIONS.has(path) || isForeign(path)) return;
  unknown.add(path);
  if (unknown.has(parent)) return;
  const home = [...KNOWN_SECTIONS].find((known) => known.split('.').at(-1) === name);
  if (home !== undefined) {
    const where = home.includes('.') ? `inside of ${home.slice(0, home.lastIndexOf('.'))}` : 'at top level';
    findings.add(
      'misplaced-section',
      position,
      path,
      `Section ${name} has no meaning here`,
      `It belongs ${where}; is a closing brace missing or one too many?`,
    );
    return;
  }
  const siblings = [...KNOWN_SECTIONS]
    .filter((known) => known.split('.').slice(0, -1).join('.') === parent)
    .map((known) => known.split('.').at(-1)!);
  const near = nearest(name, siblings);
  findings.add(
    'unknown-section',
    position,
    path,
    `Unknown section ${path}`,
    near === null ? 'It is stored and ignored' : `Did you mean ${near}?`,
  );
}

function lintItem(item: SourceItem, findings: Findings): void {
  const { section, key, position, storedKey } = item;
  if (key === '') {
    findings.add('empty-key', position, storedKey, 'Item without a name', 'Stock from 3.1.10 on refuses the file');
    return;
  }
  const option = findOption(section, key);
  if (option === undefined) {
    lintUnknownKey(item, findings);
    return;
  }
  const { withoutEffect, withoutEffectValues } = option;
  if (withoutEffect !== undefined && withoutEffectValues?.includes(item.value) !== false) {
    const what = withoutEffectValues === undefined ? key : `${key}: ${item.value}`;
    findings.add('no-effect', position, storedKey, `${what} has no effect: ${withoutEffect}`, 'Remove the line');
  }
  if (option.obsolete !== undefined && !WARNED_BY_STOCK.has(`${section}.${key}`)) {
    findings.add('obsolete', position, storedKey, `${key} is obsolete: ${option.obsolete}`, 'Remove the line');
  }
}

function lintUnknownKey({ section, key, position, storedKey }: SourceItem, findings: Findings): void {
  if (section === 'totem.interface' && key === 'ringnumber') {
    findings.add('unknown-key', position, storedKey, 'ringnumber is not known any more', 'Write linknumber');
    return;
  }
  const near = nearest(key, keysOfSection(section));
  if (near !== null) {
    findings.add('unknown-key', position, storedKey, `Unknown key ${key}`, `Did you mean ${near}?`);
    return;
  }
  const homes = sectionsOfKey(key);
  if (section === '' && !key.includes('.')) {
    const hint = homes.length > 0 ? `It belongs to section ${homes.join(' or ')}` : 'Put it into a section';
    findings.add('misplaced-key', position, storedKey, `Key ${key} stands outside of every section`, hint);
    return;
  }
  if (OPEN_SECTIONS.has(section)) return;
  if (homes.length > 0) {
    findings.add(
      'misplaced-key',
      position,
      storedKey,
      `Key ${key} has no meaning in section ${section}`,
      `It belongs to section ${homes.join(' or ')}`,
    );
    return;
  }
  const anywhere = nearest(key, new Set(OPTIONS.map((option) => option.key)));
  const hint =
    anywhere === null
      ? 'It is stored and ignored'
      : `Did you mean ${anywhere}, which belongs to section ${sectionsOfKey(anywhere).join(' or ')}?`;
  if (section !== '')
    findings.add('unknown-key', position, storedKey, `Unknown key ${key} in section ${section}`, hint);
}

/** The same key twice: the last one counts, but in logger blocks the first (config-and-tools.md 1.2). */
function lintDuplicates(items: readonly SourceItem[], findings: Findings): void {
  const seen = new Map<string, SourceItem>();
  for (const item of items) {
    const repeats = ['uidgid', 'service', 'totem.interface', 'totem.interface.member'].includes(item.section);
    if (repeats || item.section.startsWith('logging.logg')) continue;
    const before = seen.get(item.storedKey);
    seen.set(item.storedKey, item);
    if (before === undefined || before.value === item.value) continue;
    const first = `line ${before.position.line}`;
    findings.add(
      'duplicate-key',
      item.position,
      item.storedKey,
      `${item.storedKey} is given again; the value of ${first} is lost`,
      'Remove one of the lines',
    );
  }
}

function lintRepeatedSections(parsed: ConfigBuilder, findings: Findings): void {
  const [, second] = parsed.sections.filter(({ path }) => path === 'nodelist');
  if (second !== undefined) {
    findings.add(
      'second-nodelist',
      second.position,
      'nodelist',
      'A second nodelist overwrites the nodes of the first one by one',
      'Put all nodes into one nodelist',
    );
  }
  for (const path of ['logging.logger_subsys', 'totem.interface'] as const) {
    const key = path === 'totem.interface' ? 'linknumber' : 'subsys';
    lintBlocks(parsed, path, key, findings);
  }
}

/** Blocks about the same link or subsystem, and keys given twice in one block. */
function lintBlocks(parsed: ConfigBuilder, path: string, key: string, findings: Findings): void {
  const blocks = parsed.sections.filter((section) => section.path === path);
  // Both are in the order of the file, and only the main file has such blocks.
  const all = parsed.items.filter(({ section }) => section === path);
  const names = new Map<string, number>();
  let at = 0;
  for (const [index, block] of blocks.entries()) {
    const until = blocks[index + 1]?.position.line ?? Number.POSITIVE_INFINITY;
    const from = at;
    while (at < all.length && all[at]!.position.line < until) at++;
    const items = all.slice(from, at);
    const name = items.find((item) => item.key === key)?.value ?? (key === 'linknumber' ? '0' : '');
    const before = names.get(name);
    if (before !== undefined) {
      findings.add(
        'repeated-block',
        block.position,
        path,
        `A block about ${key} ${name} stands in line ${before} already`,
        key === 'linknumber' ? 'Give every block its linknumber' : 'Put the keys into one block',
      );
    }
    names.set(name, block.position.line);
    const seen = new Set<string>();
    for (const item of items) {
      if (seen.has(item.key)) {
        const which = key === 'subsys' ? 'the first value counts here' : 'the last value counts';
        findings.add(
          'duplicate-key',
          item.position,
          item.storedKey,
          `${item.key} is given twice in this block; ${which}`,
          'Remove one of the lines',
        );
      }
      seen.add(item.key);
    }
  }
}
