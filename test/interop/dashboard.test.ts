import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BrowserPage, browserUnavailable, type Viewport } from '../web/chromium.ts';
import { skipReason } from './lab/cases.ts';
import { ROOT } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import type { LabNode } from './lab/node.ts';
import { sleep, until } from './lab/process.ts';

// The page in Debian's Chromium, which runs in the network of a node: what it shows of a ring, and how.

const KINDS = ['ours', 'ours', 'ours'] as const;
const URL = 'http://127.0.0.1:9181/';
const AXE = join(ROOT, 'node_modules/axe-core/axe.min.js');
/** `RONDO_SCREENSHOTS=docs/images` writes the pictures of the documentation there. */
const PICTURES = process.env['RONDO_SCREENSHOTS'];
/** From the moment at which its process ends until the page says so. */
const KILL_SEEN_MS_MAX = 1000;
/** A member that dies is noticed at once, a link that is cut after half of this. */
const TOKEN_MS = 4000;
const DESK: Viewport = { width: 1240, height: 880, scheme: 'light' };
const DARK: Viewport = { ...DESK, scheme: 'dark' };
const PHONE: Viewport = { width: 360, height: 740, scheme: 'light' };

async function open(t: Test): Promise<{ readonly lab: Lab; readonly page: BrowserPage }> {
  const system = ['metrics: 127.0.0.1:9181', 'dashboard: 127.0.0.1:9181'];
  const crypto = { cipher: 'aes256', hash: 'sha256' };
  // A browser that starts takes all of a small machine: it is there before the ring, and the ring bears some waiting.
  const lab = await Lab.create({ transport: 'knet', links: 2, crypto, system, tokenMs: TOKEN_MS }, KINDS);
  t.teardown(() => lab.close());
  const { pid } = lab.node(1).space;
  const page = await BrowserPage.open(['nsenter', '-t', String(pid), '--net', '--']);
  t.teardown(() => page.close());
  await page.look(DESK);
  for (const node of lab.nodes) node.startDaemon();
  await lab.waitRing(lab.nodes, 60_000);
  await page.go(URL);
  await shows(page, 'verdict', /^quorate$/, 60_000).catch((error: Error) => {
    throw new Error(`${error.message}\n${lab.logs()}`);
  });
  return { lab, page };
}

async function shows(page: BrowserPage, id: string, pattern: RegExp, timeoutMs = 20_000): Promise<void> {
  let seen: unknown = '';
  await until(
    `${id} shows ${pattern}`,
    async () => {
      seen = await page.text(id);
      return pattern.test(String(seen)) ? true : null;
    },
    timeoutMs,
    50,
  ).catch((error: Error) => {
    throw new Error(`${error.message}: ${String(seen)}; ${page.complaints.join(' ')}`);
  });
}

async function picture(page: BrowserPage, name: string): Promise<void> {
  if (PICTURES === undefined) return;
  const directory = join(ROOT, PICTURES);
  mkdirSync(directory, { recursive: true });
  await page.evaluate('document.activeElement?.blur()');
  await sleep(400);
  writeFileSync(join(directory, `dashboard-${name}.png`), await page.picture());
}

async function axe(t: Test, page: BrowserPage, view: Viewport, what: string): Promise<void> {
  if (!existsSync(AXE)) return t.comment('axe-core is not installed: contrast and names were not checked');
  await page.look(view);
  await page.evaluate(`${readFileSync(AXE, 'utf8')}; 0`);
  const found = await page.evaluate(
    `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => id + ': ' + html.slice(0, 120) + ' ' + failureSummary)))`,
  );
  t.same(found, [], what);
}

/** Some traffic, so that the plots have something to show. */
async function traffic(node: LabNode): Promise<void> {
  const script = `for i in $(seq 40); do corosync-cmapctl -s demo.load u32 $i >/dev/null; corosync-quorumtool -s >/dev/null; sleep 0.1; done`;
  await node.space.run('sh', ['-c', script]);
}

