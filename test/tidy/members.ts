import { join } from 'node:path';
import { type HeritageClause, type Node, SyntaxKind } from 'typescript/unstable/ast';
import {
  isBinaryExpression,
  isBindingElement,
  isIdentifier,
  isObjectBindingPattern,
  isParameterDeclaration,
  isPropertyAccessExpression,
  isStringLiteral,
} from 'typescript/unstable/ast/is';
import { API, type Checker, type Project, type Type, TypeFlags, type TypeParameter } from 'typescript/unstable/sync';
import { ROOT } from './sources.ts';

/** A member of a class, an interface or a type, and where it is declared. */
interface Member {
  readonly path: string;
  readonly name: string;
  readonly node: Node;
  readonly owner: Node;
}

/** A place that reads a member: of what, and which name. */
interface Read {
  readonly object: Node;
  readonly name: string;
}

const MEMBERS: readonly SyntaxKind[] = [
  SyntaxKind.PropertySignature,
  SyntaxKind.MethodSignature,
  SyntaxKind.PropertyDeclaration,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.GetAccessor,
];

/**
 * Members declared below `src/` that nothing in the project reads, tests included, by what the compiler knows: a read of `x` on another type counts
 * for a member `x` whose owner can stand for that type. Names that a string has (keyof, JSON) count as read, and so do those of `elsewhere`.
 * TypeScript 7 offers its knowledge to programs as "unstable": the lock file pins it, and only this file uses it.
 */
export function unreadMembers(elsewhere: ReadonlySet<string>): readonly string[] {
  const api = new API({ cwd: ROOT });
  try {
    const config = join(ROOT, 'tsconfig.json');
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
    if (project === undefined) throw new Error(`${config} is no project`);
    return search(project, elsewhere);
  } finally {
    api.close();
  }
}

function search(project: Project, elsewhere: ReadonlySet<string>): readonly string[] {
  const { members, reads, strings } = collect(project);
  const { checker } = project;
  const objectTypes = checker.getTypeAtLocation(reads.map(({ object }) => object));
  const readers = new Map<string, Map<number, Type>>();
  for (const [at, { name }] of reads.entries()) {
    const type = objectTypes[at];
    if (type === undefined) continue;
    const ofName = readers.get(name) ?? new Map<number, Type>();
    readers.set(name, ofName.set(type.id, type));
  }
  const read = readDeclarations(project, readers);
  const candidates = members.filter(
    ({ node, name, owner }) =>
      !read.has(node) && !strings.has(name) && !elsewhere.has(name) && !isInherited(checker, owner, name),
  );
  const owners = checker.getTypeAtLocation(candidates.map(({ owner }) => owner));
  return candidates
    .filter(({ name }, at) => !isReadStructurally(checker, owners[at], readers.get(name)))
    .map(({ path, name, owner }) => `${path}: ${ownerName(owner)}.${name}`);
}

function collect(project: Project) {
  const members: Member[] = [];
  const reads: Read[] = [];
  const strings = new Set<string>();
  for (const file of project.program.getSourceFileNames()) {
    const path = file.startsWith(`${ROOT}/`) ? file.slice(ROOT.length + 1) : '';
    if (!/^(?:src|workers|test|perf)\//.test(path)) continue;
    const source = project.program.getSourceFile(file);
    if (source === undefined) continue;
    const isOurs = /^(?:src|workers)\//.test(path);
    const visit = (node: Node): void => {
      if (isStringLiteral(node)) strings.add(node.text);
      const read = readOf(node);
      if (read !== null) reads.push(read);
      const member = isOurs ? memberOf(node) : null;
      if (member !== null) members.push({ path, ...member });
      node.forEachChild(visit);
    };
    visit(source);
  }
  return { members, reads, strings };
}

function readOf(node: Node): Read | null {
  if (isPropertyAccessExpression(node)) {
    const { parent } = node;
    const written =
      isBinaryExpression(parent) && parent.left === node && parent.operatorToken.kind === SyntaxKind.EqualsToken;
    return written ? null : { object: node.expression, name: node.name.text };
  }
  if (isBindingElement(node) && isObjectBindingPattern(node.parent) && node.dotDotDotToken === undefined) {
    const name = node.propertyName ?? node.name;
    return name !== undefined && isIdentifier(name) ? { object: node.parent, name: name.text } : null;
  }
  return null;
}

function memberOf(node: Node): Omit<Member, 'path'> | null {
  if (MEMBERS.includes(node.kind)) {
    const { name } = node as Node & { readonly name?: Node };
    return name !== undefined && isIdentifier(name) ? { name: name.text, node, owner: node.parent } : null;
  }
  // `constructor(readonly name: …)`
  if (!isParameterDeclaration(node) || node.parent.kind !== SyntaxKind.Constructor) return null;
  if (node.modifiers === undefined || node.modifiers.length === 0 || !isIdentifier(node.name)) return null;
  return { name: node.name.text, node, owner: node.parent.parent };
}

/** What the reads resolve to. */
function readDeclarations(
  { checker }: Project,
  readers: ReadonlyMap<string, ReadonlyMap<number, Type>>,
): ReadonlySet<Node> {
  const read = new Set<Node>();
  for (const [name, types] of readers) {
    for (const type of types.values()) {
      const present = checker.getNonNullableType(type) ?? type;
      for (const handle of checker.getPropertyOfType(present, name)?.declarations ?? []) {
        const node = handle.resolve();
        if (node !== undefined) read.add(node);
      }
    }
  }
  return read;
}

/** A class or interface that it extends or implements declares it, too: it is judged there. */
function isInherited(checker: Checker, owner: Node, name: string): boolean {
  const { heritageClauses } = owner as Node & { readonly heritageClauses?: readonly HeritageClause[] };
  return (heritageClauses ?? []).some(({ types }) =>
    types.some((base) => {
      const type = checker.getTypeAtLocation(base);
      return type !== undefined && checker.getPropertyOfType(type, name) !== undefined;
    }),
  );
}

function isReadStructurally(
  checker: Checker,
  owner: Type | undefined,
  readers: ReadonlyMap<number, Type> | undefined,
): boolean {
  if (owner === undefined || readers === undefined) return false;
  return [...readers.values()].some((reader) => {
    const bound = isTypeParameter(reader) ? (checker.getBaseConstraintOfType(reader) ?? reader) : reader;
    const present = checker.getNonNullableType(bound) ?? bound;
    return checker.isTypeAssignableTo(owner, present) || checker.isTypeAssignableTo(present, owner);
  });
}

const isTypeParameter = (type: Type): type is TypeParameter => (type.flags & TypeFlags.TypeParameter) !== 0;

function ownerName(owner: Node): string {
  const { name } = owner as Node & { readonly name?: Node };
  return name !== undefined && isIdentifier(name) ? name.text : '(type)';
}
