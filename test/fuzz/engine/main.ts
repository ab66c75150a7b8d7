import { writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { COUNT, MINUTES, toolNumber, toolOptions } from '../../tool-options.ts';
import { V8Coverage } from './coverage.ts';

const USAGE = `npm run fuzz -- [options]      looks for inputs that run what none did before, by V8's own counters, and for those that break something
  --list              the targets
  --target A,B        only these (all)
  --minutes N         for so long in all (1)
  --seed N            another search (1)
  --keep              writes the corpus, minimised, to test/fuzz/corpus
`;
/** What may stay on the heap after millions of inputs. */
const GROWN_MIB_MAX = 64;

const values = toolOptions(USAGE, {
  list: { type: 'boolean', default: false },
  target: { type: 'string', default: '' },
  minutes: { type: 'string', default: '1' },
  seed: { type: 'string', default: '1' },
  keep: { type: 'boolean', default: false },
});
const minutesInAll = toolNumber(USAGE, 'minutes', values.minutes, MINUTES);
const seed = toolNumber(USAGE, 'seed', values.seed, { ...COUNT, min: 0 });
const out = (text: string): void => void process.stdout.write(`${text}\n`);

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const heapMiB = (): number => {
  collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
};

/** Counters begin before anything of the sources is loaded. */
const coverage = new V8Coverage();
const { FUZZ_TARGETS, endHandshakes } = await import('../targets/index.ts');
const { Fuzzer } = await import('./fuzzer.ts');
const { lineOf, readCorpus, writeCorpus } = await import('./corpus-file.ts');
const { FuzzHangWatch } = await import('./hang-watch.ts');

async function search(name: string, minutes: number): Promise<boolean> {
  const subject = FUZZ_TARGETS.find((target) => target.name === name)!;
  const fuzzer = new Fuzzer(subject, coverage, seed);
  const watch = new FuzzHangWatch();
  fuzzer.beforeRun = (input) => watch.see(input);
  const startMs = performance.now();
  const endMs = startMs + minutes * 60_000;
  await fuzzer.begin([...subject.seeds(), ...readCorpus(subject)]);
  const before = { covered: fuzzer.covered, kept: fuzzer.corpus.length, heap: heapMiB() };
  await fuzzer.search(values.keep ? endMs - minutes * 15_000 : endMs);
  const { runs, covered } = fuzzer;
  const grownMiB = heapMiB() - before.heap;
  const seconds = (performance.now() - startMs) / 1000;
  if (values.keep) {
    await fuzzer.minimise(Math.max(endMs, performance.now() + 5_000));
    writeCorpus(subject, fuzzer.corpus);
  }
  await watch.close();
  out(
    `${name}: ${runs} inputs in ${seconds.toFixed(0)} s, blocks and states ${before.covered} → ${covered}, corpus ${before.kept} → ${fuzzer.corpus.length}, heap ${grownMiB >= 0 ? '+' : ''}${grownMiB.toFixed(1)} MiB`,
  );
  for (const crash of fuzzer.crashes) {
    const input = await fuzzer.shrinkCrash(crash);
    const file = `fuzz-${name}-${fuzzer.crashes.indexOf(crash) + 1}.txt`;
    writeFileSync(file, `${lineOf(subject, input)}\n`);
    out(
      `${name} FAILED, ${input.length} bytes in ${file} (a line for test/fuzz/corpus/${name}.txt): ${crash.error.stack}`,
    );
  }
  if (grownMiB > GROWN_MIB_MAX) out(`${name} FAILED: ${grownMiB.toFixed(1)} MiB more on the heap`);
  return fuzzer.crashes.length === 0 && grownMiB <= GROWN_MIB_MAX;
}

if (values.list) for (const { name, what } of FUZZ_TARGETS) out(`${name.padEnd(12)} ${what}`);
else {
  const wanted = values.target.split(',').filter((name) => name !== '' && name !== 'all');
  const chosen = FUZZ_TARGETS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  let good = chosen.length > 0;
  if (!good) out(`no such target; there are ${FUZZ_TARGETS.map(({ name }) => name).join(', ')}`);
  for (const { name } of chosen) good = (await search(name, minutesInAll / chosen.length)) && good;
  process.exitCode = good ? 0 : 1;
}
endHandshakes();
coverage.close();
