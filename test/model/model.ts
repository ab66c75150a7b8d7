import { SECONDS, toolNumber, toolOptions } from '../tool-options.ts';
import { Explorer, STARTS } from './explorer.ts';

const USAGE = `npm run model -- [options]   every interleaving of deliveries, timeouts, deaths and losses among three real cores
  --depth N      so many events after each start (8)
  --seconds N    for each start, at most (60)
  --start WORDS  only this one: three alone, a ring, a ring with messages, a ring and one alone
  --crashes N    nodes that die on one path (1)
  --losses N     frames that are lost on one path (1)
`;

const values = toolOptions(USAGE, {
  depth: { type: 'string', default: '8' },
  seconds: { type: 'string', default: '60' },
  start: { type: 'string' },
  crashes: { type: 'string', default: '1' },
  losses: { type: 'string', default: '1' },
});

const starts = STARTS.filter((start) => values.start === undefined || values.start === start);
if (starts.length === 0) {
  process.stderr.write(`--start ${values.start}: there is ${STARTS.join(', ')}\n`);
  process.exitCode = 1;
}

for (const start of starts) {
  const report = new Explorer(start, {
    depth: toolNumber(USAGE, 'depth', values.depth, { min: 1, max: 1000 }),
    seconds: toolNumber(USAGE, 'seconds', values.seconds, SECONDS),
    crashes: toolNumber(USAGE, 'crashes', values.crashes, { min: 0, max: 1000 }),
    losses: toolNumber(USAGE, 'losses', values.losses, { min: 0, max: 1000 }),
  }).run();
  const { states, events, runs, settled, complete, violation } = report;
  process.stdout.write(
    `${start}: ${events} events, ${states} states, all of depth ${complete} seen; ${runs} runs of a core, ${settled} states settled\n`,
  );
  if (violation === null) continue;
  process.stdout.write(`  ${violation.text}\n    ${violation.path.join('\n    ')}\n`);
  process.exitCode = 1;
}
