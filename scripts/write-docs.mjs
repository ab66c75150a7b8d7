// Writes the documents that are made from tables: docs/configuration.md, docs/cli.md and docs/metrics.md. Build first.
import { writeFileSync } from 'node:fs';
import { COMMANDS } from '../dist/src/cli/commands/index.js';
import { cliMarkdown } from '../dist/src/cli/markdown.js';
import { optionsMarkdown } from '../dist/src/config/options/markdown.js';
import { metricsMarkdown } from '../dist/src/web/metrics/markdown.js';
import { METRICS } from '../dist/src/web/metrics/table.js';

const write = (name, text) => writeFileSync(new URL(`../docs/${name}`, import.meta.url), text);
write('configuration.md', optionsMarkdown());
write('cli.md', cliMarkdown(COMMANDS));
write('metrics.md', metricsMarkdown(METRICS));
