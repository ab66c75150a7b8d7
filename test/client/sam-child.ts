import { Sam } from '../../src/client/sam/sam.ts';

/** A supervised program for tests: what it does is in its first argument. Runs as the child of `supervise`. */
const [, , plan = ''] = process.argv;
const hang = (): void => {
  for (;;); // the event loop stalls
};
const sam = Sam.initialize({ recovery: 'restart', intervalMs: 400, quorum: plan === 'quorum', cmap: true });
const { instance } = await sam.register();
process.stdout.write(`instance ${instance}\n`);

const plans: Record<string, () => Promise<void>> = {
  /** Ends well without having started. */
  quit: async () => {},
  /** Dies twice, passing data on. */
  restart: async () => {
    await sam.start();
    const lives = Buffer.from(sam.restoreData()).toString();
    await sam.storeData(Buffer.from(`${lives}${instance}`));
    if (instance < 3) process.exit(9);
    await sam.stop();
    process.exit(Buffer.from(sam.restoreData()).toString() === '123' ? 42 : 1);
  },
  /** Hangs once. */
  hang: async () => {
    if (instance === 2) return;
    await sam.setWarnSignal('SIGUSR1');
    process.on('SIGUSR1', () => {});
    sam.onHealthCheck(() => true);
    await sam.start();
    setTimeout(hang, 200);
    await new Promise(() => {});
  },
  /** Is not well, by its own check, and listens to the warning. */
  sick: async () => {
    sam.onHealthCheck(() => instance > 1);
    process.on('SIGTERM', () => process.exit(7));
    await sam.start();
    if (instance > 1) setTimeout(() => void sam.stop().then(() => process.exit(0)), 1000);
    await new Promise(() => {});
  },
  failed: async () => {
    await sam.start();
    sam.markFailed();
    await new Promise(() => {});
  },
  quorum: async () => {
    await sam.start();
    process.stdout.write('started\n');
    setTimeout(() => process.exit(3), 200);
    if (instance === 2) {
      await sam.stop();
      process.exit(0);
    }
    await new Promise(() => {});
  },
};
await plans[plan]?.();
process.exit(0);
