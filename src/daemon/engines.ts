import { join } from 'node:path';
import type { RemoteEngine } from '../bridge/messages.ts';
import type { Icmap } from '../config/icmap/index.ts';
import { QUORUM_RULES } from '../lib/quorum-rule.ts';
import type { FlightLog } from '../observe/flight/index.ts';
import { readOwnFile, replaceOwnFile } from '../os/own-file.ts';
import { ReloadAgreement } from '../services/cfg/agreement.ts';
import { CfgEngine } from '../services/cfg/engine.ts';
import type { CfgPorts } from '../services/cfg/ports.ts';
import { CmapEngine } from '../services/cmap/engine.ts';
import type { AddressesOf } from '../services/cmap/members.ts';
import type { StatsMap } from '../services/cmap/stats-map.ts';
import { ConnectivityEngine, type ConnectivityPorts } from '../services/connectivity/engine.ts';
import { CPG_SERVICE } from '../services/cpg/service.ts';
import { hasClients, type MainEngineContext, type ServiceDeclaration, type ServiceEngine } from '../services/engine.ts';
import type { EngineHost } from '../services/host/engine-host.ts';
import { QuorumDecisions } from '../services/quorum/decisions.ts';
import { QuorumEngine } from '../services/quorum/engine.ts';
import { makeQuorumProvider, type ProviderNeeds } from '../services/quorum/providers.ts';
import type { TrackingFilePort } from '../services/votequorum/tracking-file.ts';
import { withoutVotes } from '../services/votequorum/words.ts';
import type { QuorumView } from '../web/view.ts';
import { DaemonExit, ExitCode } from './exit-codes.ts';

export interface EngineDependencies {
  readonly cmap: Icmap;
  readonly statistics: StatsMap;
  readonly cfg: CfgPorts;
  readonly stateDirectory: string;
  readonly flight: FlightLog;
  readonly addressesOf: AddressesOf;
  readonly connectivity: ConnectivityPorts;
  shutdown(reason: string): void;
  /** For every decision of the quorum provider, before anybody else hears of it. */
  readonly quorumDecided: (quorate: boolean, members: readonly number[]) => void;
  /** Stops a service of the ring thread, and with it its clients. */
  unloadRemote(serviceId: number): Promise<void>;
  /** pload, mon, wd: loaded before quorum. */
  readonly system: readonly ServiceEngine<MainEngineContext>[];
  /** Of `service { … }` sections: loaded last; one that cannot start is left out. */
  readonly modules: readonly ServiceEngine<MainEngineContext>[];
  log(level: 'error', subsystem: 'SERV', text: string): void;
  /** Publishes the IPC socket of a service that was just loaded. */
  publish(serviceId: number, name: string): Promise<void>;
}

/** The engines of this daemon, in the order in which they are loaded (services.md 11.1). */
export interface EngineSet {
  /** The engines of this thread, known before anything is loaded: the ring thread wants them at its start. */
  readonly services: readonly RemoteEngine[];
  load(host: EngineHost): Promise<void>;
  quorum(): QuorumView;
}

const shortName = (provider: string): string => provider.replace(/^corosync_/, '');

/** The services of the ring thread, as this one knows them; what runs there: `src/ring/services.ts`. */
export const RING_SERVICES: readonly ServiceDeclaration[] = [CPG_SERVICE];

/** The engines of this thread that are loaded before those of the ring thread, in this order. */
function firstEngines(needs: EngineDependencies): readonly ServiceEngine<MainEngineContext>[] {
  const { cmap, statistics, addressesOf } = needs;
  const daemonUid = process.geteuid?.() ?? 0;
  const agreement = new ReloadAgreement(needs.cfg.reloader);
  return [
    new CmapEngine({ cmap, statistics, addressesOf, daemonUid, shutdown: (reason) => needs.shutdown(reason) }),
    new CfgEngine({ ...needs.cfg, agreement }),
    agreement,
    new ConnectivityEngine(needs.connectivity),
  ];
}

