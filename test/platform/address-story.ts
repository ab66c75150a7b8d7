import { equal, ok } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { LoopbackCluster, until } from '../daemon/loopback-cluster.ts';
import { Example } from './example.ts';

// Runs in a network namespace of its own, with an interface for each of three programs: device0 and so on.
const ADDRESS = '192.0.2.10/24';
const DEVICES = ['device0', 'device1', 'device2'];
execFileSync('ip', ['link', 'set', 'lo', 'up']);
for (const device of DEVICES) {
  execFileSync('ip', ['link', 'add', device, 'type', 'bridge']);
  execFileSync('ip', ['link', 'set', device, 'up']);
}
const owners = (): string[] =>
  DEVICES.filter((device) =>
    execFileSync('ip', ['-o', 'address', 'show', 'dev', device], { encoding: 'utf8' }).includes(` ${ADDRESS} `),
  );

const cluster = await LoopbackCluster.create(3, 'udpu');
const programs: Example[] = [];
try {
  for (const index of [0, 1, 2]) cluster.start(index);
  await cluster.members(0, [1, 2, 3]);
  for (const [index, device] of DEVICES.entries())
    programs.push(new Example(cluster.instance(index), 'address', ADDRESS, device));
  await Promise.all(programs.map((program) => program.prints(/ready/)));
  const next = async (left: readonly Example[]): Promise<Example> => {
    await until(() => left.some(({ output }) => output.includes('have')), 'an owner');
    const owner = left.find(({ output }) => output.includes('have'))!;
    await until(() => owners().join() === DEVICES[programs.indexOf(owner)], 'the address at its owner alone');
    return owner;
  };
  const first = await next(programs);
  await first.end();
  ok(first.output.includes(`gave ${ADDRESS} up`));
  const others = programs.filter((program) => program !== first);
  const second = await next(others);
  const [a, b] = [first, second].map(({ output }) => BigInt(/token (\d+)/.exec(output)![1]!));
  ok(a! < b!, 'tokens grow');
  await others.find((program) => program !== second)!.end('SIGKILL'); // no majority is left: the address is given up
  await second.prints(/gave .* up/);
  equal(owners().join(), '');
  await second.end();
  console.log('the address was where its owner was');
} finally {
  await Promise.all(programs.map((program) => program.end('SIGKILL')));
  await cluster.end();
}
