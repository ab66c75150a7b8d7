import { WINDOW_AUTO } from '../../lib/accelerated-window.ts';
import { type Basis, formula, onlyYes, sectionOptions } from './option.ts';

const YES_NO = ['yes', 'no'] as const;
const TIMEOUT_MS_MIN = 30;
/** Stock's bound is a timer tick of ten milliseconds with a margin, and the hold may be smaller than other timeouts. */
const HOLD_MS_MIN = 14;

/**
 * Silence on all links for this share of `token` is a death when all others see it, too. What the coefficient adds is the time that a larger ring
 * takes, and says nothing about one node. With the default of 3000 ms a pause of two seconds is no death.
 */
const SILENCE_SHARE = 2 / 3;
/** … and this one, some of the PINGs that follow an unanswered one: around a pause a few may be lost. */
const SILENCE_SLACK_SHARE = 1 / 16;
/** Below this, lost packets and a busy machine look like a death. */
const SILENCE_MS_MIN = 300;

function silenceMs({ tokenMs, tokenNodes, tokenCoefficientMs }: Basis): number {
  const ownMs = Math.max(0, tokenMs - Math.max(0, tokenNodes - 2) * tokenCoefficientMs);
  return Math.trunc(ownMs * (SILENCE_SHARE + SILENCE_SLACK_SHARE));
}

/** As stock's unsigned numbers wrap. */
const u32 = (value: number): number => value >>> 0;

/**
 * Timers and parameters of the ring protocol (totem.md 3, config-and-tools.md 1.6): `TotemConfig.timings`. A formula uses rows above it, and those
 * without a formula.
 */
