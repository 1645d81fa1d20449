/**
 * What a topology file may say. The schema turns people's notation (10ms, 1Gbit, 10.0.0.1/24) into numbers, so that everything behind it sees integers;
 * each refusal says what was expected.
 */
import { Address4 } from 'ip-address';
import { z } from 'zod';
import { DEVICE_FAULTS } from '../machine/fault.ts';
import { CAPTURE_FORMATS } from '../observe/capture/capture_format.ts';
import { DURATION_FORM, PROBABILITY_FORM, parseDuration, parseProbability, parseRate, parseSize, RATE_FORM, SIZE_FORM } from './units.ts';

/** A scalar in somebody's notation, read by `parse`; a refusal names the expected form. */
function notation<T>(parse: (value: string | number) => T | null, expected: string) {
  return z.union([z.string(), z.number()], { error: `expected ${expected}` }).transform((value, context) => {
    const parsed = parse(value);
    if (parsed !== null) return parsed;
    context.addIssue({ code: 'custom', message: `expected ${expected}` });
    return z.NEVER;
  });
}

const duration = notation(parseDuration, DURATION_FORM);
const rate = notation(parseRate, RATE_FORM);
const probability = notation(parseProbability, PROBABILITY_FORM);
const size = notation(parseSize, SIZE_FORM);
const whole = (low: number, high: number) => {
  const error = `expected a whole number from ${low} to ${high}`;
  return z.number({ error }).int({ error }).min(low, { error }).max(high, { error });
};
const text = (expected: string) => z.string({ error: `expected ${expected}` });

/** An interface's address: host-order number and prefix length. */
export interface InterfaceAddress {
  readonly text: string;
  readonly address: number;
  readonly prefix: number;
}

const ADDRESS_FORM = 'an IPv4 address with prefix length, such as 10.0.0.1/24';

export function parseAddress(value: string | number): InterfaceAddress | null {
  const match = /^(\S+)\/(\d{1,2})$/.exec(String(value));
  if (match === null || !Address4.isValid(match[1]!) || Number(match[2]) > 32) return null;
  const address = Number(new Address4(match[1]!).bigInt());
  return { text: String(value), address, prefix: Number(match[2]) };
}

const address = notation(parseAddress, ADDRESS_FORM);

export function parseMac(value: string | number): Uint8Array | null {
  const match = /^([0-9a-f]{2}):([0-9a-f]{2}):([0-9a-f]{2}):([0-9a-f]{2}):([0-9a-f]{2}):([0-9a-f]{2})$/i.exec(String(value));
  if (match === null) return null;
  const bytes = Uint8Array.from(match.slice(1), (byte) => Number.parseInt(byte, 16));
  return (bytes[0]! & 1) === 0 ? bytes : null;
}

const interfaceObject = z.strictObject({
  address: z.union([address.transform((one) => [one]), z.array(address)]).optional(),
  nic: z.enum(['igb', 'qemu-igb'], { error: 'expected igb, or qemu-igb (the same as QEMU emulates it)' }).optional(),
  mac: notation(parseMac, 'a unicast MAC address such as 02:00:00:00:00:01').optional(),
  mtu: whole(68, 9216).optional(),
  interrupts: z.enum(['msix', 'msi', 'intx'], { error: 'expected one of msix, msi, intx' }).optional(),
  queues: whole(1, 8).optional(),
  rx_ring: whole(80, 4096).optional(),
  tx_ring: whole(80, 4096).optional(),
});

/** Short form: just the address. */
const networkInterface = z.union([interfaceObject, address.transform((one): z.output<typeof interfaceObject> => ({ address: [one] }))]);

const program = z
  .strictObject({
    at: duration.optional(),
    cpu: whole(0, 63).optional(),
    script: text('a socket script').optional(),
    command: text('a command line').optional(),
    program: text('the path of a module').optional(),
  })
  .refine((entry) => [entry.script, entry.command, entry.program].filter((way) => way !== undefined).length === 1, {
    error: 'expected exactly one of script, command and program',
  });

const cpuSpeed = z.union(
  [
    z.literal('zero'),
    z
      .strictObject({
        ghz: z.number({ error: 'expected a clock rate in GHz' }).positive().max(10),
        ipc: z.number({ error: 'expected instructions a cycle' }).positive().max(10),
        copy: z.number({ error: 'expected the octets that are copied in a cycle' }).positive().max(64),
        shared: text('a name; the CPUs of all hosts with this name take turns on one processor'),
      })
      .partial(),
  ],
  { error: 'expected zero, or ghz and ipc such as { ghz: 3, ipc: 1 }' },
);

/** What can go wrong on a host: with one of its cards, or for want of memory (machine/fault.ts). */
export const HOST_FAULTS = [...DEVICE_FAULTS, 'no-memory'] as const;
const hostFaultKind = z.enum(HOST_FAULTS, { error: `expected one of ${HOST_FAULTS.join(', ')}` });
const hostFault = z.strictObject({
  at: duration,
  fault: hostFaultKind,
  on: text('an interface such as eth0').optional(),
  queue: whole(0, 15).optional(),
  direction: z.enum(['tx', 'rx'], { error: 'expected one of tx, rx' }).optional(),
  for: duration.optional(),
  frames: whole(1, 1_000_000).optional(),
  factor: z.number({ error: 'expected a number from 1 to 1000' }).min(1).max(1000).optional(),
});

