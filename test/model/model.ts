import { SECONDS, toolNumber, toolOptions } from '../tool-options.ts';
import { Explorer, STARTS } from './explorer.ts';

const USAGE = `npm run model -- [options]   every interleaving of deliveries, timeouts, deaths and losses among three real cores
  --depth N      so many events after each start (6)
  --seconds N    for each start, at most (60)
  --crashes N    nodes that die on one path (1)
  --losses N     frames that are lost on one path (1)
`;

const values = toolOptions(USAGE, {
  depth: { type: 'string', default: '6' },
  seconds: { type: 'string', default: '60' },
  crashes: { type: 'string', default: '1' },
  losses: { type: 'string', default: '1' },
});

for (const start of STARTS) {
  const report = new Explorer(start, {
    depth: toolNumber(USAGE, 'depth', values.depth, { min: 1, max: 1000 }),
    seconds: toolNumber(USAGE, 'seconds', values.seconds, SECONDS),
    crashes: toolNumber(USAGE, 'crashes', values.crashes, { min: 0, max: 1000 }),
    losses: toolNumber(USAGE, 'losses', values.losses, { min: 0, max: 1000 }),
  }).run();
  const { states, events, settled, complete, violation } = report;
  process.stdout.write(
    `${start}: ${events} events, ${states} states in the last depth, all of depth ${complete} seen, ${settled} states settled\n`,
  );
  if (violation === null) continue;
  process.stdout.write(`  ${violation.text}\n    ${violation.path.join('\n    ')}\n`);
  process.exitCode = 1;
}