/** How long the page needs to show that a node was killed, and how late its own timer was in that time: the machine's part. */
async function killSeen(
  page: BrowserPage,
  node: LabNode,
): Promise<{ readonly seenMs: number; readonly lateMs: number }> {
  const watched = page.evaluate(`new Promise((resolve) => {
    let last = performance.now();
    let late = 0;
    const look = () => {
      const now = performance.now();
      late = Math.max(late, Math.round(now - last - 10));
      last = now;
      if (/not reached|not in the ring/.test(document.getElementById('ring').textContent)) resolve({ at: Date.now(), late });
      else setTimeout(look, 10);
    };
    look();
  })`);
  await sleep(200);
  const killedAtMs = Date.now();
  await node.killDaemon();
  const { at, late } = (await watched) as { readonly at: number; readonly late: number };
  return { seenMs: at - killedAtMs, lateMs: late };
}

const name = 'the page: a healthy ring, a cut link, a killed node within a second, and no quorum';
t.test(name, { skip: skipReason(KINDS) || browserUnavailable(), timeout: 300_000 }, async (t) => {
  const { lab, page } = await open(t);
  const [second, third] = [lab.node(2), lab.node(3)];
  await shows(page, 'votes-of', /of 3 votes, 2 needed/);
  await shows(page, 'quorum-words', /3 of 3 votes are here.*1 node can fail/);
  await shows(page, 'ring-words', /Ring 1\.\w+: 3 members of 3 nodes\./);
  await shows(page, 'links', /node2[\d.]+ ms[\d.]+ msnode3[\d.]+ ms[\d.]+ ms/);
  await shows(page, 'changes', /node[123].* joined/);
  await traffic(lab.node(1));
  await picture(page, 'healthy');

  await t.test('for everybody: contrast and names, keyboard, phone, reduced motion', async (t) => {
    await axe(t, page, DESK, 'light');
    await axe(t, page, DARK, 'dark');
    await picture(page, 'dark');
    await page.look(PHONE);
    await axe(t, page, PHONE, 'phone');
    t.ok(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'), 'no horizontal scroll');
    await picture(page, 'phone');
    await page.look(DESK);
    const reached = new Set<string>();
    for (let presses = 0; presses < 5; presses++) {
      await page.press('Tab');
      reached.add(String(await page.evaluate(`document.activeElement.id || document.activeElement.className`)));
    }
    t.ok(
      ['skip', 'freeze', 'scroll'].every((one) => reached.has(one)),
      [...reached].join(' '),
    );
    await page.evaluate(`document.getElementById('freeze').focus()`);
    await page.evaluate(`document.getElementById('freeze').click()`);
    t.equal(await page.evaluate(`document.getElementById('freeze').getAttribute('aria-pressed')`), 'true');
    await page.evaluate(`document.getElementById('freeze').click()`);
  });

  await third.cut({ link: 1, peers: [lab.node(1)] });
  await shows(page, 'links', /node3[\d.]+ msdown/);
  await shows(page, 'matrix', /node1–0: [\d.]+ ms, 1: [\d.]+ ms0: [\d.]+ ms, 1: down/);
  await shows(page, 'ring', /a link is down/);
  await sleep(600);
  await picture(page, 'cut-link');
  await third.heal();
  await shows(page, 'links', /node3[\d.]+ ms[\d.]+ ms/);

  const { seenMs, lateMs } = await killSeen(page, third);
  t.comment(`seen after ${seenMs} ms, of which the machine was late by ${lateMs} ms`);
  t.ok(seenMs - lateMs < KILL_SEEN_MS_MAX, `a killed node is shown within a second: ${seenMs} - ${lateMs} ms`);
  await shows(page, 'changes', /^[\d:]+node3 left/);
  await shows(page, 'quorum-words', /2 of 3 votes are here.*One more failure may end it/);

  await second.killDaemon();
  await shows(page, 'verdict', /^no quorum$/);
  await shows(page, 'quorum-words', /1 of 3 votes is here.*must not act/);
  t.match(await page.evaluate('document.title'), /^No quorum/);
  await axe(t, page, DESK, 'no quorum, light');
  await sleep(600);
  await picture(page, 'no-quorum');
  await axe(t, page, DARK, 'no quorum, dark');

  t.same(page.complaints, [], 'nothing on the console');
  t.same(
    page.requests.filter((url) => !url.startsWith(URL) && url !== 'about:blank'),
    [],
    'no request to anywhere else',
  );
  await lab.node(1).killDaemon();
  await shows(page, 'verdict', /^no connection since/);
});
