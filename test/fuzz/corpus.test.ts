import t from 'tap';
import { readCorpus } from './engine/corpus-file.ts';
import { V8Coverage } from './engine/coverage.ts';
import { Fuzzer } from './engine/fuzzer.ts';
import { inputOf, step, stepsOf } from './engine/records.ts';
import type { FuzzSubject } from './engine/target.ts';
import { endHandshakes, FUZZ_TARGETS } from './targets/index.ts';

/** What the searches of `npm run fuzz` have kept: every input once, none of them may throw. */
t.teardown(endHandshakes);
t.setTimeout(120_000); // the machine may be busy

/** A guided search needs 20 to 40 thousand. */
const INPUTS_MAX = 400_000;

for (const subject of FUZZ_TARGETS) {
  t.test(`the corpus of ${subject.name}`, async (t) => {
    const corpus = readCorpus(subject);
    t.ok(corpus.length > 0, `${corpus.length} inputs`);
    const startMs = performance.now();
    for (const input of corpus) {
      try {
        await subject.run(input);
      } catch (error) {
        t.fail(`${error instanceof Error ? error.stack : error}`, { input: Buffer.from(input).toString('hex') });
      }
    }
    t.comment(`${corpus.length} inputs, ${Math.round(performance.now() - startMs)} ms`);
  });
}

t.test('the search is guided: it finds what chance does not', async (t) => {
  const coverage = new V8Coverage('/test/fuzz/planted-reader.js');
  const { readPlanted } = await import('./planted-reader.ts'); // what was compiled before has no counters of blocks
  const reader: FuzzSubject = {
    name: 'planted',
    what: 'a reader with a fault',
    kinds: 0,
    seeds: () => [new Uint8Array(3)],
    run: (input) => {
      readPlanted(input);
      return [];
    },
  };
  const fuzzer = new Fuzzer(reader, coverage, 1);
  await fuzzer.begin(reader.seeds());
  while (fuzzer.crashes.length === 0 && fuzzer.runs < INPUTS_MAX) await fuzzer.search(Number.POSITIVE_INFINITY, 1_000);
  coverage.close();
  t.equal(fuzzer.crashes.length, 1, `${fuzzer.runs} inputs, corpus ${fuzzer.corpus.length}`);
  for (const crash of fuzzer.crashes)
    t.equal(Buffer.from(await fuzzer.shrinkCrash(crash)).toString('latin1'), 'EVS', 'and shortens it');
});

t.test('sequences of steps survive what mutations do to them', async (t) => {
  const steps = [step(1, [1, 2, 3]), step(2), step(0, new Uint8Array(300))];
  t.same(
    stepsOf(inputOf(steps)).map(({ kind, bytes }) => [kind, [...bytes]]),
    steps.map(({ kind, bytes }) => [kind, [...bytes]]),
  );
  t.equal(stepsOf(inputOf(steps).subarray(0, 20)).length, 3, 'the last one is cut');
});
