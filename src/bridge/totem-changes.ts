import type { TotemChanges, TotemConfig } from '../config/totem-config.ts';

/** The configuration with the changed fields in place: both threads make it from the one that they have. */
export function withChanges(totem: TotemConfig, parts: TotemChanges): TotemConfig {
  return {
    ...totem,
    timings: { ...totem.timings, ...parts.timings },
    knet: { ...totem.knet, ...parts.knet },
    compression: { ...totem.compression, ...parts.compression },
    filter: { ...totem.filter, ...parts.filter },
  };
}
