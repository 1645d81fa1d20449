/** hwstamp_ctl, as linuxptp's: `-i DEVICE` shows what the device stamps, `-t TX_TYPE -r RX_FILTER` sets it (numbers of net_tstamp.h). */
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { EOPNOTSUPP, ERANGE } from '../../kernel/uapi/errno.ts';
import type { hwtstamp_config } from '../../kernel/uapi/net_tstamp.ts';
import { AF_INET, SIOCGHWTSTAMP, SIOCSHWTSTAMP, SOCK_DGRAM } from '../../kernel/uapi/socket.ts';
import type { Sys } from '../sys.ts';
import { type Output, refuse } from './command.ts';
import { strerror } from './strerror.ts';
import { getopt } from './words.ts';

export function* hwstamp_ctl(words: readonly string[], out: Output, sys: Sys): Sleeping<number> {
  const { options, rest } = getopt('hwstamp_ctl', words, '', 'irt');
  if (rest.length > 0) refuse('hwstamp_ctl', rest[0]!, 'options: -i DEVICE [-t TX_TYPE] [-r RX_FILTER]');
  const value = (letter: string): string | undefined => options.findLast((option) => option.letter === letter)?.value;
  const ifr_name = value('i') ?? refuse('hwstamp_ctl', 'the end of the line', '-i DEVICE');
  const sets = value('t') !== undefined || value('r') !== undefined;
  const config = { flags: 0, tx_type: setting(value('t')), rx_filter: setting(value('r')) };
  const fd = yield* sys.socket(AF_INET, SOCK_DGRAM);
  const current: hwtstamp_config = { flags: 0, tx_type: 0, rx_filter: 0 };
  const seen = yield* sys.ioctl(fd, SIOCGHWTSTAMP, { ifr_name, ifr_data: current });
  let result = seen;
  if (sets) result = yield* sys.ioctl(fd, SIOCSHWTSTAMP, { ifr_name, ifr_data: config });
  yield* sys.close(fd);
  if (seen === 0) show('current settings:', current, out);
  else report('SIOCGHWTSTAMP', seen, out);
  if (sets && result < 0) report('SIOCSHWTSTAMP', result, out);
  else if (sets) show('new settings:', config, out);
  return -result;
}

function setting(word: string | undefined): number {
  if (word === undefined) return 0;
  return /^\d+$/.test(word) ? Number(word) : refuse('hwstamp_ctl', word, 'a number');
}

function report(call: string, error: number, out: Output): void {
  out(`${call} failed: ${strerror(error)}`);
  if (error === -EOPNOTSUPP) out(`Device driver does not have support for non-destructive ${call}.`);
  if (error === -ERANGE) out('The requested time stamping mode is not supported by the hardware.');
}

function show(title: string, { tx_type, rx_filter }: hwtstamp_config, out: Output): void {
  for (const line of [title, `tx_type ${tx_type}`, `rx_filter ${rx_filter}`]) out(line);
}