/** What goes wrong with a cable. */
export const WIRE_FAULTS = ['link-down', 'crc-errors'] as const;
const wireFault = z.strictObject({
  at: duration,
  fault: z.enum(WIRE_FAULTS, { error: `expected one of ${WIRE_FAULTS.join(', ')}` }),
  from: text('an end of the wire such as client').optional(),
  for: duration.optional(),
  frames: whole(1, 1_000_000).optional(),
});

/** The slots of a host's cards: latencies of stores, of reads by the device, of its writes, of register reads by the CPU; payload bandwidth. */
const pcie = z.strictObject({
  posted_write: duration.optional(),
  read: duration.optional(),
  write: duration.optional(),
  register_read: duration.optional(),
  rate: rate.optional(),
});

/** What watching costs the host: time of its CPU for each of the events. */
const probe = z.strictObject({
  events: text('tracepoints as --trace has them, such as tcp:*,net:net_dev_xmit'),
  cost: duration,
});

const host = z.strictObject({
  cpus: whole(1, 64).optional(),
  cpu: cpuSpeed.optional(),
  hz: z.union([z.literal(100), z.literal(250), z.literal(300), z.literal(1000)], { error: 'expected 100, 250, 300 or 1000' }).optional(),
  memory: size.optional(),
  interfaces: z.record(z.string(), networkInterface).optional(),
  pcie: pcie.optional(),
  probes: z.array(probe, { error: 'expected a list of probes' }).optional(),
  faults: z.array(hostFault, { error: 'expected a list of faults' }).optional(),
  setup: z.array(text('a command line')).optional(),
  run: z.array(program).optional(),
});

const impairment = z.strictObject({
  drop: z.array(whole(1, Number.MAX_SAFE_INTEGER)).optional(),
  loss: probability.optional(),
  corrupt: probability.optional(),
  duplicate: probability.optional(),
  reorder: probability.optional(),
  reorder_by: duration.optional(),
  jitter: duration.optional(),
});

const ENDPOINT = /^[^.\s]+\.[^\s]+$/;
const endpoint = text('an interface such as client.eth0').regex(ENDPOINT, { error: 'expected an interface such as client.eth0' });

const wire = z.strictObject({
  name: text('a name').optional(),
  between: z.tuple([endpoint, endpoint], { error: 'expected two interfaces, such as [client.eth0, server.eth0]' }),
  rate: rate.optional(),
  delay: duration.optional(),
  impair: z.record(z.string(), impairment).optional(),
  faults: z.array(wireFault, { error: 'expected a list of faults' }).optional(),
});

export const CAPTURE_POINTS = ['wire', 'nic', 'tcpdump', 'gro', 'qdisc', 'ip', 'socket'] as const;

const capturePoint = z.enum(CAPTURE_POINTS, { error: `expected one of ${CAPTURE_POINTS.join(', ')}` });
const captureObject = z.strictObject({
  point: capturePoint,
  on: text('an interface such as client.eth0').optional(),
  snaplen: whole(14, 262144).optional(),
  file: text('a file name').optional(),
  format: z.enum(CAPTURE_FORMATS, { error: `expected one of ${CAPTURE_FORMATS.join(', ')}` }).optional(),
  filter: text("a filter in tcpdump's language").optional(),
  max_size: size.optional(),
  files: whole(1, 999).optional(),
  tcp_state: z.boolean({ error: 'expected true or false' }).optional(),
});
/** Short form: the point, everywhere. */
const capture = z.union([capturePoint.transform((point): z.output<typeof captureObject> => ({ point })), captureObject]);

export const topologySchema = z.strictObject({
  about: text('a sentence').optional(),
  seed: whole(0, Number.MAX_SAFE_INTEGER).optional(),
  until: duration.optional(),
  hosts: z.record(z.string(), host, { error: 'expected hosts by name' }),
  wires: z.array(wire, { error: 'expected a list of wires' }).optional(),
  capture: z.array(capture, { error: 'expected a list of capture points' }).optional(),
});

export type TopologyFile = z.output<typeof topologySchema>;
export type HostSpec = TopologyFile['hosts'][string];
export type InterfaceSpec = NonNullable<HostSpec['interfaces']>[string];
export type ProbeSpec = NonNullable<HostSpec['probes']>[number];
export type HostFaultSpec = NonNullable<HostSpec['faults']>[number];
export type WireFaultSpec = NonNullable<WireSpec['faults']>[number];
export type ProgramSpec = NonNullable<HostSpec['run']>[number];
export type WireSpec = NonNullable<TopologyFile['wires']>[number];
export type ImpairmentSpec = NonNullable<WireSpec['impair']>[string];
export type CaptureSpec = NonNullable<TopologyFile['capture']>[number];
