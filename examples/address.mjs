// A floating address: the leader has it, and nobody else. Needs the right to change addresses; run it on at least two of three nodes.
//   RONDO_IPC_INSTANCE=… node examples/address.mjs 192.0.2.10/24 eth0
import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { Election } from 'rondo';

const [, , address, device] = process.argv;
const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
const has = () =>
  execFileSync('ip', ['-o', 'address', 'show', 'dev', device], { encoding: 'utf8' }).includes(` ${address} `);
const drop = () => has() && ip('address', 'del', address, 'dev', device);

drop(); // of a life that ended without cleaning up

const election = await Election.open({ name: `address.${address}` });
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
console.log('ready');
for await (const term of election.terms({ signal: stop.signal })) {
  ip('address', 'add', address, 'dev', device);
  // What clients write to through this address takes the token along, and refuses a smaller one than it has seen.
  console.log(`have ${address}, token ${term.token}`);
  await delay(2 ** 31 - 1, undefined, { signal: AbortSignal.any([term.signal, stop.signal]) }).catch(() => {});
  drop();
  console.log(`gave ${address} up`);
}
await election.close();
