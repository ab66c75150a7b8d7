// Notes which Node.js built this, and the options that it has: a privileged start runs that one (bin/launch.sh), whatever PATH says then.
import { realpathSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const file = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist/interpreter');
const node = realpathSync(process.execPath);
const { size, mtimeMs } = statSync(node);
const options = ['--disable-sigusr1'].filter((option) => process.allowedNodeEnvironmentFlags.has(option));
writeFileSync(file, `${node}\n${size} ${Math.floor(mtimeMs / 1000)} ${options.join(' ')}\n`);
