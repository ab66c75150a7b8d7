// Writes docs/configuration.md from the option table. Build first.
import { writeFileSync } from 'node:fs';
import { optionsMarkdown } from '../dist/src/config/options/markdown.js';

writeFileSync(new URL('../docs/configuration.md', import.meta.url), optionsMarkdown());
