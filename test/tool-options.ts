import { type ParseArgsConfig, parseArgs } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;

/** The words behind one of the project's own tools. `--help` prints the usage and ends with 0; what it does not know ends it with the usage and 2. */
export function toolOptions<const T extends Options>(
  usage: string,
  options: T,
): ReturnType<typeof parseArgs<{ options: T }>>['values'] {
  if (process.argv.slice(2).includes('--help')) {
    process.stdout.write(`${usage.trimEnd()}\n`);
    process.exit(0);
  }
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    const [problem = ''] = String(error instanceof Error ? error.message : error).split('\n');
    process.stderr.write(`${problem}\n${usage.trimEnd()}\n`);
    process.exit(2);
  }
}
