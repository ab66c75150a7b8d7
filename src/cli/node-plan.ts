import { counted } from '../lib/counted.ts';
/** A node of the list, as the daemon has it. */
export interface ListedNode {
  readonly nodeId: number;
  readonly name: string | null;
  /** By link. */
  readonly addresses: readonly string[];
  readonly votes: number;
  readonly member: boolean;
}

/** What a change of the node list has to take into account. */
export interface NodeListFacts {
  readonly nodes: readonly ListedNode[];
  readonly localNodeId: number;
  /** Ids that were in the ring at any time since this daemon started. */
  readonly seen: readonly number[];
  readonly twoNode: boolean;
  /** Votes of a quorum device; 0: none. */
  readonly deviceVotes: number;
  /** `quorum.expected_votes` of the file; `null`: the sum of the votes. */
  readonly expectedVotes: number | null;
  /** Without the part that grows with the nodes. */
  readonly tokenMs: number;
  readonly tokenCoefficientMs: number;
  /** What the daemon of this node has read. */
  readonly file: string;
  readonly keyFile: string;
}

export interface NodePlan {
  /** Why it must not be done so; then there are no steps. */
  readonly problems: readonly string[];
  /** What will be different. */
  readonly effects: readonly string[];
  /** What to do, in this order. */
  readonly steps: readonly string[];
  /** The block of a node that is added. */
  readonly block: string | null;
}

export interface NewNode {
  readonly name: string;
  readonly addresses: readonly string[];
  /** `null`: the smallest one that nobody ever had. */
  readonly nodeId: number | null;
  readonly votes: number;
}

const NODE_ID_MAX = 65_535;

/** How a node joins the list. */
export function planAddition(facts: NodeListFacts, wanted: NewNode): NodePlan {
  const { nodes } = facts;
  const nodeId = wanted.nodeId ?? freeId(facts);
  const links = Math.max(0, ...nodes.map(({ addresses }) => addresses.length));
  const problems: string[] = [];
  const holder = nodes.find((node) => node.nodeId === nodeId);
  if (holder !== undefined) problems.push(`node id ${nodeId} belongs to ${called(holder)}`);
  else if (facts.seen.includes(nodeId))
    problems.push(
      `node id ${nodeId} was in the ring before: the others may still know its old addresses and votes; take ${freeId(facts)}`,
    );
  if (nodeId < 1 || nodeId > NODE_ID_MAX) problems.push(`a node id is 1 to ${NODE_ID_MAX}`);
  if (nodes.some(({ name }) => name === wanted.name)) problems.push(`there is a node ${wanted.name} already`);
  for (const address of wanted.addresses) {
    const owner = nodes.find(({ addresses }) => addresses.includes(address));
    if (owner !== undefined) problems.push(`${address} belongs to ${called(owner)}`);
  }
  if (new Set(wanted.addresses).size < wanted.addresses.length) problems.push('an address stands there twice');
  if (wanted.addresses.length !== links)
    problems.push(`the cluster has ${counted(links, 'link')}: the node needs an address on each, in their order`);
  const after = [...nodes, { ...wanted, nodeId, member: false }];
  const block = nodeBlock(nodeId, wanted);
  if (problems.length > 0) return { problems, effects: [], steps: [], block };
  return {
    problems,
    effects: effectsOf(facts, after),
    block,
    steps: [
      `on every node: add the block to nodelist in ${facts.file}${facts.twoNode && after.length > 2 ? ', and remove two_node from quorum' : ''}`,
      'on every node: rondo config check',
      'on one node: rondo config plan, then rondo reload',
      `on ${wanted.name}: copy ${facts.file} and ${facts.keyFile} from a node, rondo doctor --preflight, systemctl start corosync`,
      'on one node: rondo status --check --wait 30, then rondo links --matrix',
    ],
  };
}

