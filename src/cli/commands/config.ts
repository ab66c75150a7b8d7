import type { Command } from '../command.ts';

/** Commands that need no daemon: what a configuration file says. */
export const CONFIG_COMMANDS: readonly Command[] = [];
