import type { LinkChange, LinkConfig, TotemChanges, TotemConfig } from '../config/totem-config.ts';

/** The configuration with the changed fields in place: both threads make it from the one that they have. */
export function withChanges(totem: TotemConfig, { links, ...parts }: TotemChanges): TotemConfig {
  return {
    ...totem,
    timings: { ...totem.timings, ...parts.timings },
    knet: { ...totem.knet, ...parts.knet },
    compression: { ...totem.compression, ...parts.compression },
    filter: { ...totem.filter, ...parts.filter },
    links: totem.links.map((link) => withLinkChange(link, links)),
  };
}

function withLinkChange(link: LinkConfig, changes: readonly LinkChange[]): LinkConfig {
  const change = changes.find(({ linkId }) => linkId === link.linkId);
  return change === undefined ? link : { ...link, knet: { ...link.knet, ...change.knet } };
}
