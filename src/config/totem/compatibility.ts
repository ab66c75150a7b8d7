import type { Icmap } from '../icmap/index.ts';

/** Whether the defaults of the release after 3.1.10 hold (docs/compatibility.md). */
export const followsNext = (map: Icmap): boolean => map.getString('system.compatibility') === 'next';
