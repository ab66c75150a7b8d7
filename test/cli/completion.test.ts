import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { COMMANDS } from '../../src/cli/commands/index.ts';
import { completionScript, SHELLS } from '../../src/cli/completion.ts';
import { manualPage } from '../../src/cli/manual.ts';

const has = (program: string): boolean =>
  ['/bin', '/usr/bin'].some((directory) => existsSync(`${directory}/${program}`));

/** What bash offers for the last of the words. */
function offered(...words: readonly string[]): string[] {
  const script = `${completionScript('bash', COMMANDS)}
COMP_WORDS=(rondo ${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length}
_rondo
printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['--norc'], { input: script, encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '');
}

t.test('bash completes commands, second words and options', { skip: has('bash') ? false : 'needs bash' }, async (t) => {
  t.same(offered('doc'), ['doctor']);
  t.ok(offered('').includes('status') && offered('').includes('quorum'));
  t.equal(new Set(offered('')).size, offered('').length, 'each once');
  t.same(offered('quorum', 'w'), ['watch']);
  t.same(offered('config', '').sort(), ['check', 'plan']);
  t.same(offered('doctor', '--str'), ['--strict']);
  t.ok(offered('doctor', '-').includes('--json'), 'those of every command');
  t.same(offered('quorum', 'watch', '--check'), [], 'an option of another command');
  t.same(offered('links', '--ma'), ['--matrix']);
  t.same(offered('completion', ''), ['bash', 'zsh', 'fish'], 'words that an argument may be');
  t.same(offered('cpg', 'watch', 'group', '--format', 'b'), ['base64'], 'and those of an option');
  t.same(offered('decode', 'package.j'), ['package.json'], 'files where the command takes some');
  t.same(offered('decode', '--key', 'package.j'), ['package.json']);
  t.same(offered('kill', 'package.j'), []);
});

t.test('fish completes them, too', { skip: has('fish') ? false : 'needs fish' }, async (t) => {
  const script = completionScript('fish', COMMANDS);
  const fished = (line: string): string[] =>
    execFileSync('fish', ['--no-config', '-c', `${script}\ncomplete -C ${JSON.stringify(line)}`], { encoding: 'utf8' })
      .split('\n')
      .filter((text) => text !== '')
      .map((text) => text.split('\t')[0] ?? '');
  t.same(fished('rondo doc'), ['doctor']);
  t.same(fished('rondo quorum w'), ['watch']);
  t.same(fished('rondo quorum watch --ch'), [], 'an option of another command');
  t.same(fished('rondo links --ma'), ['--matrix']);
  t.same(fished('rondo completion ').sort(), ['bash', 'fish', 'zsh']);
  t.same(fished('rondo decode package.j'), ['package.json']);
});

const zshSkip = !has('zsh') ? 'needs zsh' : !has('script') ? 'needs script, for a terminal' : false;
t.test('zsh completes them, whether the script is sourced or found in fpath', { skip: zshSkip }, async (t) => {
  const directory = t.testdir({ _rondo: completionScript('zsh', COMMANDS) });
  const ways = {
    sourced: `autoload -Uz compinit && compinit -D -u; source ${directory}/_rondo`,
    'in fpath': `fpath=(${directory} $fpath); autoload -Uz compinit && compinit -D -u`,
  };
  for (const [way, begin] of Object.entries(ways)) {
    // What is typed, on a terminal: the words, a tab, the end of the line; the command itself is one that prints its words.
    const typed = ['rondo doc', 'rondo quorum w', 'rondo decode package.j', 'rondo cpg watch g --format b'];
    // Nothing of who runs the test decides what a key does: with EDITOR=vi zsh reads keys as vi does.
    const shell = spawn('script', ['-qec', 'zsh -f -i', '/dev/null'], {
      env: { PATH: process.env.PATH, TERM: 'dumb', LANG: 'C.UTF-8', HOME: directory },
    });
    const closed = once(shell, 'close');
    t.teardown(() => shell.kill());
    let terminal = '';
    shell.stdout.on('data', (bytes: Buffer) => {
      terminal += bytes.toString();
    });
    const printed = (): (string | undefined)[] => [...terminal.matchAll(/^LINE (.*?)\s*$/gm)].map(([, line]) => line);
    // A key that comes before the shell reads lines is none: each waits for what the one before it has printed.
    const seen = async (what: string, holds: () => boolean): Promise<void> => {
      for (let tries = 0; tries < 400; tries++) {
        if (holds()) return;
        await delay(50);
      }
      shell.kill();
      throw new Error(`zsh, ${way}: no answer to ${what}; the terminal shows: ${terminal}`);
    };
    shell.stdin.write(`rondo() { echo LINE rondo "$@" }; ${begin}; echo BE''GUN\n`);
    await seen(begin, () => terminal.includes('BEGUN'));
    for (const [at, line] of typed.entries()) {
      shell.stdin.write(`${line}\t\n`);
      await seen(line, () => printed().length > at);
    }
    shell.stdin.end('exit 0\n');
    await closed;
    const lines = printed();
    t.same(
      lines,
      ['rondo doctor', 'rondo quorum watch', 'rondo decode package.json', 'rondo cpg watch g --format base64'],
      way,
    );
  }
});

t.test('every script names every command, and is one for its shell', async (t) => {
  for (const shell of SHELLS) {
    const script = completionScript(shell, COMMANDS);
    for (const { words } of COMMANDS)
      for (const word of words.split(' ')) t.ok(script.includes(word), `${shell}: ${word}`);
    if (!has(shell)) t.comment(`${shell} is not here: its syntax is not checked`);
    else execFileSync(shell, [shell === 'fish' ? '--no-execute' : '-n', join(t.testdir({ script }), 'script')]);
  }
});

t.test('no line of the manual page begins with a request by accident', async (t) => {
  const lines = manualPage(COMMANDS).split('\n');
  const requests = new Set(['.\\"', '.TH', '.SH', '.SS', '.B', '.BR', '.I', '.RI', '.TP', '.PP', '.nf', '.fi']);
  for (const line of lines) if (/^[.']/.test(line)) t.ok(requests.has(line.split(' ')[0]!), line);
  for (const { words } of COMMANDS)
    t.ok(
      lines.some((line) => line.startsWith(`.SS rondo ${words.replaceAll('-', '\\-')}`)),
      words,
    );
});
