import { importsOf, type Source } from './sources.ts';

/** Code without its comments: a name that only a comment knows is not used. */
const codeOf = ({ text }: Source): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[\s;{}(,])\/\/.*$/gm, '$1');

/** How often each identifier occurs, in all files together. */
export class NameCount {
  private readonly counts = new Map<string, number>();

  constructor(sources: readonly Source[]) {
    for (const source of sources) {
      for (const [name] of codeOf(source).matchAll(/[A-Za-z_$][\w$]*/g)) {
        this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
      }
    }
  }

  of(name: string): number {
    return this.counts.get(name) ?? 0;
  }
}

const EXPORT = /^export (?:abstract )?(?:async )?(?:const|let|function\*?|class|interface|type|enum) (\w+)/gm;
/** At the first level of a class or an interface: what ends with a brace or a semicolon; entries of tables end with a comma. */
const MEMBER =
  /^ {2}(?:(?:private|protected|public|readonly|static|override|async|get|set) )*\*?(?!constructor\b)(\w+)(?:\?|!)?(?:<.*>)?(?:\(.*\{|\(.*\).*;|: .*;| = .*;|;)$/gm;
const STATEMENT = /^(?:return|throw|const|let|await|yield|break|continue|if|for|while|switch|import|export|else|do)$/;

/** Exports that nothing uses, not even their own file. */
export const deadExports = (sources: readonly Source[], names: NameCount): readonly string[] =>
  find(sources, names, EXPORT);

/** Members of classes and interfaces that are declared and never named again. */
export const deadMembers = (sources: readonly Source[], names: NameCount): readonly string[] =>
  find(sources, names, MEMBER);

function find(sources: readonly Source[], names: NameCount, pattern: RegExp): readonly string[] {
  return sources.flatMap((source) =>
    [...codeOf(source).matchAll(pattern)]
      .map((match) => match[1] as string)
      .filter((name) => !STATEMENT.test(name) && names.of(name) === 1)
      .map((name) => `${source.path}: ${name}`),
  );
}

/** Files of src/ that nobody imports, `entries` apart. */
export function deadFiles(
  sources: readonly Source[],
  users: readonly Source[],
  entries: readonly string[],
): readonly string[] {
  const imported = new Set<string>();
  for (const user of users) {
    for (const { specifier } of importsOf(user)) imported.add(specifier.split('/').at(-1) as string);
    for (const [, name] of user.text.matchAll(/new URL\('[^']*?([\w.-]+)\.js'/g)) imported.add(`${name}.ts`);
  }
  return sources
    .map(({ path }) => path)
    .filter((path) => !entries.includes(path) && !imported.has(path.split('/').at(-1) as string));
}
