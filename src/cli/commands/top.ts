import { pause } from '../../client/abort.ts';
import type { Command, CommandContext, Keyboard } from '../command.ts';
import { CliExit, UsageError } from '../exit-codes.ts';
import { emitItem } from '../output.ts';
import { renderTop } from '../top/render.ts';
import { type TopSample, TopSource } from '../top/sample.ts';
import { SORT_KEYS, type SortKey, topView } from '../top/view.ts';

const SECONDS_DEFAULT = 1;
const SECONDS_MIN = 0.2;
const CTRL_C = '\u0003';
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const REST_OF_LINE = '\u001b[K';
const REST_OF_SCREEN = '\u001b[J';

interface Settings {
  readonly seconds: number;
  /** Infinity: until it is ended. */
  readonly count: number;
  sort: SortKey;
}

function settingsOf({ values }: CommandContext): Settings {
  const seconds = Number(values['seconds'] ?? SECONDS_DEFAULT);
  if (!(seconds >= SECONDS_MIN)) throw new UsageError(`--seconds: at least ${SECONDS_MIN}`, 'top');
  const count = values['count'] === undefined ? Number.POSITIVE_INFINITY : Number(values['count']);
  if (!(count >= 1)) throw new UsageError('--count: at least 1', 'top');
  const sort = Object.values(SORT_KEYS).find((name) => name === (values['sort'] ?? SORT_KEYS.r));
  if (sort === undefined) throw new UsageError(`--sort: one of ${Object.values(SORT_KEYS).join(', ')}`, 'top');
  return { seconds, count, sort };
}

async function top(context: CommandContext): Promise<number> {
  const settings = settingsOf(context);
  const source = await TopSource.open(context);
  try {
    const { keyboard } = context.io;
    if (context.json || keyboard === null) await print(context, settings, source);
    else await live(context, settings, source, keyboard);
    return CliExit.OK;
  } finally {
    source.close();
  }
}

/** Not on a terminal: one block after the other. */
async function print(context: CommandContext, settings: Settings, source: TopSource): Promise<void> {
  let before: TopSample = await source.sample();
  for (let shown = 0; shown < settings.count; shown++) {
    await pause(settings.seconds * 1000, context.io.signal);
    const now = await source.sample();
    const view = topView(before, now, settings.sort);
    const lines = renderTop(view, { size: null, colour: false, sort: settings.sort, keys: false });
    if (context.json) emitItem(context, view, '');
    else context.io.out(`${lines.join('\n')}\n\n`);
    before = now;
  }
}

/** On a terminal: the screen is drawn again, and keys change the order. */
async function live(context: CommandContext, settings: Settings, source: TopSource, keyboard: Keyboard): Promise<void> {
  const { io } = context;
  const end = new AbortController();
  const stop = (): void => end.abort();
  io.signal.addEventListener('abort', stop, { once: true });
  let views: readonly [TopSample | null, TopSample] = [null, await source.sample()];
  const draw = (): void => {
    const size = keyboard.size();
    const view = topView(views[0], views[1], settings.sort);
    const colour = (io.env['NO_COLOR'] ?? '') === '';
    const lines = renderTop(view, { size, colour, sort: settings.sort, keys: true });
    io.out(`${HOME}${lines.map((line) => line + REST_OF_LINE).join('\r\n')}${REST_OF_SCREEN}`);
  };
  const release = keyboard.listen((key) => {
    if (key === 'q' || key === CTRL_C) return stop();
    const sort = Object.entries(SORT_KEYS).find(([letter]) => letter === key)?.[1];
    if (sort === undefined) return;
    settings.sort = sort;
    draw();
  });
  io.out(ENTER);
  try {
    for (let shown = 0; shown < settings.count && !end.signal.aborted; shown++) {
      draw();
      await pause(settings.seconds * 1000, end.signal).catch(() => {});
      if (!end.signal.aborted) views = [views[1], await source.sample()];
    }
  } finally {
    io.out(LEAVE);
    release();
    io.signal.removeEventListener('abort', stop);
  }
}

export const TOP_COMMAND: Command = {
  words: 'top',
  arguments: '',
  summary: 'watch rates of the ring, its links and its clients',
  details:
    'On a terminal the screen is drawn again, and keys change the order of the clients; elsewhere a block is printed each time. Colour on a terminal only, and not with NO_COLOR.',
  options: {
    seconds: { type: 'string', short: 's' },
    count: { type: 'string', short: 'n' },
    sort: { type: 'string', short: 'o' },
  },
  optionHelp: [
    { flag: '-s, --seconds SECONDS', text: `between two looks (default ${SECONDS_DEFAULT}, at least ${SECONDS_MIN})` },
    { flag: '-n, --count N', text: 'end after N looks' },
    { flag: `-o, --sort ${Object.values(SORT_KEYS).join('|')}`, text: 'order of the clients (default requests)' },
  ],
  examples: ['rondo top', 'rondo top -n 1 --json | jq .clients'],
  positionals: [0, 0],
  run: top,
};
