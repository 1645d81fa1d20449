/** Every command that a host's shell knows. */
import type { Command } from './command.ts';
import { ethtool } from './ethtool.ts';
import { ip } from './ip.ts';
import { sysctl } from './sysctl.ts';

export const COMMANDS: Readonly<Record<string, Command>> = { ethtool, ip, sysctl };
