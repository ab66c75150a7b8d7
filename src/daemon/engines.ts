import { join } from 'node:path';
import type { RemoteService as RemoteEngine } from '../bridge/messages.ts';
import type { Icmap } from '../config/icmap/index.ts';
import { readOwnFile, replaceOwnFile } from '../os/own-file.ts';
import { ReloadAgreement } from '../services/cfg/agreement.ts';
import { CfgEngine } from '../services/cfg/engine.ts';
import type { CfgPorts } from '../services/cfg/ports.ts';
import { CmapEngine } from '../services/cmap/engine.ts';
import type { AddressesOf } from '../services/cmap/members.ts';
import type { StatsMap } from '../services/cmap/stats-map.ts';
import { ServiceId } from '../services/codec/ids.ts';
import { hasClients, type MainEngineContext, type ServiceEngine } from '../services/engine.ts';
import type { EngineHost } from '../services/host/engine-host.ts';
import type { RemoteService } from '../services/host/ports.ts';
import { QuorumDecisions } from '../services/quorum/decisions.ts';
import { QuorumEngine } from '../services/quorum/engine.ts';
import { VotequorumEngine, type VotequorumOptions } from '../services/votequorum/engine.ts';
import { type TrackingFilePort, trackingFile } from '../services/votequorum/tracking-file.ts';
import { YkdEngine } from '../services/ykd/engine.ts';
import { DaemonExit, ExitCode } from './exit-codes.ts';

export interface EngineDependencies {
  readonly cmap: Icmap;
  readonly statistics: StatsMap;
  readonly cfg: CfgPorts;
  readonly stateDirectory: string;
  readonly addressesOf: AddressesOf;
  shutdown(reason: string): void;
  /** cpg, which runs on the ring thread. */
  readonly cpg: RemoteService;
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
}

const VOTEQUORUM_PROVIDER = 'corosync_votequorum';
const YKD_PROVIDER = 'corosync_ykd';

export function engineSet(needs: EngineDependencies): EngineSet {
  let host: EngineHost | null = null;
  /** The one that is being loaded, for the message when that fails; votequorum counts as quorum, as in stock. */
  let current = '';
  const publish = async (serviceId: number, name: string): Promise<void> => {
    current = name;
    await needs.publish(serviceId, name);
  };
  const loadOne = async (engine: ServiceEngine<MainEngineContext>): Promise<void> => {
    current = engine.name;
    await host!.load(engine);
    if (hasClients(engine)) await publish(engine.serviceId, engine.name);
  };
  const providerName = quorumProvider(needs.cmap);
  const decisions = new QuorumDecisions();
  const setQuorum: VotequorumOptions['setQuorum'] = (members, quorate, ringId) =>
    decisions.decide(members, quorate, ringId);
  const provider =
    providerName === null
      ? null
      : providerName === YKD_PROVIDER
        ? new YkdEngine({ setQuorum })
        : new VotequorumEngine({
            trackingFile: trackingFile(trackingFilePort(join(needs.stateDirectory, 'ev_tracking'))),
            setQuorum,
          });
  const quorum = new QuorumEngine({
    provider:
      provider === null
        ? null
        : { name: providerName ?? '', serviceId: provider.serviceId, load: () => loadOne(provider) },
    decisions,
    quorateChanged: (quorate) => host!.setQuorate(quorate),
  });
  const { cmap, statistics, addressesOf } = needs;
  const daemonUid = process.geteuid?.() ?? 0;
  const agreement = new ReloadAgreement(needs.cfg.reloader);
  const first = [
    new CmapEngine({ cmap, statistics, addressesOf, daemonUid, shutdown: (reason) => needs.shutdown(reason) }),
    new CfgEngine({ ...needs.cfg, agreement }),
    agreement,
  ];
  const all: readonly ServiceEngine<MainEngineContext>[] = [
    ...first,
    ...needs.system,
    quorum,
    ...(provider === null ? [] : [provider]),
    ...needs.modules,
  ];
  return {
    services: all.map(({ serviceId, takesPartInSync, processGroup }) => ({
      serviceId,
      takesPartInSync,
      processGroup: processGroup ?? null,
    })),
    async load(target) {
      host = target;
      try {
        for (const engine of first) await loadOne(engine);
        target.addRemote(needs.cpg);
        await publish(needs.cpg.serviceId, needs.cpg.name);
        for (const engine of needs.system) await loadOne(engine);
        await loadOne(quorum);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new DaemonExit(
          ExitCode.SERVICE_INIT,
          `Service engine 'corosync_${current === 'votequorum' ? 'quorum' : current}' failed to load for reason '${reason}'`,
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

/** `null`: none configured. */
function quorumProvider(cmap: Icmap): string | null {
  const provider = cmap.getString('quorum.provider');
  if (provider === null || provider === VOTEQUORUM_PROVIDER || provider === YKD_PROVIDER) return provider;
  throw new DaemonExit(
    ExitCode.SERVICE_INIT,
    `Service engine 'corosync_quorum' failed to load for reason 'Invalid quorum provider'`,
  );
}

/** What the main thread needs to know of the engine on the ring thread. */
export const CPG_SERVICE = {
  serviceId: ServiceId.CPG,
  name: 'cpg',
  description: 'corosync cluster closed process group service v1.01',
  unloadPriority: 1,
  allowInquorate: true,
  execCount: 7,
} as const;

const trackingFilePort = (path: string): TrackingFilePort => ({
  path,
  read: (bytesMax) => readOwnFile(path, bytesMax),
  replace: (bytes, mode) => replaceOwnFile(path, bytes, mode),
});