export function engineSet(needs: EngineDependencies): EngineSet {
  let host: EngineHost | null = null;
  /** The one that is being loaded, for the message when that fails; a provider counts as quorum, as in stock. */
  let current = '';
  const publish = async (service: ServiceDeclaration): Promise<void> => {
    if (hasClients(service)) await needs.publish(service.serviceId, service.name);
  };
  const loadOne = async (engine: ServiceEngine<MainEngineContext>): Promise<void> => {
    await host!.load(engine);
    await publish(engine);
  };
  const decisions = followedDecisions(needs);
  let quorumView = (): QuorumView => {
    const name = shortName(provider?.name ?? '');
    return { provider: name, quorate: decisions.quorate, votes: null, words: () => [withoutVotes(name)] };
  };
  const provider = quorumProvider(needs.cmap, {
    file: (name) => stateFile(join(needs.stateDirectory, name)),
    setQuorum: (members, quorate, ringId, basis) => decisions.decide(members, quorate, ringId, basis),
    votes: (votesNow, words) => {
      quorumView = () => {
        const votes = votesNow();
        const { quorate } = decisions;
        return { provider: shortName(provider?.name ?? ''), quorate, votes, words: () => words(votes) };
      };
    },
  });
  const quorum = new QuorumEngine({
    provider:
      provider === null
        ? null
        : { name: provider.name, serviceId: provider.engine.serviceId, load: () => loadOne(provider.engine) },
    decisions,
    quorateChanged: (quorate) => host!.setQuorate(quorate),
  });
  const first = firstEngines(needs);
  const all: readonly ServiceEngine<MainEngineContext>[] = [
    ...first,
    ...needs.system,
    quorum,
    ...(provider === null ? [] : [provider.engine]),
    ...needs.modules,
  ];
  return {
    services: all.map(({ serviceId, takesPartInSync, processGroup }) => ({
      serviceId,
      takesPartInSync,
      processGroup: processGroup ?? null,
    })),
    quorum: () => quorumView(),
    async load(target) {
      host = target;
      const begin = (engine: ServiceEngine<MainEngineContext>): Promise<void> => {
        current = engine.name;
        return loadOne(engine);
      };
      try {
        for (const engine of first) await begin(engine);
        for (const service of RING_SERVICES) {
          current = service.name;
          target.addRemote({ ...service, unload: () => needs.unloadRemote(service.serviceId) });
          await publish(service);
        }
        for (const engine of [...needs.system, quorum]) await begin(engine);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new DaemonExit(
          ExitCode.SERVICE_INIT,
          `Service engine 'corosync_${current}' failed to load for reason '${reason}'`,
          { cause: error },
        );
      }
      for (const engine of needs.modules) {
        await loadOne(engine).catch((error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error);
          needs.log('error', 'SERV', `Service engine ${engine.name} is not loaded: ${reason}`);
        });
      }
    },
  };
}

/** Notices first: who waits for them acts on them. */
function followedDecisions({ flight, quorumDecided }: EngineDependencies): QuorumDecisions {
  const decisions = new QuorumDecisions();
  decisions.follow(() => quorumDecided(decisions.quorate, decisions.view));
  decisions.follow(() => recordDecision(flight, decisions));
  return decisions;
}

function recordDecision(flight: FlightLog, { quorate, view, basis, ringId }: QuorumDecisions): void {
  const { rule, votes, needed, expected } = basis;
  flight.ring = ringId;
  flight.write('quorum', {
    quorate: quorate ? 1 : 0,
    rule: QUORUM_RULES.indexOf(rule),
    votes,
    needed,
    expected,
    members: view,
  });
}

/** `null`: none configured. */
function quorumProvider(
  cmap: Icmap,
  needs: ProviderNeeds,
): { readonly name: string; readonly engine: ServiceEngine<MainEngineContext> } | null {
  const name = cmap.getString('quorum.provider');
  if (name === null) return null;
  const engine = makeQuorumProvider(name, needs);
  if (engine !== null) return { name, engine };
  throw new DaemonExit(
    ExitCode.SERVICE_INIT,
    `Service engine 'corosync_quorum' failed to load for reason 'Invalid quorum provider'`,
  );
}

const stateFile = (path: string): TrackingFilePort => ({
  path,
  read: (bytesMax) => readOwnFile(path, bytesMax),
  replace: (bytes, mode) => replaceOwnFile(path, bytes, mode),
});
