import t from 'tap';
import { readSources } from '../tidy/sources.ts';

t.test('every service has an id of its own', async (t) => {
  const ids = readSources(['src'], /\.ts$/).flatMap(({ text }) =>
    [...text.matchAll(/^export const (\w+_SERVICE_ID) = (\d+);/gm)].map(([, name, id]) => ({ name, id })),
  );
  t.ok(ids.length >= 5, 'they are found');
  for (const { name, id } of ids)
    t.strictSame(
      ids.filter((other) => other.id === id).map((other) => other.name),
      [name],
      `${id}`,
    );
});
