import { Cfg } from '../../client/cfg.ts';
import { Cmap } from '../../client/cmap.ts';
import { CONFIG_FILE_DEFAULT } from '../../config/load.ts';
import { defaultNumber } from '../../config/options/index.ts';
import { KEY_FILE_DEFAULT } from '../../config/options/totem.ts';
import { nodeOfStatusKey } from '../../notify/keys.ts';
import type { Command, CommandContext } from '../command.ts';
import { configSource } from '../config-source.ts';
import { CliExit, UsageError } from '../exit-codes.ts';
import { listedNodes } from '../node-list.ts';
import { type NodeListFacts, type NodePlan, planAddition, planRemoval } from '../node-plan.ts';
import { emit } from '../output.ts';

async function facts(context: CommandContext): Promise<NodeListFacts> {
  const { file } = await configSource(context, undefined);
  const cmap = await Cmap.connect(context.connect);
  const cfg = await Cfg.connect(context.connect);
  try {
    const states = new Map<number, unknown>();
    for await (const { key, value } of cmap.entries('runtime.members.')) {
      const nodeId = nodeOfStatusKey(key);
      if (nodeId !== null) states.set(nodeId, value);
    }
    const number = async (key: string): Promise<number | null> => cmap.getNumber(key);
    return {
      file: file ?? CONFIG_FILE_DEFAULT,
      keyFile: (await cmap.getString('totem.keyfile')) ?? KEY_FILE_DEFAULT,
      nodes: await listedNodes(cmap, states),
      localNodeId: await cfg.localNodeId(),
      seen: [...states.keys()],
      twoNode: (await number('quorum.two_node')) === 1,
      deviceVotes:
        (await cmap.getString('quorum.device.model')) === null ? 0 : ((await number('quorum.device.votes')) ?? 1),
      expectedVotes: await number('quorum.expected_votes'),
      tokenMs: (await number('totem.token')) ?? defaultNumber('totem', 'token'),
      tokenCoefficientMs: (await number('totem.token_coefficient')) ?? defaultNumber('totem', 'token_coefficient'),
    };
  } finally {
    cmap.close();
    cfg.close();
  }
}

function show(context: CommandContext, plan: NodePlan): number {
  emit(context, plan, () => [
    ...plan.problems.map((text) => `This cannot be done: ${text}`),
    ...(plan.effects.length === 0 ? [] : ['What changes:', ...plan.effects.map((text) => `  ${text}`), '']),
    ...(plan.block === null || plan.steps.length === 0
      ? []
      : ['The block:', ...plan.block.split('\n').map((line) => `  ${line}`), '']),
    ...plan.steps.map((text, at) => `${at + 1}. ${text}`),
  ]);
  return plan.problems.length === 0 ? CliExit.OK : CliExit.CHECK_FAILED;
}

/** Who changes files of other hosts is the operator: this shows how. */
function onlyPlans({ values }: CommandContext, words: string): void {
  if (values['plan'] !== true)
    throw new UsageError(
      'the node list stands in a file of each node, which this command does not change: --plan shows what to do',
      words,
    );
}

function numberOf(text: unknown, name: string): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new UsageError(`--${name}: '${text}' is no number`, 'node add');
  return value;
}

const PLAN = { plan: { type: 'boolean' } } as const;
const PLAN_HELP = { flag: '--plan', text: 'show what would change and what to do' };

export const NODE_COMMANDS: readonly Command[] = [
  {
    words: 'node add',
    arguments: 'NAME ADDRESS…',
    summary: 'plan how a node is added: what changes, and the steps',
    details:
      'An address for each link, in their order. Exit 4 when it cannot be done so: an id, a name or an address that is taken.',
    options: { ...PLAN, id: { type: 'string' }, votes: { type: 'string' } },
    optionHelp: [
      PLAN_HELP,
      { flag: '--id ID', text: 'its node id (default: the smallest that nobody has had)' },
      { flag: '--votes VOTES', text: 'its votes (default 1)' },
    ],
    examples: ['rondo node add --plan node4 10.0.0.4 10.0.1.4'],
    positionals: [2, 9],
    async run(context) {
      onlyPlans(context, 'node add');
      const [name = '', ...addresses] = context.positionals;
      const nodeId = numberOf(context.values['id'], 'id');
      const votes = numberOf(context.values['votes'], 'votes') ?? 1;
      return show(context, planAddition(await facts(context), { name, addresses, nodeId, votes }));
    },
  },
  {
    words: 'node remove',
    arguments: 'NAME|ID',
    summary: 'plan how a node is removed: what changes, and the steps',
    details: 'Exit 4 when it cannot be done so: the nodes that stay would have no quorum.',
    options: PLAN,
    optionHelp: [PLAN_HELP],
    examples: ['rondo node remove --plan node4'],
    positionals: [1, 1],
    async run(context) {
      onlyPlans(context, 'node remove');
      return show(context, planRemoval(await facts(context), context.positionals[0] ?? ''));
    },
  },
];
