/** `totem.accelerated_window: auto`: the ring protocol knows how many (src/totem/accelerated-release.ts). */
export const WINDOW_AUTO = -1;
