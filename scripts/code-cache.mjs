// Writes V8's code cache of a script to standard output: with all of its functions, so that a start compiles none.
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

const [, , file] = process.argv;
const source = readFileSync(file, 'utf8');
// The flags at the time of writing are the ones that are compared when the cache is read.
setFlagsFromString('--no-lazy');
const script = new Script(source, { filename: file });
setFlagsFromString('--lazy');
process.stdout.write(script.createCachedData());
