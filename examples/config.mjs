// Settings that are the same everywhere, and programs that follow them. Run watchers on at least two of three nodes.
//   RONDO_IPC_INSTANCE=… node examples/config.mjs watch            prints the settings, then each change
//   RONDO_IPC_INSTANCE=… node examples/config.mjs set KEY VALUE    changes one for all, if nobody else did meanwhile
import { SharedMap } from 'rondo';

const [, , what = 'watch', key, value] = process.argv;
const settings = await SharedMap.open({ name: 'example.settings' });

if (what === 'set') {
  const before = await settings.read(key); // up to date
  const revision = await settings.set(key, value, { ifRevision: before?.revision ?? 0 });
  console.log(revision === null ? 'somebody else changed it first' : `revision ${revision}`);
} else {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
  const since = settings.revision; // before the entries: a watch from here on misses nothing
  for (const [name, entry] of settings.entries()) console.log(`${name} = ${entry.value}`);
  console.log('watching');
  for await (const change of settings.watch({ since, signal: stop.signal }))
    console.log(change.value === null ? `${change.key} is gone` : `${change.key} = ${change.value}`);
}
await settings.close();
