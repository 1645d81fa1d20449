/**
 * phc_ctl, as linuxptp's: `phc_ctl eth0 -- set 100 adj -0.5 get freq 1000 cmp caps wait 0.1`: commands on a device's PTP clock, done in order. The device is
 * an interface or /dev/ptpN.
 */
import { kernel } from '../../kernel/current.ts';
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { CLOCK_REALTIME, FD_TO_CLOCKID } from '../../kernel/kernel/time/posix_clock.ts';
import { PTP_CLOCK_GETCAPS, PTP_SYS_OFFSET, type ptp_clock_caps } from '../../kernel/uapi/ptp_clock.ts';
import { ADJ_FREQUENCY, ADJ_NANO, ADJ_SETOFFSET, type timex } from '../../kernel/uapi/timex.ts';
import { NSEC_PER_SEC } from '../../sim/time.ts';
import { ctime } from '../ctime.ts';
import type { Sys } from '../sys.ts';
import { CommandError, type Output, refuse } from './command.ts';
import { strerror } from './strerror.ts';

const BILLION = 1_000_000_000n;
/** clock_adjtime() counts frequencies in ppm times 2^16. */
const FREQ_PER_PPB = 65.536;
const SAMPLES = 9;

interface Clock {
  readonly sys: Sys;
  readonly out: Output;
  readonly fd: number;
  readonly id: number;
}

type PhcCommand = (clock: Clock, argument: number | null) => Sleeping<void>;

export function* phc_ctl(words: readonly string[], out: Output, sys: Sys): Sleeping<number> {
  const rest = words.slice(1).filter((word) => word !== '--' && word !== '-q');
  const device = rest.shift() ?? refuse('phc_ctl', 'the end of the line', 'an interface or /dev/ptpN');
  const fd = yield* sys.openDevice(pathOf(device));
  if (fd < 0) throw new CommandError(`phc_ctl: ${device}: ${strerror(fd)}`);
  const clock: Clock = { sys, out, fd, id: FD_TO_CLOCKID(fd) };
  if (rest.length === 0) rest.push('caps');
  while (rest.length > 0) yield* runCommand(clock, rest);
  yield* sys.close(fd);
  return 0;
}

function pathOf(device: string): string {
  if (device.startsWith('/dev/')) return device;
  const dev = kernel().init_net.dev_by_name.get(device);
  if (dev === undefined)
    refuse('phc_ctl', device, `one of the interfaces ${[...kernel().init_net.dev_by_name.keys()].join(', ')}, or /dev/ptpN`);
  const index = dev.ethtool_ops?.get_ts_info?.(dev).phc_index ?? -1;
  if (index < 0) throw new CommandError(`phc_ctl: interface ${device} does not have a PHC`);
  return `/dev/ptp${index}`;
}

/** Takes a command and its argument, if the next word is a number. */
function* runCommand(clock: Clock, words: string[]): Sleeping<void> {
  const name = words.shift()!;
  const command = COMMANDS[name] ?? refuse('phc_ctl', name, `one of ${Object.keys(COMMANDS).join(', ')}`);
  const isNumber = /^[+-]?(\d+(\.\d*)?|\.\d+)$/.test(words[0] ?? '');
  const argument = isNumber && name !== 'get' && name !== 'cmp' && name !== 'caps' ? Number(words.shift()) : null;
  if (argument === null && (name === 'adj' || name === 'wait'))
    refuse(`phc_ctl ${name}`, words[0] ?? 'the end of the line', 'a time in seconds');
  yield* command(clock, argument);
}

/** A line as linuxptp's log has it; most end with an empty one. */
function notice({ sys, out }: Clock, text: string): void {
  const prefix = `phc_ctl[${(sys.clockGettime() / NSEC_PER_SEC).toFixed(3)}]: `;
  for (const line of (prefix + text).split('\n')) out(line);
}

function check(what: string, result: number): void {
  if (result < 0) throw new CommandError(`phc_ctl: ${what}: ${strerror(result)}`);
}