/** How a node leaves it; `which` is its id or name. */
export function planRemoval(facts: NodeListFacts, which: string): NodePlan {
  const { nodes } = facts;
  const node = nodes.find(({ nodeId, name }) => name === which || String(nodeId) === which);
  if (node === undefined) return refusal(`there is no node ${which}; there are ${nodes.map(called).join(', ')}`);
  const after = nodes.filter((other) => other !== node);
  if (after.length === 0) return refusal('it is the last node');
  const stayers = after.filter(({ member }) => member);
  const votes = sum(stayers) + facts.deviceVotes;
  const needed = quorumOf(facts, after);
  const problems: string[] = [];
  if (votes < needed)
    problems.push(
      `the nodes that stay and are there have ${counted(votes, 'vote')}, and ${needed} would be needed: bring the others back first`,
    );
  if (node.nodeId === facts.localNodeId) problems.push('it is this node: plan it on one that stays');
  if (problems.length > 0) return { problems, effects: [], steps: [], block: null };
  return {
    problems,
    block: null,
    effects: [
      ...effectsOf(facts, after),
      `node id ${node.nodeId} must not be given to another node until all daemons have been started again`,
    ],
    steps: [
      ...(node.member ? [`on ${called(node)}: move its services away, then: systemctl disable --now corosync`] : []),
      `on every node that stays: remove its block from nodelist in ${facts.file}${after.length === 2 ? ', and think about two_node or a quorum device' : ''}`,
      'on every node that stays: rondo config check',
      'on one of them: rondo config plan, then rondo reload',
      'on one of them: rondo quorum, then rondo status --check',
      `on ${called(node)}: remove ${facts.file} and ${facts.keyFile}`,
    ],
  };
}

const refusal = (problem: string): NodePlan => ({ problems: [problem], effects: [], steps: [], block: null });

const called = ({ nodeId, name }: Pick<ListedNode, 'nodeId' | 'name'>): string =>
  name === null ? `node ${nodeId}` : `${name} (node ${nodeId})`;

const sum = (nodes: readonly Pick<ListedNode, 'votes'>[]): number =>
  nodes.reduce((total, { votes }) => total + votes, 0);

function freeId({ nodes, seen }: NodeListFacts): number {
  const taken = new Set([...nodes.map(({ nodeId }) => nodeId), ...seen]);
  let id = 1;
  while (taken.has(id)) id++;
  return id;
}

type Voter = Pick<ListedNode, 'votes'>;

/** An expected_votes of the file counts as long as it is not changed with the list. */
function expectedOf({ expectedVotes, deviceVotes }: NodeListFacts, nodes: readonly Voter[]): number {
  return Math.max(expectedVotes ?? 0, sum(nodes) + deviceVotes);
}

function quorumOf(facts: NodeListFacts, nodes: readonly Voter[]): number {
  if (facts.twoNode && nodes.length === 2) return 1;
  return Math.floor(expectedOf(facts, nodes) / 2) + 1;
}

/** How many of the nodes may fail at once, whichever they are. */
const failing = (count: number, nodes: number): string =>
  `${count === 0 ? 'none' : `any ${count}`} of ${counted(nodes, 'node')} may fail`;

function effectsOf(facts: NodeListFacts, after: readonly Voter[]): string[] {
  const { nodes, tokenMs, tokenCoefficientMs } = facts;
  const token = (count: number): number => tokenMs + Math.max(0, count - 2) * tokenCoefficientMs;
  const mayFail = (list: readonly Voter[]): number => {
    // The heaviest first: that many are survived whoever they are.
    const heaviest = list.map(({ votes }) => votes).sort((a, b) => b - a);
    let left = sum(list) + facts.deviceVotes;
    let failures = 0;
    for (const votes of heaviest) {
      left -= votes;
      if (left < quorumOf(facts, list)) break;
      failures++;
    }
    return failures;
  };
  const effects = [
    `votes ${expectedOf(facts, nodes)} -> ${expectedOf(facts, after)}, quorum ${quorumOf(facts, nodes)} -> ${quorumOf(facts, after)}`,
    `${failing(mayFail(nodes), nodes.length)} now, ${failing(mayFail(after), after.length)} afterwards`,
  ];
  if (token(nodes.length) !== token(after.length))
    effects.push(`token timeout ${token(nodes.length)} -> ${token(after.length)} ms`);
  if (facts.expectedVotes !== null)
    effects.push('quorum.expected_votes stands in the file: change it, too, or remove it');
  if (facts.twoNode && after.length !== 2) effects.push('two_node holds for two nodes only: it must go');
  if (after.length % 2 === 0 && facts.deviceVotes === 0)
    effects.push('an even number of nodes: halves have no quorum; think about auto_tie_breaker or a quorum device');
  return effects;
}

const nodeBlock = (nodeId: number, { name, addresses, votes }: NewNode): string =>
  [
    'node {',
    `  nodeid: ${nodeId}`,
    `  name: ${name}`,
    ...addresses.map((address, link) => `  ring${link}_addr: ${address}`),
    ...(votes === 1 ? [] : [`  quorum_votes: ${votes}`]),
    '}',
  ].join('\n');
