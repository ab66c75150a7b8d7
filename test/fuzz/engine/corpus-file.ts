import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { joined } from './records.ts';
import type { FuzzSubject } from './target.ts';

const DIRECTORY = new URL('../../../../test/fuzz/corpus/', import.meta.url);
const fileOf = ({ name }: FuzzSubject): URL => new URL(`${name}.txt`, DIRECTORY);

/** The inputs that the repository has for a subject: one a line, in hexadecimal, or as a JSON string for texts. */
export function readCorpus(subject: FuzzSubject): Uint8Array[] {
  const file = fileOf(subject);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) =>
    joined(subject.text === true ? Buffer.from(JSON.parse(line) as string, 'latin1') : Buffer.from(line, 'hex')),
  );
}

export const lineOf = (subject: FuzzSubject, input: Uint8Array): string =>
  subject.text === true ? JSON.stringify(Buffer.from(input).toString('latin1')) : Buffer.from(input).toString('hex');

/** Writes the corpus, shortest first. */
export function writeCorpus(subject: FuzzSubject, inputs: readonly Uint8Array[]): void {
  const lines = [...new Set(inputs.map((input) => lineOf(subject, input)))];
  lines.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  writeFileSync(fileOf(subject), `${lines.join('\n')}\n`);
}
