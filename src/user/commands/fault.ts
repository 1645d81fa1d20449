/**
 * fault: makes something go wrong with a card of this host, now. Not a command of Linux: `fault eth0 tx-hang queue 1`, `fault eth0 dma-fault rx`,
 * `fault eth0 link-down for 50ms`, `fault eth0 crc-errors frames 3`, `fault eth0 slow-pcie factor 20 for 5ms`, `fault no-memory for 10ms`.
 */
import { kernel } from '../../kernel/current.ts';
import type { net_device } from '../../kernel/include/linux/netdevice.ts';
import type { Sleeping } from '../../kernel/include/linux/sched.ts';
import { DEVICE_FAULTS, type DeviceFault, type DeviceFaultKind, faultDefaults } from '../../machine/fault.ts';
import type { PciSlot } from '../../machine/machine.ts';
import { refuse } from './command.ts';

const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

// biome-ignore lint/correctness/useYield: a command may sleep, this one need not
export function* fault(words: readonly string[]): Sleeping<number> {
  if (words[1] === 'no-memory') return failAllocations(settings(words.slice(2)).durationNs);
  const slot = slotOf(words[1] ?? '');
  const kind = words[2] ?? '';
  if (!isKind(kind)) refuse('fault', kind, `one of ${DEVICE_FAULTS.join(', ')}`);
  slot.inject({ ...settings(words.slice(3)), kind });
  return 0;
}

const isKind = (word: string): word is DeviceFaultKind => (DEVICE_FAULTS as readonly string[]).includes(word);

function slotOf(name: string): PciSlot {
  const dev: net_device | undefined = kernel().init_net.dev_by_name.get(name);
  const pdev = kernel().pci_devices.find(({ driverData }) => dev !== undefined && driverData === dev);
  if (pdev !== undefined) return pdev.slot;
  const cards = kernel().pci_devices.map(({ driverData }) => (driverData as net_device).name);
  return refuse('fault', name, `one of the cards ${cards.join(', ')}, or no-memory`);
}

type Settings = { -readonly [K in keyof Omit<DeviceFault, 'kind'>]: DeviceFault[K] };

function settings(words: readonly string[]): Settings {
  const found: Settings = { ...faultDefaults };
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === 'tx' || word === 'rx') found.direction = word;
    else if (word === 'queue') found.queue = number(words[++i]);
    else if (word === 'frames') found.frames = number(words[++i]);
    else if (word === 'factor') found.factor = number(words[++i]);
    else if (word === 'for') found.durationNs = duration(words[++i]);
    else refuse('fault', word, 'tx, rx, queue N, frames N, factor N or for DURATION');
  }
  return found;
}

const number = (word = ''): number => (/^\d+$/.test(word) ? Number(word) : refuse('fault', word, 'a whole number'));

function duration(word = ''): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)(ns|us|ms|s)$/.exec(word) ?? [];
  return unit === '' ? refuse('fault', word, 'a duration such as 10ms') : Math.round(Number(digits) * UNITS[unit]!);
}

function failAllocations(durationNs: number): number {
  const { pages, machine } = kernel();
  pages.failing = true;
  machine.simulation.once(machine.simulation.now + durationNs, `${machine.name} memory again`, () => {
    pages.failing = false;
  });
  return 0;
}
