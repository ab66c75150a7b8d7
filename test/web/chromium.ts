import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { type Running, start } from '../interop/lab/process.ts';

const PROGRAM = '/usr/bin/chromium';
const CALL_MS_MAX = 30_000;
/** The last two: its debugger speaks over descriptors 3 and 4, in JSON with a NUL behind each message. */
const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-extensions',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--no-default-browser-check',
  '--hide-scrollbars',
  '--remote-debugging-pipe',
];

/** Why there is no browser to test with; `false`: there is one. */
export const browserUnavailable = (): string | false => !existsSync(PROGRAM) && 'needs Debian’s chromium';

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

interface Call {
  resolve(result: Readonly<Record<string, unknown>>): void;
  reject(error: Error): void;
}

export interface Viewport {
  readonly width: number;
  readonly height: number;
  readonly scheme: 'light' | 'dark';
}

/** Debian's Chromium with one page, driven by its own protocol; `enter`: the command in front of it, such as nsenter. */
export class BrowserPage {
  /** What the page wrote to its console as a warning or an error, exceptions included, and requests that were refused. */
  readonly complaints: string[] = [];
  /** Every address that was asked for. */
  readonly requests: string[] = [];
  private readonly calls = new Map<number, Call>();
  private session = '';
  private lastId = 0;
  private buffered = '';

  private constructor(
    private readonly program: Running,
    private readonly profile: string,
    private readonly output: Writable,
    input: Readable,
  ) {
    input.setEncoding('utf8').on('data', (text: string) => this.take(text));
    output.on('error', () => {});
  }

  static async open(enter: readonly string[] = []): Promise<BrowserPage> {
    const profile = mkdtempSync(join(tmpdir(), 'rondo-chromium-'));
    const [command = '', ...args] = [...enter, PROGRAM, ...FLAGS, `--user-data-dir=${profile}`, 'about:blank'];
    const program = start(command, args, { stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'] });
    const [, , , output, input] = program.child.stdio;
    const page = new BrowserPage(program, profile, output as Writable, input as Readable);
    const { targetId } = await page.call('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await page.call('Target.attachToTarget', { targetId, flatten: true });
    page.session = String(sessionId);
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await page.call(`${domain}.enable`);
    return page;
  }

  async look({ width, height, scheme }: Viewport): Promise<void> {
    await this.call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 500 });
    await this.call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
  }

  async go(url: string): Promise<void> {
    const { errorText } = await this.call('Page.navigate', { url });
    if (errorText !== undefined && errorText !== '') throw new Error(`${url}: ${String(errorText)}`);
  }

  /** The value of an expression in the page; a promise is waited for. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails).slice(0, 500));
    return (result as { readonly value?: unknown }).value;
  }

  text(id: string): Promise<unknown> {
    return this.evaluate(`document.getElementById(${JSON.stringify(id)})?.textContent ?? ''`);
  }

  async press(key: string): Promise<void> {
    for (const type of ['keyDown', 'keyUp']) await this.call('Input.dispatchKeyEvent', { type, key, code: key });
  }

  /** PNG of what is to be seen. */
  async picture(): Promise<Buffer> {
    const { data } = await this.call('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(String(data), 'base64');
  }

  async close(): Promise<void> {
    await this.program.stop('SIGKILL');
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  private call(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    const id = ++this.lastId;
    const sessionId = this.session === '' ? {} : { sessionId: this.session };
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${method}: no response; ${this.program.errors.slice(-500)}`)),
        CALL_MS_MAX,
      );
      const done = <T>(act: (value: T) => void) => {
        return (value: T): void => {
          clearTimeout(timer);
          this.calls.delete(id);
          act(value);
        };
      };
      this.calls.set(id, { resolve: done(resolve), reject: done(reject) });
      this.output.write(`${JSON.stringify({ id, method, params, ...sessionId })}\0`);
    });
  }

  private take(text: string): void {
    const parts = (this.buffered + text).split('\0');
    this.buffered = parts.pop() ?? '';
    for (const part of parts) this.message(JSON.parse(part) as Message);
  }

  private message({ id, method, params, result, error }: Message): void {
    if (id !== undefined) {
      const call = this.calls.get(id);
      if (error !== undefined) call?.reject(new Error(error.message));
      else call?.resolve(result ?? {});
      return;
    }
    const text = JSON.stringify(params ?? {});
    if (method === 'Runtime.exceptionThrown') this.complaints.push(text);
    if (method === 'Runtime.consoleAPICalled' && /^(?:error|warning|assert)$/.test(String(params?.['type'])))
      this.complaints.push(text);
    if (method === 'Log.entryAdded' && /"level":"(?:error|warning)"/.test(text)) this.complaints.push(text);
    if (method === 'Network.requestWillBeSent') {
      const { request } = params as { readonly request?: { readonly url?: string } };
      this.requests.push(String(request?.url));
    }
  }
}
