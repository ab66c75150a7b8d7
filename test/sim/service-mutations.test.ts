import t from 'tap';
import type { KnetCore } from '../../src/knet/core.ts';
import type { Link } from '../../src/knet/link.ts';
import { type AssemblyPool, Fragment } from '../../src/knet/reassembly.ts';
import { Verdict } from '../../src/knet/window.ts';
import type { ReplicaCore } from '../../src/platform/replicated/core.ts';
import { type Bug, catchAll } from './bugs.ts';
import type { SimNode } from './sim-node.ts';
import { type SimReport, simulate } from './world.ts';

t.setTimeout(600_000); // the machine may be busy

/** As mutations.test.ts, of what only a share of a campaign's seeds has: knet, replicated machines with and without quorum, cfg. */
const overKnet = (seed: number, spoil: Bug['plant']): SimReport => simulate(seed, { knet: true, spoil });

const coreOf = ({ knet }: SimNode): KnetCore => knet!.core;
const linksOf = (node: SimNode): Link[] => coreOf(node).hosts.links.filter((link) => link !== null);

const KNET_BUGS: readonly Bug[] = [
  {
    name: 'knet delivers a packet that came twice twice',
    plant: (node) => {
      for (const { window } of coreOf(node).hosts.list) window.judge = () => Verdict.FRESH;
    },
  },
  {
    name: 'a message with a hole counts as whole',
    plant: (node) => {
      const pool: AssemblyPool = coreOf(node)['pool'];
      for (const buffer of pool.buffers) {
        const add = buffer.add.bind(buffer);
        buffer.add = (...fragment) => {
          const result = add(...fragment);
          return result === Fragment.TAKEN && buffer.received + 1 === buffer.fragNum ? Fragment.COMPLETE : result;
        };
      }
    },
  },
  {
    name: 'what was half received of a peer that is gone stays',
    plant: (node) => {
      for (const host of coreOf(node).hosts.list) host.wipe = () => {};
    },
  },
  {
    name: 'a link that is down is used',
    plant: (node) => {
      for (const link of linksOf(node)) Object.defineProperty(link, 'usable', { get: () => true });
    },
  },
  {
    name: 'a link that went down never comes up again',
    plant: (node) => {
      for (const link of linksOf(node))
        link.becameDown = ((down) => (nowMs: number) => {
          down(nowMs);
          link.pong = () => true;
        })(link.becameDown.bind(link));
    },
  },
  {
    name: 'the end of a link that does not reply is planned and never comes',
    plant: (node) => {
      for (const link of linksOf(node)) link.expired = () => false;
    },
  },
];

const withReplicas = (seed: number, spoil: Bug['plant']): SimReport =>
  simulate(seed, { replicas: true, churn: true, spoil });

const machineOf = ({ replica }: SimNode): ReplicaCore => replica!.core;

const REPLICA_BUGS: readonly Bug[] = [
  {
    name: 'an entry is applied before the others have it',
    plant: (node) => {
      const core = machineOf(node);
      const install = core['install'].bind(core);
      core['install'] = (plan) => {
        plan.agreedLength = () => core['log'].length;
        install(plan);
      };
    },
  },
  {
    name: 'an entry is acknowledged before it is on the disk',
    story: (seed, spoil) => simulate(seed, { replicas: true, faults: false, spoil }), // but the power fails
    plant: (node) => {
      const core = machineOf(node);
      Object.defineProperty(core, 'safeLength', { get: () => core['log'].length, set: () => {} });
      const append = core['append'].bind(core);
      core['append'] = (entry) => {
        append(entry);
        core['acknowledge']();
      };
    },
  },
  {
    name: 'a part of the cluster that is not quorate goes on',
    plant: (node) => {
      const core = machineOf(node);
      const quorum = core.quorum.bind(core);
      core.quorum = (state) => quorum({ ...state, quorate: true, nodesMin: 1 });
    },
  },
  {
    name: 'who joins is not given what was ordered while the state was on its way',
    plant: (node) => {
      const core = machineOf(node);
      const onCommand = core['onCommand'].bind(core);
      core['onCommand'] = (epoch, entry) => {
        if (core['receiver'] === null) onCommand(epoch, entry);
      };
    },
  },
  {
    name: 'a command is not sent again after a change of members',
    plant: (node) => {
      machineOf(node)['sendPending'] = () => {};
    },
  },
];

