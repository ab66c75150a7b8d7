export const DROPS_PREFIX = 'rondo.dropped.';

/**
 * The name of a counter of what was dropped, in the statistics map (docs/operations.md): `rondo.dropped.<layer>.<reason>`. Every
 * table of reasons is counted under this prefix, from the start, so that a list of it shows what there is.
 */
export const dropKey = (layer: string, reason: string): string => {
  const words = /^[A-Z_]+$/.test(reason) ? reason : reason.replace(/[A-Z]/g, (letter) => `_${letter}`);
  return `${DROPS_PREFIX}${layer}.${words.toLowerCase()}`;
};
