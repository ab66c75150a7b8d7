import t from 'tap';
import { RondoError } from '../../src/lib/errors.ts';
import { MachineError, StoreError } from '../../src/platform/errors.ts';
import { readSources } from '../tidy/sources.ts';

t.test('every class of errors has a name of its own, by which two copies of the package know it', async (t) => {
  const classes = readSources(['src'], /\.ts$/).flatMap(({ path, text }) =>
    [...text.matchAll(/^export class (\w+) extends RondoError\b.*\n(.*)/gm)].map(([, name, next]) => ({
      path,
      name,
      next,
    })),
  );
  t.ok(classes.length > 8, 'they are found');
  for (const { path, name, next } of classes) {
    t.match(next, `static override readonly errorName = '${name}';`, `${path}: ${name}`);
  }
});

t.test('code, name, hint and cause come from the one base', async (t) => {
  const cause = new Error('disk');
  const error = new MachineError('RONDO_MACHINE_FAILED', 'it stopped', 'Look at the disk', { cause });
  t.match(error, { name: 'MachineError', code: 'RONDO_MACHINE_FAILED', hint: 'Look at the disk', cause });
  t.equal(error.message, 'it stopped. Look at the disk');
  t.match(error.stack, /^\w*Error: it stopped/);
  t.ok(error instanceof RondoError);
  t.notOk(error instanceof StoreError);
  t.equal(new StoreError('RONDO_STORE_LOCKED', 'taken').hint, '');
});

t.test('an error of another copy of the package is recognised by brand and name', async (t) => {
  const copy = Object.assign(new Error('far'), { name: 'StoreError', code: 'RONDO_STORE_LOCKED' });
  t.notOk(copy instanceof StoreError, 'a name alone is no brand');
  Object.defineProperty(copy, Symbol.for('rondo.error'), { value: true });
  t.ok(copy instanceof StoreError);
  t.ok(copy instanceof RondoError);
  t.notOk(copy instanceof MachineError);
});