const withParts = (seed: number, spoil: Bug['plant']): SimReport => simulate(seed, { parts: true, churn: true, spoil });

const PARTS_BUGS: readonly Bug[] = [
  {
    name: 'the part whose state is given up does not hand it over',
    plant: (node) => {
      machineOf(node)['handOver'] = () => {};
    },
  },
  {
    name: 'what is handed over is without what one of the part has applied and this member has not',
    plant: (node) => {
      const core = machineOf(node);
      core['handOver'] = () => {
        core.submit(core['host'].snapshot(), 'merge');
      };
    },
  },
  {
    name: 'what a merged state has is applied once more',
    plant: (node) => {
      const log = machineOf(node)['log'];
      const append = log.append.bind(log);
      log.append = ({ kind, from, seq, ringSeq, payload }) => append({ kind, from, seq, ringSeq, payload });
    },
  },
  {
    name: 'a state is merged only at the member that hands it over',
    plant: (node) => {
      const machine = node.replica!;
      const apply = machine.apply.bind(machine);
      machine.apply = (entry, place, own) =>
        apply(entry.kind === 'merge' && own === null ? { ...entry, payload: machine.snapshot() } : entry, place, own);
    },
  },
  {
    name: 'the newest state stays, however few have it',
    plant: (node) => {
      const exchange = machineOf(node)['exchange'];
      const note = exchange.note.bind(exchange);
      exchange.note = (from, state) => {
        const { epoch } = state.have;
        const alone = epoch === null ? null : { ...epoch, ringRep: 1000 * epoch.ringRep + Number.parseInt(from, 10) };
        return note(from, { ...state, have: { ...state.have, epoch: alone } });
      };
    },
  },
];

const withCfg = (seed: number, spoil: Bug['plant']): SimReport => simulate(seed, { cfg: true, spoil });

const CFG_BUGS: readonly Bug[] = [
  {
    name: 'a node that refuses a reload is overheard',
    plant: ({ cfg }) => {
      const { agreement } = cfg!;
      const onVote = agreement['voteDelivered'].bind(agreement);
      agreement['voteDelivered'] = (vote, nodeId) => onVote({ ...vote, isYes: 1 }, nodeId);
    },
  },
  {
    name: 'only the last question about a reload is remembered',
    plant: ({ cfg }) => {
      const prepared = cfg!.agreement['prepared'];
      const set = prepared.set.bind(prepared);
      prepared.set = (requester, plan) => {
        prepared.clear();
        return set(requester, plan);
      };
    },
  },
  {
    name: 'a ballot goes on after a change of members',
    plant: ({ cfg }) => {
      const { agreement } = cfg!;
      agreement.configurationChange = ({ kind, members }) => {
        if (kind === 'regular') agreement['members'] = members;
        for (const member of members) agreement['ours'].add(member);
      };
    },
  },
  {
    name: 'a client that is against a shutdown counts as one that agrees',
    plant: ({ cfg }) => {
      const { shutdowns } = cfg!;
      const reply = shutdowns.reply.bind(shutdowns);
      shutdowns.reply = (client) => reply(client, true);
    },
  },
  {
    name: 'a shutdown waits for ever for a client that is gone',
    plant: ({ cfg }) => {
      const { shutdowns } = cfg!;
      shutdowns['evaluate'] = ((evaluate) => () => {
        if (shutdowns['session']?.timer !== null) evaluate();
      })(shutdowns['evaluate'].bind(shutdowns));
    },
  },
];

catchAll(
  t,
  CFG_BUGS.map((bug) => ({ story: withCfg, ...bug })),
);
catchAll(
  t,
  REPLICA_BUGS.map((bug) => ({ story: withReplicas, ...bug })),
);
catchAll(
  t,
  PARTS_BUGS.map((bug) => ({ story: withParts, ...bug })),
);
catchAll(
  t,
  KNET_BUGS.map((bug) => ({ story: overKnet, ...bug })),
);
