import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Followers } from './followers.ts';
import { ConnectionGate } from './gate.ts';
import { type GuardRules, type Openness, type RequestRefusal, refusalOf } from './guard.ts';
import { WEB_LIMITS } from './limits.ts';
import { CONTENT_TYPES, formatFor } from './metrics/exposition.ts';
import type { ExpositionFormat } from './metrics/family.ts';
import type { PageFile } from './page-files.ts';
import type { TlsIdentity } from './tls.ts';

/** What there is to see at one address. */
export interface WebContent {
  /** `null`: no metrics here. */
  readonly metrics: ((format: ExpositionFormat) => Promise<string>) | null;
  /** `null`: no page here. */
  readonly page: { readonly files: ReadonlyMap<string, PageFile>; readonly followers: Followers } | null;
  /** What is wrong; empty: nothing. */
  health(): string;
  readiness(): string;
}

/** Who gets in, and how. */
export interface WebAccess {
  readonly rules: GuardRules;
  /** `null`: plain HTTP. */
  readonly tls: TlsIdentity | null;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}
type Route = (exchange: Exchange) => void | Promise<void>;

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  Connection: 'close',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

/**
 * HTTP for those who only watch, on the main thread: one request a connection, everything bounded (limits.ts), nothing can be changed
 * through it.
 */
export class WebServer {
  private readonly http: Server;
  private readonly gate: ConnectionGate;
  private readonly routes: ReadonlyMap<string, readonly [Openness, Route]>;
  private readonly deadlines = new Map<Socket, NodeJS.Timeout>();
  private readonly asked = new WeakSet<Socket>();

  /** @param fd a listening socket, which is this object's from now on */
  constructor(
    fd: number,
    private readonly content: WebContent,
    private access: WebAccess,
    private readonly report: (text: string) => void,
  ) {
    this.http = requestReader((request, response) => void this.serve(request, response));
    this.gate = new ConnectionGate(
      fd,
      (socket) => this.taken(socket),
      (error) => report(`Web: ${error.message}`),
    );
    this.routes = this.table();
    this.admit(access);
  }

  open(): void {
    this.gate.open();
  }

  /** For requests that come from now on. Whether there is TLS does not change. */
  admit(access: WebAccess): void {
    access.tls?.secured((socket) => this.read(socket));
    this.access = access;
  }

  close(): void {
    this.content.page?.followers.close();
    this.gate.close();
  }

  private taken(socket: Socket): void {
    const { tls } = this.access;
    if (tls === null) this.read(socket);
    else tls.handshake(socket);
  }

  /** Plain, or secured. */
  private read(socket: Socket): void {
    this.endAfter(socket, WEB_LIMITS.requestMs);
    socket.once('close', () => this.goOn(socket));
    this.http.emit('connection', socket);
  }

  /** Whatever it does, a connection that follows nothing has an end. (Node's own timeouts belong to a server that listens itself.) */
  private endAfter(socket: Socket, ms: number): void {
    this.goOn(socket);
    this.deadlines.set(
      socket,
      setTimeout(() => socket.destroy(), ms),
    );
  }

  private goOn(socket: Socket): void {
    clearTimeout(this.deadlines.get(socket));
    this.deadlines.delete(socket);
  }

  private table(): ReadonlyMap<string, readonly [Openness, Route]> {
    const { metrics, page, health, readiness } = this.content;
    const routes = new Map<string, readonly [Openness, Route]>([
      ['/healthz', ['protected', (exchange) => verdict(exchange, health())]],
      ['/readyz', ['protected', (exchange) => verdict(exchange, readiness())]],
    ]);
    if (metrics !== null) routes.set('/metrics', ['protected', (exchange) => showMetrics(exchange, metrics)]);
    if (page !== null) {
      for (const [path, file] of page.files) routes.set(path, ['public', (exchange) => showFile(exchange, file)]);
      routes.set('/events', ['protected', (exchange) => this.follow(exchange, page.followers)]);
    }
    return routes;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Node.js counts requests of HTTP/1.1 only: one of 1.0 that keeps its connection could bring hundreds along.
    if (this.asked.has(request.socket)) {
      request.socket.destroy();
      return;
    }
    this.asked.add(request.socket);
    this.endAfter(request.socket, WEB_LIMITS.responseMs);
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    response.on('error', () => response.destroy());
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const [openness, route] = this.routes.get(path) ?? (['protected', notThere] as const);
    const refusal = refusalOf(request, openness, this.access.rules);
    try {
      if (refusal !== null) this.refuse({ request, response }, refusal);
      else await route({ request, response });
    } catch (error) {
      this.report(`Web: ${path.slice(0, 40)}: ${error instanceof Error ? error.message : String(error)}`);
      if (response.headersSent) response.destroy();
      else text({ request, response }, 500, 'the page could not be made\n');
    }
  }

  private follow(exchange: Exchange, followers: Followers): void {
    const { request, response } = exchange;
    if (followers.full) {
      response.setHeader('Retry-After', '5');
      text(exchange, 503, 'others follow already, and there is no place for one more\n');
      return;
    }
    if (request.method === 'HEAD') {
      text(exchange, 200, '', 'text/event-stream');
      return;
    }
    this.goOn(request.socket);
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
    followers.add(response);
  }

  private refuse(exchange: Exchange, { status, text: reason }: RequestRefusal): void {
    if (status === 401) exchange.response.setHeader('WWW-Authenticate', 'Bearer');
    if (status === 405) exchange.response.setHeader('Allow', 'GET, HEAD');
    text(exchange, status, `${reason}\n`);
  }
}

function text(exchange: Exchange, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  end(exchange, status, Buffer.from(body), type);
}

function end({ request, response }: Exchange, status: number, body: Uint8Array, type: string): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Node's reader of requests; the sockets come from the gate, it never listens itself. */
function requestReader(serve: (request: IncomingMessage, response: ServerResponse) => void): Server {
  const http = createServer({ maxHeaderSize: WEB_LIMITS.headerBytesMax, keepAlive: false }, serve);
  http.maxHeadersCount = WEB_LIMITS.headersMax;
  http.maxRequestsPerSocket = 1;
  http.on('clientError', (_error, socket) => socket.destroy());
  return http;
}

const notThere: Route = (exchange) => text(exchange, 404, 'there is no such page\n');
const verdict = (exchange: Exchange, problem: string): void =>
  text(exchange, problem === '' ? 200 : 503, problem === '' ? 'ok\n' : `${problem}\n`);
const showFile = (exchange: Exchange, { type, bytes }: PageFile): void => end(exchange, 200, bytes, type);

async function showMetrics(exchange: Exchange, metrics: (format: ExpositionFormat) => Promise<string>): Promise<void> {
  const format = formatFor(exchange.request.headers.accept);
  text(exchange, 200, await metrics(format), CONTENT_TYPES[format]);
}
