/** What `--cpu-prof` writes, as far as it is read here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds between the samples. */
  readonly timeDeltas: readonly number[];
  /** Microseconds of the monotonic clock. */
  readonly startTime: number;
}

export interface Frame {
  readonly name: string;
  us: number;
  readonly children: Map<string, Frame>;
}

const ROOT_NAME = '(root)';
const WIDTH = 1000;
const ROW = 17;
const TOP = 30;
const SHARE_MIN = 0.004;
const TEXT_PX_MIN = 34;
const CHARACTER_PX = 6.2;
const COLOURS = ['#e8c07d', '#dd9c6b', '#cc704b', '#c9b37c', '#d9a05b'];

/** The call tree of what ran between two times; frames of these names, and what they call, are left out: the thread sleeps in them. */
export function framesOf(
  { nodes, samples, timeDeltas, startTime }: CpuProfile,
  fromUs: number,
  toUs: number,
  asleep: ReadonlySet<string>,
): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children }) => (children ?? []).map((child) => [child, id] as const)));
  const root: Frame = { name: ROOT_NAME, us: 0, children: new Map() };
  let nowUs = startTime;
  for (const [at, sample] of samples.entries()) {
    const us = timeDeltas[at] ?? 0;
    nowUs += us;
    if (nowUs < fromUs || nowUs > toUs) continue;
    const path: string[] = [];
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id))
      path.unshift(byId.get(id)?.callFrame.functionName || '(anonymous)');
    if (!path.some((name) => asleep.has(name))) add(root, path.slice(1), us);
  }
  return root;
}

function add(root: Frame, path: readonly string[], us: number): void {
  let frame = root;
  frame.us += us;
  for (const name of path) {
    let next = frame.children.get(name);
    if (next === undefined) {
      next = { name, us: 0, children: new Map() };
      frame.children.set(name, next);
    }
    next.us += us;
    frame = next;
  }
}

const escapeText = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Flame graphs one above the other as one SVG, callers above what they call; `perRun` is the number of messages that each stands for. */
export function flameGraph(
  threads: readonly { readonly title: string; readonly root: Frame; readonly runs: number }[],
): string {
  const parts: string[] = [];
  let top = 0;
  for (const { title, root, runs } of threads) {
    const whole = (root.us / runs).toFixed(1);
    parts.push(`<text x="6" y="${top + 19}" font-size="13">${escapeText(`${title}: ${whole} µs`)}</text>`);
    let depth = 0;
    const draw = (frame: Frame, x: number, level: number): void => {
      depth = Math.max(depth, level);
      let left = x;
      for (const child of [...frame.children.values()].sort((a, b) => b.us - a.us)) {
        const width = (child.us / root.us) * WIDTH;
        if (child.us / root.us >= SHARE_MIN) {
          parts.push(box(child, left, top + TOP + level * ROW, width, runs));
          draw(child, left, level + 1);
        }
        left += width;
      }
    };
    draw(root, 0, 0);
    top += TOP + (depth + 1) * ROW;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${top}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function box({ name, us }: Frame, x: number, y: number, width: number, runs: number): string {
  const colour = COLOURS[[...name].reduce((sum, character) => sum + character.charCodeAt(0), 0) % COLOURS.length];
  const fits = Math.floor((width - 4) / CHARACTER_PX);
  const label =
    width < TEXT_PX_MIN
      ? ''
      : `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escapeText(name.slice(0, fits))}</text>`;
  const rect = `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0.5, width - 0.5).toFixed(1)}" height="${ROW - 1}" fill="${colour}">`;
  return `${rect}<title>${escapeText(name)} ${(us / runs).toFixed(2)} µs</title></rect>${label}`;
}
