import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Story } from './commands.ts';

t.setTimeout(600_000); // the machine may be busy

/**
 * Stories: blocks of commands, each followed by `----` and what happened. `SCENARIO_UPDATE=1` writes what happened into
 * the files; read the difference before you believe it.
 */
const folder = join(import.meta.dirname, '../../../test/scenarios/stories');
const update = process.env['SCENARIO_UPDATE'] === '1';

interface Block {
  /** Comments and commands, as they stand in the file. */
  readonly head: readonly string[];
  readonly expected: readonly string[];
}

function parse(text: string): Block[] {
  return text
    .trim()
    .split(/\n\n(?=\S)/)
    .map((block) => {
      const lines = block.split('\n');
      const at = lines.indexOf('----');
      return at < 0 ? { head: lines, expected: [] } : { head: lines.slice(0, at), expected: lines.slice(at + 1) };
    });
}

for (const name of readdirSync(folder)
  .filter((file) => file.endsWith('.txt'))
  .sort()) {
  t.test(name, async (t) => {
    const file = join(folder, name);
    const story = new Story();
    const written: string[] = [];
    for (const { head, expected } of parse(readFileSync(file, 'utf8'))) {
      const commands = head.filter((line) => line.trim() !== '' && !line.startsWith('#'));
      const happened = commands.flatMap((command) => story.execute(command));
      written.push([...head, ...(commands.length > 0 ? ['----', ...happened] : [])].join('\n'));
      if (!update && commands.length > 0) t.same(happened, expected, commands.join('; '));
    }
    if (update) writeFileSync(file, `${written.join('\n\n')}\n`);
    t.pass('run to the end');
  });
}
