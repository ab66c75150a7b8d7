import { runningInstances } from '../../ipc/instances.ts';
import type { Command, CommandContext } from '../command.ts';
import { CliExit } from '../exit-codes.ts';
import { emit, table } from '../output.ts';

async function list(context: CommandContext): Promise<number> {
  const found = runningInstances();
  emit(
    context,
    found.map((instance) => ({ instance: instance === '' ? null : instance })),
    () =>
      found.length === 0
        ? ['No daemon runs on this host (in this network namespace)']
        : table(
            ['INSTANCE', 'USE'],
            found.map((name) => (name === '' ? ['(stock names)', 'rondo status'] : [name, `rondo status -i ${name}`])),
          ),
  );
  return CliExit.OK;
}

export const INSTANCES_COMMAND: Command = {
  words: 'instances',
  arguments: '',
  summary: 'IPC instances of the daemons that run on this host',
  details: 'Found by their sockets, stock daemons included; nothing is asked of them.',
  options: {},
  optionHelp: [],
  examples: ['rondo instances'],
  positionals: [0, 0],
  run: list,
};
