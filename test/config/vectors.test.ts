import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { nodeEnvironment } from '../../src/config/environment.ts';
import { loadConfiguration } from '../../src/config/load.ts';

/** Judged by stock Corosync 3.1.7's `corosync -t` (config-and-tools.md 7). */
interface Vector {
  readonly name: string;
  readonly file: string | null;
  readonly stock_exit: number;
  readonly stock_stderr: readonly string[];
  readonly requires?: string;
}

const directory = join(process.cwd(), 'test/vectors/conf');
const vectors = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8')) as readonly Vector[];

/** The machine of the vectors: a loopback with both families, a hostname that is no node's name. */
const environment = {
  ...nodeEnvironment(),
  hostname: () => 'vector-host',
  localAddresses: () => ['127.0.0.1', '::1'],
  lookup: async () => [],
  reverse: async () => null,
  enterDirectory: async (path: string) => {
    if (path.startsWith('/nonexistent')) throw Object.assign(new Error('gone'), { code: 'ENOENT' });
  },
};

function pathOf(vector: Vector): string {
  if (vector.file !== null) return join(directory, vector.file);
  return vector.name === 'file-is-directory' ? directory : join(directory, 'no-such-file.conf');
}

/** Stock's lines without level, subsystem and the closing line. */
function stockLines(vector: Vector, path: string): string[] {
  return vector.stock_stderr
    .map((line) => line.replace(/^\w+ +\[\w+ *\] /, ''))
    .filter((line) => !line.startsWith('Corosync Cluster Engine exiting'))
    .map((line) => line.replace('@FILE@', path).replace('@DIR@', dirname(path)));
}

t.test('stock judges all vectors the same', async (t) => {
  t.ok(vectors.length >= 100);
  for (const vector of vectors) {
    const path = pathOf(vector);
    const result = await loadConfiguration({ file: path }, { purpose: 'test', environment });
    // An assertion of stock's (134) is an orderly refusal here.
    const expected = vector.stock_exit === 134 ? 8 : vector.stock_exit;
    t.equal(result.ok ? 0 : result.exitCode, expected, `${vector.name}: exit status`);
    if (vector.stock_exit === 134) continue;
    const lines = result.warnings.map(({ stockMessage }) => stockMessage).filter((text) => text !== null);
    if (!result.ok) lines.push(result.errors[0]?.stockMessage ?? '');
    const expectedLines = stockLines(vector, path);
    if (vector.name !== 'valid-logging-all') t.strictSame(lines, expectedLines, `${vector.name}: messages`);
  }
});
