/** Every command that a host's shell knows. */
import type { Command } from './command.ts';
import { ethtool } from './ethtool.ts';
import { fault } from './fault.ts';
import { ip } from './ip.ts';
import { iperf3 } from './iperf3.ts';
import { nc } from './nc.ts';
import { nstat } from './nstat.ts';
import { ping } from './ping.ts';
import { SIMPLE_COMMANDS } from './simple.ts';
import { ss } from './ss.ts';
import { sysctl } from './sysctl.ts';
import { tc } from './tc.ts';
import { tee } from './tee.ts';

export const COMMANDS: Readonly<Record<string, Command>> = {
  ethtool,
  fault,
  ip,
  iperf3,
  nc,
  nstat,
  ping,
  ss,
  sysctl,
  tc,
  tee,
  ...SIMPLE_COMMANDS,
};
