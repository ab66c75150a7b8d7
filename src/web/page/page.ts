import type { PageMatrix, PageState, Sample } from '../page-state.ts';
import { byId, setText } from './elements.ts';
import { showMatrix, showPanels } from './panels.ts';
import { Plot } from './plot.ts';
import { RingPicture } from './ring-picture.ts';
import { EventFeed } from './stream.ts';
import { amount, clockTime, milliseconds } from './words.ts';

const SAMPLES_KEPT_HERE = 300;
const TOKEN_KEY = 'rondo-token';
const perSecond = (value: number): string => `${amount(value)}/s`;

const figure = (id: string): Element => byId(id, HTMLElement);
const plots = [
  new Plot(figure('plot-rotation'), {
    title: 'Token rotation',
    lines: [
      { label: '', read: ({ rotation50 }) => rotation50 },
      { label: 'p99 ', read: ({ rotation99 }) => rotation99 },
    ],
    text: milliseconds,
  }),
  new Plot(figure('plot-delivery'), {
    title: 'Send to delivery',
    lines: [
      { label: '', read: ({ delivery50 }) => delivery50 },
      { label: 'p99 ', read: ({ delivery99 }) => delivery99 },
    ],
    text: milliseconds,
  }),
  new Plot(figure('plot-messages'), {
    title: 'Messages',
    lines: [{ label: '', read: ({ messages }) => messages }],
    text: perSecond,
  }),
  new Plot(figure('plot-tokens'), {
    title: 'Token visits',
    lines: [{ label: '', read: ({ tokens }) => tokens }],
    text: perSecond,
  }),
];
const ring = new RingPicture(byId('ring', SVGElement), byId('ring-words', HTMLElement));
const verdict = byId('verdict', HTMLElement);
const freeze = byId('freeze', HTMLButtonElement);
const unlock = byId('unlock', HTMLFormElement);
const tokenField = byId('token', HTMLInputElement);
let samples: Sample[] = [];
let matrix: PageMatrix = { matrix: [], faults: [] };
let frozen = false;

function show(state: PageState): void {
  document.body.removeAttribute('data-stale');
  if (state.sample !== null && state.sample.at > (samples.at(-1)?.at ?? 0)) samples.push(state.sample);
  samples = samples.slice(-SAMPLES_KEPT_HERE);
  if (frozen) return;
  showPanels(state);
  showMatrix(matrix, state.nodes);
  ring.show(state);
  for (const plot of plots) plot.show(samples);
}

function stale(text: string): void {
  if (document.body.hasAttribute('data-stale')) return;
  document.body.setAttribute('data-stale', '');
  setText(verdict, text);
  verdict.setAttribute('data-state', 'bad');
  ring.lost();
}

const feed = new EventFeed({
  event(name, data) {
    if (name === 'history') samples = JSON.parse(data) as Sample[];
    else if (name === 'matrix') matrix = JSON.parse(data) as PageMatrix;
    else if (name === 'state') show(JSON.parse(data) as PageState);
  },
  lost: () => stale(`no connection since ${clockTime(Date.now())}`),
  locked() {
    stale('locked');
    unlock.hidden = false;
    tokenField.focus();
  },
});

freeze.addEventListener('click', () => {
  frozen = !frozen;
  freeze.setAttribute('aria-pressed', String(frozen));
  setText(freeze, frozen ? 'Go on' : 'Pause');
});
unlock.addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN_KEY, tokenField.value);
  unlock.hidden = true;
  feed.open(tokenField.value);
  tokenField.value = '';
});
feed.open(sessionStorage.getItem(TOKEN_KEY));
