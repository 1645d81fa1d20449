/**
 * The registers of the 82576 (datasheet section 8): THE table. It is the register file (register_file.ts builds from it), the documentation
 * (`truewire registers igb` prints it) and the test's list. Effects that go beyond keeping a value are functions of the device.
 *
 * Reset values are those after power-on or CTRL.RST of a copper port whose link is down. Left out are the virtual functions' windows above 0x10000 and what
 * other parts of the family have at offsets that this one does not use.
 */
import { RegisterMap, type RegisterRow } from './register_file.ts';
import { pcs, security, virtualization, wakeUp } from './registers_other.ts';
import { statistics } from './registers_statistics.ts';
import { general, interrupts, pcie, time } from './registers_system.ts';
import { receive, transmit } from './registers_traffic.ts';

export interface RegisterSection {
  readonly title: string;
  readonly rows: readonly RegisterRow[];
}

export const registerSections: readonly RegisterSection[] = [
  { title: 'General, EEPROM, PHY, flow control (8.2-8.5)', rows: general },
  { title: 'PCIe and semaphores (8.6, 8.7)', rows: pcie },
  { title: 'Interrupts (8.8)', rows: interrupts },
  { title: 'Receive (8.10, 8.11)', rows: receive },
  { title: 'Transmit (8.12)', rows: transmit },
  { title: 'Statistics (8.18)', rows: statistics },
  { title: 'Time (8.16)', rows: time },
  { title: 'SerDes and SGMII (8.19)', rows: pcs },
  { title: 'Wake-up and management (8.20, 8.21)', rows: wakeUp },
  { title: 'Virtualization (8.14)', rows: virtualization },
  { title: 'MACsec and IPsec (8.23, 8.24)', rows: security },
];

export const registerTable: readonly RegisterRow[] = registerSections.flatMap(({ rows }) => rows);

export const registerMap = new RegisterMap(registerTable);
