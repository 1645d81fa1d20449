/** Every command that a host's shell knows. */
import type { Command } from './command.ts';
import { ethtool } from './ethtool.ts';
import { fault } from './fault.ts';
import { hwstamp_ctl } from './hwstamp_ctl.ts';
import { ip } from './ip.ts';
import { iperf3 } from './iperf3.ts';
import { nc } from './nc.ts';
import { nstat } from './nstat.ts';
import { phc_ctl } from './phc_ctl.ts';
import { ping } from './ping.ts';
import { SIMPLE_COMMANDS } from './simple.ts';
import { ss } from './ss.ts';
import { sysctl } from './sysctl.ts';
import { tc } from './tc.ts';
import { tee } from './tee.ts';

export const COMMANDS: Readonly<Record<string, Command>> = {
  ethtool,
  fault,
  hwstamp_ctl,
  ip,
  iperf3,
  nc,
  nstat,
  phc_ctl,
  ping,
  ss,
  sysctl,
  tc,
  tee,
  ...SIMPLE_COMMANDS,
};
