import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';

/** A file that is never read keeps a thread of the pool, and with it the end of the process. */
const directory = mkdtempSync(join(tmpdir(), 'exit-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const pipe = join(directory, 'never');
execFileSync('mkfifo', [pipe]);

const at = (path: string): string => new URL(`../../${path}`, import.meta.url).href;
const program = (isLeft: boolean): string => `
import { readFile } from 'node:fs/promises';
import { leaveBehind } from ${JSON.stringify(at('src/lib/left-behind.js'))};
import { exitProcess } from ${JSON.stringify(at('src/os/exit-process.js'))};
const work = readFile(${JSON.stringify(pipe)});
if (${isLeft}) leaveBehind(work);
process.once('exit', () => process.stdout.write('others hear of it'));
setTimeout(() => exitProcess(7), 100);
`;
const run = (isLeft: boolean) =>
  promisify(execFile)(process.execPath, ['--input-type=module', '-e', program(isLeft)], {
    timeout: 5_000,
    killSignal: 'SIGKILL',
  });

t.test('the process ends with its status, and its listeners run', async (t) => {
  const error = await run(true).catch((error: unknown) => error);
  t.match(error, { code: 7, killed: false, stdout: 'others hear of it' });
});

t.test('Node.js alone would wait', async (t) => {
  t.match(await run(false).catch((error: unknown) => error), { killed: true, signal: 'SIGKILL' });
});
