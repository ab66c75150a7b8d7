// Notes which Node.js built this: a privileged start runs that one (bin/launch.sh), whatever PATH says then.
import { realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const file = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist/interpreter');
writeFileSync(file, `${realpathSync(process.execPath)}\n`);
