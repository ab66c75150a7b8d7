import { Cmap, type ConnectOptions, Cpg, Quorum, RondoError } from '../../src/client/index.ts';

/**
 * Programs on one node whose daemon dies and comes back, with `reconnect`. Returns what they saw; `restart` kills the daemon and starts it again.
 */
export async function reconnectStory(
  options: ConnectOptions,
  restart: () => Promise<void>,
): Promise<readonly string[]> {
  const reconnecting = { ...options, reconnect: { minMs: 20, maxMs: 500 } };
  const [cpg, quorum, cmap] = await Promise.all([
    Cpg.connect(reconnecting),
    Quorum.connect(reconnecting),
    Cmap.connect(reconnecting),
  ]);
  const seen: Record<'cpg' | 'quorum' | 'cmap' | 'status', string[]> = { cpg: [], quorum: [], cmap: [], status: [] };
  const waiters = new Set<() => void>();
  const note = (who: keyof typeof seen, what: string): void => {
    if (seen[who].at(-1) !== what) seen[who].push(what);
    for (const look of waiters) look();
  };
  const untilSeen = (who: keyof typeof seen, what: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!seen[who].includes(what)) return;
        waiters.delete(look);
        resolve();
      };
      waiters.add(look);
      look();
    });
  const attempt = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'done',
      (error: unknown) => (error instanceof RondoError ? error.code : String(error)),
    );

  await cpg.join('story', { initialRing: true });
  const [verdicts, changes] = await Promise.all([quorum.watch(), cmap.watch('story.', { prefix: true })]);
  const loops = [
    (async () => {
      for await (const { type } of cpg.status()) if (type !== 'reconnecting') note('status', type);
    })(),
    (async () => {
      for await (const event of cpg.events()) {
        if (event.type === 'message') note('cpg', Buffer.from(event.data).toString());
        else if (event.type === 'gap') note('cpg', `gap ${event.reason.code}`);
        else if (event.type === 'membership') note('cpg', `${event.members.length} member`);
      }
    })(),
    (async () => {
      for await (const event of verdicts)
        if (event.type === 'quorum') note('quorum', event.quorate ? 'quorate' : 'not quorate');
        else if (event.type === 'gap') note('quorum', 'gap');
    })(),
    (async () => {
      for await (const { kind, key, current } of changes) note('cmap', `${kind} ${key} ${String(current?.value)}`);
    })(),
  ];
  await cpg.send('before', { confirm: 'delivered' });
  await cmap.set('story.key', 'u8', 1);
  await untilSeen('cmap', 'add story.key 1');
  await untilSeen('quorum', 'quorate');

  const restarted = restart();
  await untilSeen('status', 'disconnected');
  seen.cpg.push(`trySend ${cpg.trySend('lost')}, connected ${cpg.isConnected}`);
  const place = cpg.send('during', { confirm: 'delivered' });
  await untilSeen('quorum', 'gap');
  seen.quorum.length = 1 + seen.quorum.indexOf('gap');
  const state = quorum.isQuorate();
  await untilSeen('cmap', 'gap story. undefined'); // each connection notices by itself
  const value = cmap.get('story.key');
  seen.cpg.push(`place ${(await place).index}`);
  await untilSeen('cpg', 'during');
  seen.cmap.push(`value ${String(await value)}`); // the map of a daemon that starts is the configuration's
  await cmap.set('story.key', 'u8', 2);
  await untilSeen('cmap', 'add story.key 2');
  seen.quorum.push(`state ${await state}`);
  await untilSeen('quorum', 'quorate');
  await restarted;
  await Promise.all([cpg, quorum, cmap].map((client) => client.close()));
  await Promise.all(loops);
  seen.cpg.push(`after close ${await attempt(cpg.send('x'))}, ended ${await cpg.ended}`);
  return Object.entries(seen).map(([who, what]) => `${who}: ${what.join('; ')}`);
}

/** What it is to be, of whichever daemon. */
export const RECONNECT_STORY: readonly RegExp[] = [
  /^cpg: 1 member; before; gap RONDO_DISCONNECTED; trySend false, connected false; 1 member; (?:during; place 0|place 0; during); after close RONDO_CLOSED, ended null$/,
  /^quorum: .*gap; .*quorate/,
  /^cmap: add story\.key 1; gap story\. undefined; value null; add story\.key 2$/,
  /^status: connected; disconnected; connected$/,
];
