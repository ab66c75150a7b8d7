// npm runs this before it packs a checkout, and when another project installs one from git: the package is what was built.
import { canBuild, ensureBuilt, ensureInstalled, isBuilt } from './built.mjs';

const packing = ['pack', 'publish'].includes(process.env.npm_command ?? '');
if (!canBuild() && packing) ensureInstalled();
if (canBuild()) ensureBuilt();
else if (!isBuilt()) process.stderr.write('rondo: not built, because its development packages are left out\n');
