import t from 'tap';
import { type Phase, Phases } from '../../src/daemon/phases.ts';

function bench() {
  const seen: string[] = [];
  const phases = new Phases((name, error) => seen.push(`${name} failed to end: ${String(error)}`));
  const phase = (name: string, parts: Partial<Phase> = {}): Phase => ({
    name,
    begin: () => {
      seen.push(`+${name}`);
    },
    end: () => {
      seen.push(`-${name}`);
    },
    ...parts,
  });
  return { seen, phases, phase };
}

t.test('phases end in the opposite order, once', async (t) => {
  const { seen, phases, phase } = bench();
  for (const name of ['a', 'b', 'c']) t.ok(await phases.begin(phase(name)));
  const ends = [phases.end(), phases.end()];
  await Promise.all(ends);
  t.equal(ends[0], ends[1]);
  t.same(seen, ['+a', '+b', '+c', '-c', '-b', '-a']);
});

t.test('a phase that fails to begin is ended, and those before it; the failure is passed on', async (t) => {
  const { seen, phases, phase } = bench();
  await phases.begin(phase('a'));
  await t.rejects(phases.begin(phase('b', { begin: () => Promise.reject(new Error('no port')) })), /no port/);
  await t.rejects(
    phases.begin(
      phase('c', {
        begin: () => {
          throw new Error('no memory');
        },
      }),
    ),
    /no memory/,
  );
  await phases.end();
  t.same(seen, ['+a', '-c', '-b', '-a']);
});

t.test('an end that fails keeps nobody else from his', async (t) => {
  const { seen, phases, phase } = bench();
  await phases.begin(phase('a'));
  await phases.begin(phase('b', { end: () => Promise.reject(new Error('stuck')) }));
  await phases.end();
  t.same(seen, ['+a', '+b', 'b failed to end: Error: stuck', '-a']);
});

t.test('nothing begins once the end has begun, and who was beginning hears of it', async (t) => {
  const { seen, phases, phase } = bench();
  let loaded!: () => void;
  const loading = new Promise<void>((resolve) => {
    loaded = resolve;
  });
  const begun = phases.begin(phase('engines', { begin: () => loading }));
  const ended = phases.end();
  loaded();
  t.equal(await begun, false);
  t.equal(await phases.begin(phase('upkeep')), false);
  await ended;
  t.same(seen, ['-engines']);
});
