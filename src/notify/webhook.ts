import type { IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';
import { lookUpName } from '../os/look-up-name.ts';
import { noticeJson } from './notice.ts';
import type { Delivery } from './receiver.ts';

/** The whole exchange of one attempt. */
export const ATTEMPT_MS_MAX = 5_000;
/** Attempts with pauses of half a second, doubled each time up to the longest: about two minutes. */
export const ATTEMPTS_MAX = 8;
const PAUSE_MS_FIRST = 500;
const PAUSE_MS_MAX = 30_000;
const USER_AGENT = 'rondo-notify';
/** Statuses of the 4xx kind that say "later" and not "never". */
const TRY_LATER: readonly number[] = [408, 425, 429];

/** What the deliveries need of the world; tests have their own. */
export interface WebhookPorts {
  /** 0 to 1. */
  random(): number;
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

/** Milliseconds before attempt `attempt` (from 1): anything up to the doubled pause, so that many nodes do not come at once. */
export const pauseMs = (attempt: number, random: number): number =>
  Math.round(Math.min(PAUSE_MS_MAX, PAUSE_MS_FIRST * 2 ** (attempt - 1)) * (0.5 + random / 2));

/** Of whom the server's certificate must be, PEM; `null`: of an authority that Node.js knows. */
export type Authorities = Buffer | null;

/**
 * Posts the JSON. The same idempotency key comes with every attempt; redirections are not followed. Over https nothing is sent before the
 * server's certificate has been checked, whatever the environment says.
 */
export function webhookDelivery(url: string, authorities: Authorities = null, ports: WebhookPorts = WORLD): Delivery {
  return {
    async deliver(notice, dropped, signal) {
      const body = Buffer.from(noticeJson(notice, dropped));
      let problem = '';
      for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
        const status = await post({ url, authorities }, body, notice.id, signal).catch((error: Error) => error);
        if (typeof status === 'number' && status >= 200 && status < 300) return;
        problem = typeof status === 'number' ? `HTTP status ${status}` : status.message || status.name;
        const final = typeof status === 'number' && status < 500 && !TRY_LATER.includes(status);
        if (final || signal.aborted) throw new Error(problem);
        if (attempt < ATTEMPTS_MAX) await ports.pause(pauseMs(attempt, ports.random()), signal);
      }
      throw new Error(`${problem}, ${ATTEMPTS_MAX} times`);
    },
  };
}

/** The status. The response's body is not read: whatever its size, nothing of it is kept. */
async function post(
  { url, authorities }: { readonly url: string; readonly authorities: Authorities },
  body: Buffer,
  key: string,
  signal: AbortSignal,
): Promise<number> {
  // Only who has a webhook loads them.
  const { request } = url.startsWith('https:') ? await import('node:https') : await import('node:http');
  const options: RequestOptions = {
    method: 'POST',
    agent: false,
    lookup: lookUpName,
    rejectUnauthorized: true, // NODE_TLS_REJECT_UNAUTHORIZED would undo it
    ...(authorities === null ? {} : { ca: authorities }),
    headers: {
      'content-type': 'application/json',
      'content-length': body.length,
      'idempotency-key': key,
      'user-agent': USER_AGENT,
    },
    signal: AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS_MAX)]),
  };
  return await new Promise((resolve, reject) => {
    const exchange = request(url, options, (response: IncomingMessage) => {
      resolve(response.statusCode ?? 0);
      exchange.destroy();
    });
    exchange.on('error', reject);
    exchange.end(body);
  });
}

const WORLD: WebhookPorts = {
  random: Math.random,
  pause: (ms, signal) =>
    new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      timer.unref();
      signal.addEventListener('abort', done, { once: true });
    }),
};