const COMMANDS: Readonly<Record<string, PhcCommand>> = {
  *get(clock) {
    notice(clock, `clock time is ${timeText(yield* timeOf(clock, clock.id))}\n`);
  },
  *set(clock, seconds) {
    const time = seconds === null ? yield* timeOf(clock, CLOCK_REALTIME) : nanoseconds(seconds);
    check('set: failed to set clock time', yield* clock.sys.clockSettime(clock.id, time));
    notice(clock, `set clock time to ${timeText(time)}\n`);
  },
  *adj(clock, seconds) {
    const change: timex = { modes: ADJ_SETOFFSET | ADJ_NANO, freq: 0, time: nanoseconds(seconds!) };
    check('adj', yield* clock.sys.clockAdjtime(clock.id, change));
    notice(clock, `adjusted clock by ${seconds!.toFixed(6)} seconds\n`);
  },
  *freq(clock, ppb) {
    const change: timex = { modes: ppb === null ? 0 : ADJ_FREQUENCY, freq: Math.trunc((ppb ?? 0) * FREQ_PER_PPB), time: 0n };
    check('freq', yield* clock.sys.clockAdjtime(clock.id, change));
    if (ppb === null) notice(clock, `clock frequency offset is ${(change.freq / FREQ_PER_PPB).toFixed(6)}ppb`);
    else notice(clock, `adjusted clock frequency offset to ${ppb.toFixed(6)}ppb`);
  },
  *cmp(clock) {
    const samples = { n_samples: SAMPLES, ts: [] as bigint[] };
    check('cmp: failed clock reads', yield* clock.sys.ioctl(clock.fd, PTP_SYS_OFFSET, samples));
    notice(clock, `offset from CLOCK_REALTIME is ${bestOffset(samples.ts)}ns\n`);
  },
  *caps(clock) {
    const caps = {} as ptp_clock_caps;
    check('get capabilities failed', yield* clock.sys.ioctl(clock.fd, PTP_CLOCK_GETCAPS, caps));
    const has = (what: number): string => (what !== 0 ? 'has' : "doesn't have");
    const lines = [
      '\ncapabilities:',
      `  ${caps.max_adj} maximum frequency adjustment (ppb)`,
      `  ${caps.n_alarm} programable alarms`,
      `  ${caps.n_ext_ts} external time stamp channels`,
      `  ${caps.n_per_out} programmable periodic signals`,
      `  ${caps.n_pins} configurable input/output pins`,
      `  ${has(caps.pps)} pulse per second support`,
      `  ${has(caps.cross_timestamping)} cross timestamping support`,
    ];
    notice(clock, `${lines.join('\n')}\n`);
  },
  *wait(clock, seconds) {
    yield* clock.sys.nanosleep(Math.round(seconds! * NSEC_PER_SEC));
    notice(clock, `process slept for ${seconds!.toFixed(6)} seconds\n`);
  },
};

function* timeOf({ sys }: Clock, id: number): Sleeping<bigint> {
  const time = yield* sys.clockGettimeOf(id);
  if (typeof time === 'number') throw new CommandError(`phc_ctl: get: failed to get clock time: ${strerror(time)}`);
  return time;
}

const nanoseconds = (seconds: number): bigint => BigInt(Math.round(seconds * NSEC_PER_SEC));

/** System clock minus device's clock, from the sample between whose two looks at the system clock the least time passed. */
function bestOffset(ts: readonly bigint[]): bigint {
  let best = 0n;
  let shortest: bigint | null = null;
  for (let i = 0; i + 2 < ts.length; i += 2) {
    const [before, device, after] = [ts[i]!, ts[i + 1]!, ts[i + 2]!];
    if (shortest !== null && after - before >= shortest) continue;
    shortest = after - before;
    best = (before + after) / 2n - device;
  }
  return best;
}

/** Seconds since 1970, and the same as ctime() has it. */
const timeText = (time: bigint): string =>
  `${time / BILLION}.${String(time % BILLION).padStart(9, '0')} or ${ctime(Number(time / BILLION))}`;