export const TIMING = sectionOptions('totem', { reload: 'yes', cmap: 'live' }, [
  {
    key: 'token',
    type: 'u32',
    default: 3000,
    unit: 'ms',
    min: TIMEOUT_MS_MIN,
    inForce: (tokenMs, { tokenNodes, tokenCoefficientMs }) =>
      tokenNodes <= 2 ? tokenMs : u32(tokenMs + (tokenNodes - 2) * tokenCoefficientMs),
    title: 'token timeout',
    field: 'tokenMs',
    published: true,
    doc: 'Time without token after which the ring is taken as broken. In force: token + (nodes - 2) * token_coefficient with three or more nodes.',
  },
  {
    key: 'token_coefficient',
    type: 'u32',
    default: 650,
    unit: 'ms',
    field: 'tokenCoefficientMs',
    zeroCounts: true,
    doc: 'Added to token for every node above two.',
  },
  {
    key: 'token_warning',
    type: 'u32',
    default: 75,
    unit: 'percent',
    min: 0,
    max: 100,
    field: 'tokenWarningPercent',
    zeroCounts: true,
    published: true,
    doc: 'Part of the token timeout after which a missing token is logged; 0 switches it off.',
  },
  {
    key: 'token_retransmits_before_loss_const',
    type: 'u32',
    default: 4,
    field: 'tokenRetransmitsBeforeLoss',
    published: true,
    doc: 'How often the token is sent again before it counts as lost.',
  },
  {
    key: 'token_retransmit',
    type: 'u32',
    default: formula('token / (token_retransmits_before_loss_const + 0.2)', ({ tokenMs, tokenRetransmitsBeforeLoss }) =>
      Math.trunc(tokenMs / (tokenRetransmitsBeforeLoss + 0.2)),
    ),
    unit: 'ms',
    min: TIMEOUT_MS_MIN,
    title: 'token retransmit timeout',
    field: 'tokenRetransmitMs',
    published: true,
    doc: 'Time after which the token is sent again.',
  },
  {
    key: 'hold',
    type: 'u32',
    default: formula('token_retransmit * 0.8 - 10', ({ tokenRetransmitMs }) =>
      u32(Math.trunc(tokenRetransmitMs * 0.8 - 10)),
    ),
    unit: 'ms',
    min: HOLD_MS_MIN,
    title: 'token hold timeout',
    field: 'holdMs',
    published: true,
    doc: 'How long the representative keeps the token of an idle ring.',
  },
  {
    key: 'join',
    type: 'u32',
    default: 50,
    unit: 'ms',
    min: TIMEOUT_MS_MIN,
    title: 'join timeout',
    field: 'joinMs',
    published: true,
    doc: 'Time between join messages.',
  },
  {
    key: 'send_join',
    type: 'u32',
    default: 0,
    unit: 'ms',
    field: 'sendJoinMs',
    published: true,
    doc: 'Upper bound of a random delay before join messages.',
  },
  {
    key: 'consensus',
    type: 'u32',
    default: formula('token * 1.2', ({ tokenMs }) => Math.trunc((tokenMs * 12) / 10)),
    unit: 'ms',
    min: TIMEOUT_MS_MIN,
    range: `>= ${TIMEOUT_MS_MIN} and >= join`,
    title: 'consensus timeout',
    field: 'consensusMs',
    published: true,
    doc: 'Time to agree on a new membership before another round starts.',
  },
  {
    key: 'merge',
    type: 'u32',
    default: 200,
    unit: 'ms',
    min: TIMEOUT_MS_MIN,
    title: 'merge timeout',
    field: 'mergeMs',
    published: true,
    doc: 'Time before an idle ring looks for other rings.',
  },
  {
    key: 'downcheck',
    type: 'u32',
    default: 1000,
    unit: 'ms',
    min: TIMEOUT_MS_MIN,
    title: 'downcheck timeout',
    field: 'downcheckMs',
    published: true,
    doc: 'How often a downed interface is looked at.',
  },
  {
    key: 'fail_recv_const',
    type: 'u32',
    default: 2500,
    field: 'failRecvConst',
    published: true,
    doc: 'Token rotations without receiving messages that should come, before a new membership is formed.',
  },
  {
    key: 'seqno_unchanged_const',
    type: 'u32',
    default: 30,
    field: 'seqnoUnchangedConst',
    published: true,
    doc: 'Token rotations without traffic before the token is held.',
  },
  {
    key: 'heartbeat_failures_allowed',
    type: 'u32',
    default: 0,
    field: 'heartbeatFailuresAllowed',
    published: true,
    doc: 'Missed heartbeats before a loss is declared, for unreliable networks; 0 is off.',
  },
  {
    key: 'max_network_delay',
    type: 'u32',
    default: 50,
    unit: 'ms',
    min: TIMEOUT_MS_MIN,
    title: 'max_network_delay',
    field: 'maxNetworkDelayMs',
    published: true,
    doc: 'Delay of the network; used with heartbeats only.',
  },
  {
    key: 'window_size',
    type: 'u32',
    default: 50,
    field: 'windowSize',
    published: true,
    doc: 'Messages that may be sent in one token rotation by all nodes together.',
  },
  {
    key: 'max_messages',
    type: 'u32',
    default: 17,
    field: 'maxMessages',
    published: true,
    doc: 'Messages that one node may send when it has the token.',
  },
  {
    key: 'miss_count_const',
    type: 'u32',
    default: 5,
    field: 'missCountConst',
    published: true,
    doc: 'Token visits with a missing message before it is asked for again. At the default, a ring without stock members asks at the second visit.',
  },
  {
    key: 'host_silence',
    type: 'u32',
    default: formula('2/3 and 1/16 of token without its coefficient', silenceMs),
    unit: 'ms',
    range: `0, or >= ${SILENCE_MS_MIN}`,
    inForce: (ms) => (ms === 0 ? 0 : Math.max(ms, SILENCE_MS_MIN)),
    field: 'silenceMs',
    zeroCounts: true,
    doc: 'knet, without stock members (which ignore it): a member that no other member has heard for so long on any link is dead before the token timeout is over. Longer pauses of a host are taken for its death; 0 switches it off, and the token timeout decides.',
  },
  {
    key: 'accelerated_window',
    type: 'str',
    default: '0',
    range: 'auto, or a number of messages',
    field: 'acceleratedWindow',
    parse: (text) => (text === 'auto' ? WINDOW_AUTO : /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN),
    extension: true,
    doc: 'Messages of a visit that this node sends behind the token, so that the next node begins meanwhile; 0: none. auto: where every member bears it, never beside stock.',
  },
  {
    key: 'cancel_token_hold_on_retransmit',
    type: 'str',
    default: 'no',
    values: YES_NO,
    field: 'cancelTokenHoldOnRetransmit',
    parse: onlyYes,
    published: true,
    doc: 'Ends the holding of the token when a retransmission was asked for. Any other text is the default.',
  },
]);
