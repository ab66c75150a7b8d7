import t from 'tap';
import { type NodeListFacts, planAddition, planRemoval } from '../../src/cli/node-plan.ts';

const cluster = (count: number, changes: Partial<NodeListFacts> = {}): NodeListFacts => ({
  nodes: Array.from({ length: count }, (_, at) => ({
    nodeId: at + 1,
    name: `n${at + 1}`,
    addresses: [`10.0.0.${at + 1}`, `10.0.1.${at + 1}`],
    votes: 1,
    member: true,
  })),
  localNodeId: 1,
  seen: Array.from({ length: count }, (_, at) => at + 1),
  twoNode: false,
  deviceVotes: 0,
  expectedVotes: null,
  tokenMs: 3000,
  tokenCoefficientMs: 650,
  file: '/etc/corosync/corosync.conf',
  keyFile: '/etc/corosync/authkey',
  ...changes,
});
const wanted = (name: string, last: number, nodeId: number | null = null) => ({
  name,
  addresses: [`10.0.0.${last}`, `10.0.1.${last}`],
  nodeId,
  votes: 1,
});

t.test('a node is added: votes, quorum, token and steps', async (t) => {
  const plan = planAddition(cluster(3), wanted('n4', 4));
  t.same(plan.problems, []);
  t.ok(plan.effects.includes('votes 3 -> 4, quorum 2 -> 3'), plan.effects.join('\n'));
  t.ok(plan.effects.includes('any 1 of 3 nodes may fail now, any 1 of 4 nodes may fail afterwards'));
  t.ok(plan.effects.includes('token timeout 3650 -> 4300 ms'));
  t.match(plan.effects.join('\n'), /even number/);
  t.equal(plan.block, 'node {\n  nodeid: 4\n  name: n4\n  ring0_addr: 10.0.0.4\n  ring1_addr: 10.0.1.4\n}');
  t.match(plan.steps.join('\n'), /rondo reload[\s\S]*rondo doctor --preflight/);
  const elsewhere = planAddition(cluster(3, { file: '/x/conf', keyFile: '/x/key' }), wanted('n4', 4)).steps.join('\n');
  t.match(elsewhere, /nodelist in \/x\/conf[\s\S]*copy \/x\/conf and \/x\/key from a node/);
  t.notMatch(elsewhere, /\/etc/);
});

t.test('what is taken is not taken again, not even the id of one who has gone', async (t) => {
  const problems = (facts: NodeListFacts, node: ReturnType<typeof wanted>): string =>
    planAddition(facts, node).problems.join('; ');
  t.match(problems(cluster(3), wanted('n4', 4, 2)), /node id 2 belongs to n2/);
  t.match(problems(cluster(3, { seen: [1, 2, 3, 4] }), wanted('n4', 4, 4)), /node id 4 was in the ring before.*take 5/);
  t.match(planAddition(cluster(3, { seen: [1, 2, 3, 4] }), wanted('n4', 4)).block, /nodeid: 5/);
  t.match(problems(cluster(3), wanted('n2', 4)), /there is a node n2/);
  t.match(problems(cluster(3), wanted('n4', 2)), /10\.0\.0\.2 belongs to n2/);
  t.match(problems(cluster(3), { ...wanted('n4', 4), addresses: ['10.0.0.4'] }), /2 links/);
  t.match(problems(cluster(3), wanted('n4', 4, 70_000)), /1 to 65535/);
});

t.test('a third node ends two_node', async (t) => {
  const plan = planAddition(cluster(2, { twoNode: true }), wanted('n3', 3));
  t.ok(plan.effects.includes('votes 2 -> 3, quorum 1 -> 2'));
  t.match(plan.steps[0], /remove two_node/);
});

t.test('a node is removed', async (t) => {
  const plan = planRemoval(cluster(4), 'n4');
  t.same(plan.problems, []);
  t.ok(plan.effects.includes('votes 4 -> 3, quorum 3 -> 2'));
  t.match(plan.effects.join('\n'), /node id 4 must not be given to another node/);
  t.match(plan.steps[0], /on n4 \(node 4\): move its services away/);
  t.same(planRemoval(cluster(4), '4').steps, plan.steps, 'by its id, too');
  t.match(planRemoval(cluster(4), 'n9').problems[0], /there is no node n9/);
  t.match(planRemoval(cluster(4), 'n1').problems.join(), /it is this node/);
  t.match(planRemoval(cluster(1), 'n1').problems[0], /last node/);
  const absent = cluster(5, {});
  const nodes = absent.nodes.map((node) => ({ ...node, member: node.nodeId <= 2 }));
  t.match(planRemoval({ ...absent, nodes }, 'n5').problems[0], /have 2 votes, and 3 would be needed/);
});
