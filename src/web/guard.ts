import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { WEB_LIMITS } from './limits.ts';
import type { BearerToken } from './token.ts';

export interface RequestRefusal {
  readonly status: 400 | 401 | 403 | 405 | 414 | 421 | 431;
  readonly text: string;
}

/** What is asked of a request before anything is done for it. */
export interface GuardRules {
  /** `null`: who can connect may read. */
  readonly token: BearerToken | null;
  /** Only names that cannot belong to somebody else's site are taken as the host: an attacker's name that leads here (DNS rebinding) is not. */
  readonly localNamesOnly: boolean;
  /** How the page is reached: part of its own origin. */
  readonly scheme: 'http' | 'https';
}

/** Parts of the page that say nothing about the cluster: a browser gets them before it can ask for a token. */
export type Openness = 'public' | 'protected';

/** Why a request is refused; `null`: it is served. */
export function refusalOf(request: IncomingMessage, openness: Openness, rules: GuardRules): RequestRefusal | null {
  if (request.method !== 'GET' && request.method !== 'HEAD') return { status: 405, text: 'only GET and HEAD' };
  if ((request.url ?? '').length > WEB_LIMITS.pathBytesMax) return { status: 414, text: 'the path is too long' };
  // Node.js leaves out those beyond: nobody would see a second Host among them.
  if (request.rawHeaders.length >= 2 * WEB_LIMITS.headersMax) return { status: 431, text: 'too many headers' };
  const host = onlyHost(request);
  if (host === null) return { status: 400, text: 'one Host is needed' };
  if (rules.localNamesOnly && !isLocalName(host))
    return { status: 421, text: 'the Host must be a numeric address or localhost' };
  if (isForeign(request, `${rules.scheme}://${host}`, openness))
    return { status: 403, text: 'other sites may not read this' };
  if (rules.token !== null && openness === 'protected' && !rules.token.matches(request.headers.authorization))
    return { status: 401, text: 'Authorization: Bearer, with the token of system.http_token_file' };
  return null;
}

/** The one `Host` of the request; of two, somebody else may have looked at the other one. */
function onlyHost({ rawHeaders, headers }: IncomingMessage): string | null {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) if (rawHeaders[at]?.toLowerCase() === 'host') hosts++;
  return hosts === 1 ? (headers.host ?? null) : null;
}

function isLocalName(host: string): boolean {
  const name = /^(\[[^\]]*\]|[^:]*)(?::\d{1,5})?$/.exec(host)?.[1] ?? '';
  if (name.toLowerCase() === 'localhost') return true;
  return isIP(name.startsWith('[') ? name.slice(1, -1) : name) !== 0;
}

/** Whether another site's page causes the request. Following a link to the page is all that it may. */
function isForeign({ headers }: IncomingMessage, own: string, openness: Openness): boolean {
  const { origin } = headers;
  if (origin !== undefined && origin !== own) return true;
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return false;
  return openness === 'protected' || headers['sec-fetch-mode'] !== 'navigate';
}
