// Writes the documents that are made from tables: docs/configuration.md, docs/cli.md, docs/metrics.md, docs/tools.md and man/rondo.1. Build first.
import { writeFileSync } from 'node:fs';
import { QNETD_METRICS } from '../dist/src/arbiter/qnetd/metrics.js';
import { COMMANDS } from '../dist/src/cli/commands/index.js';
import { manualPage } from '../dist/src/cli/manual.js';
import { cliMarkdown } from '../dist/src/cli/markdown.js';
import { optionsMarkdown } from '../dist/src/config/options/markdown.js';
import { PROGRAM_LISTS } from '../dist/src/services/quorum/providers.js';
import { metricsMarkdown } from '../dist/src/web/metrics/markdown.js';
import { METRICS } from '../dist/src/web/metrics/table.js';
import { optionsTable } from '../dist/test/interop/lab/option-table.js';

const write = (name, text) => writeFileSync(new URL(`../docs/${name}`, import.meta.url), text);
write('configuration.md', optionsMarkdown(PROGRAM_LISTS));
write('cli.md', cliMarkdown(COMMANDS));
write('metrics.md', metricsMarkdown(METRICS, QNETD_METRICS));
write('tools.md', optionsTable());
write('../man/rondo.1', manualPage(COMMANDS));
