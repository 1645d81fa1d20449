/**
 * The registers of the 82576 (datasheet section 8): THE table. It is the register file (register_file.ts builds from it), the documentation
 * (`truewire registers igb` prints it) and the test's list. Effects that go beyond keeping a value are functions of the device.
 *
 * Reset values are those after power-on or CTRL.RST of a copper port whose link is down.
 */
import * as R from './e1000_regs.ts';
import type { IgbDevice } from './igb_device.ts';
import { type RegisterAccess, RegisterMap, type RegisterRow } from './register_file.ts';

/** What most rows need: storage with a reset value of 0. */
function row(
  name: string,
  offset: number,
  access: RegisterAccess,
  about: string,
  more: Partial<Omit<RegisterRow, 'name' | 'offset' | 'access' | 'about'>> = {},
): RegisterRow {
  return { name, offset, access, about, reset: 0, ...more };
}

/** Registers at four consecutive words … of each of sixteen queues; the first four are found at the old place as well (8.1.1.1). */
function queueRow(
  name: string,
  kind: 'rx' | 'tx',
  at: number,
  access: RegisterAccess,
  about: string,
  more: Partial<Omit<RegisterRow, 'name' | 'offset' | 'access' | 'about'>> = {},
): RegisterRow {
  const base = kind === 'rx' ? 0xc000 : 0xe000;
  const low = kind === 'rx' ? 0x2800 : 0x3800;
  return row(name, base + at, access, about, { count: 16, stride: 0x40, alias: { offset: low + at, stride: 0x100, count: 4 }, ...more });
}

const onArrival = (device: IgbDevice, _index: number, _value: number, time: number): void => device.wakeForWrites(time);

const statistic = (name: string, offset: number, about: string): RegisterRow => row(name, offset, 'RC', about);

/** 64-bit octet counters: the low half is read first, reading the high half clears both (8.18.24). */
const octetsLow = (name: string, offset: number, about: string): RegisterRow => row(name, offset, 'RO', about);
const octetsHigh = (name: string, offset: number, about: string): RegisterRow =>
  row(name, offset, 'RC', about, { read: (device, _index, value) => device.registers.clearPair(offset - 4, value) });

const general: RegisterRow[] = [
  row('CTRL', R.E1000_CTRL, 'RW', 'device control: reset, link up, flow control, VLAN mode', {
    reset: 0x00100209,
    alias: { offset: R.E1000_CTRL + 4 },
    written: (device, _index, value, time) => device.controlWritten(value, time),
    issued: onArrival,
  }),
  row('STATUS', R.E1000_STATUS, 'RO', 'device status: link, speed, master enable', {
    reset: 0x80080481,
    read: (device) => device.status(),
  }),
  row('CTRL_EXT', R.E1000_CTRL_EXT, 'RW', 'extended device control: driver loaded, link mode, EEPROM reset', {
    written: (device, _index, value) => device.extendedControlWritten(value),
  }),
  row('CONNSW', R.E1000_CONNSW, 'RW', 'copper/fiber switch control'),
  row('SCTL', R.E1000_SCTL, 'RW', 'SerDes control'),
  row('VET', R.E1000_VET, 'RW', 'VLAN Ethertype', { reset: 0x81008100 }),
  row('LEDCTL', R.E1000_LEDCTL, 'RW', 'LED control', { reset: 0x07068302 }),
  row('PBA', R.E1000_PBA, 'RW', 'packet buffer allocation of older parts'),
  row('FRTIMER', R.E1000_FRTIMER, 'RO', 'free running timer: s 31:20, ms 19:10, µs 9:0', { read: (device) => device.clock.freeRunning() }),
  row('TCPTIMER', R.E1000_TCPTIMER, 'RW', 'TCP timer'),
  row('EECD', R.E1000_EECD, 'RW', 'EEPROM control: presence, size, auto-read done, bit-bang lines', {
    reset: 0x00001310,
    writable: 0x00000047,
    written: (device) => device.nvm.controlWritten(),
  }),
  row('EERD', R.E1000_EERD, 'RW', 'EEPROM read: address and start in, data and done out', {
    written: (device, _index, value) => device.nvm.readWritten(value),
  }),
  row('EEMNGCTL', R.E1000_EEMNGCTL, 'RW', 'EEPROM of management; configuration done bits', { reset: 0x800c0000, writable: 0 }),
  row('I2CCMD', R.E1000_I2CCMD, 'RW', 'I2C command of SFP modules'),
  row('I2CPARAMS', R.E1000_I2CPARAMS, 'RW', 'I2C parameters of SFP modules'),
  row('MDIC', R.E1000_MDIC, 'RW', 'MDI control: a read or write of a PHY register', {
    reset: 0x10000000,
    written: (device, _index, value, time) => device.phy.mdicWritten(value, time),
    issued: onArrival,
  }),
  row('MDICNFG', R.E1000_MDICNFG, 'RW', 'MDI configuration'),
  row('FCAL', R.E1000_FCAL, 'RW', 'flow control address low', { reset: 0x00c28001 }),
  row('FCAH', R.E1000_FCAH, 'RW', 'flow control address high', { reset: 0x00000100 }),
  row('FCT', R.E1000_FCT, 'RW', 'flow control Ethertype', { reset: 0x00008808 }),
  row('FCTTV', R.E1000_FCTTV, 'RW', 'flow control: time in sent pause frames'),
  row('FCRTL', R.E1000_FCRTL, 'RW', 'flow control receive threshold low: XON below it'),
  row('FCRTH', R.E1000_FCRTH, 'RW', 'flow control receive threshold high: XOFF above it'),
  row('FCRTV', R.E1000_FCRTV, 'RW', 'flow control refresh threshold'),
];

const pcie: RegisterRow[] = [
  row('GCR', R.E1000_GCR, 'RW', 'PCIe control: completion timeout, capability version', { reset: 0x06850200 }),
  row('FACTPS', R.E1000_FACTPS, 'RO', 'active functions and power states', { reset: 0x24000104 }),
  row('GIOCTL', R.E1000_GIOCTL, 'RW', 'PCIe analog control', { reset: 0x80000000 }),
  row('CCMCTL', R.E1000_CCMCTL, 'RW', 'CCM control', { reset: 0x80000000 }),
  row('SCCTL', R.E1000_SCCTL, 'RW', 'PCIe PLL configuration', { reset: 0x80000000 }),
  row('SWSM', R.E1000_SWSM, 'RW', 'software semaphore: reading takes SMBI (4.7.1)', {
    sticky: true,
    read: (device, _index, value) => device.takeSemaphore(value),
  }),
  row('FWSM', R.E1000_FWSM, 'RO', 'firmware semaphore: no management firmware'),
  row('SW_FW_SYNC', R.E1000_SW_FW_SYNC, 'RW', 'which resources software and firmware own', { sticky: true }),
  row('DCA_CTRL', R.E1000_DCA_CTRL, 'RW', 'direct cache access'),
  row('PCIEMISC', R.E1000_PCIEMISC, 'RW', 'PCIe miscellaneous'),
  row('IOVTCL', R.E1000_IOVTCL, 'RW', 'virtualization control'),
  row('PBACL', R.E1000_PBACL, 'RW1C', 'clears MSI-X pending bits'),
];

const interrupts: RegisterRow[] = [
  row('ICR', R.E1000_ICR_82576, 'RC', 'interrupt causes; reading clears (GPIE.NSICR), writing ones clears', {
    alias: { offset: R.E1000_ICR },
    read: (device) => device.interrupts.readICR(),
    written: (device, _index, value) => device.interrupts.clearICR(value),
  }),
  row('ICS', R.E1000_ICS_82576, 'RW1S', 'sets causes in ICR; reads as ICR without clearing', {
    alias: { offset: R.E1000_ICS },
    read: (device) => device.interrupts.icr,
    written: (device, _index, value, time) => device.interrupts.causeOther(value, time),
    issued: onArrival,
  }),
  row('IMS', R.E1000_IMS_82576, 'RW1S', 'enables causes of ICR', {
    alias: { offset: R.E1000_IMS },
    read: (device) => device.interrupts.ims,
    written: (device, _index, value, time) => device.interrupts.setIMS(value, time),
    issued: onArrival,
  }),
  row('IMC', R.E1000_IMC_82576, 'RW1S', 'disables causes of ICR; reads as IMS', {
    alias: { offset: R.E1000_IMC },
    read: (device) => device.interrupts.ims,
    written: (device, _index, value) => device.interrupts.clearIMS(value),
  }),
  row('IAM', R.E1000_IAM_82576, 'RW', 'causes that are disabled when ICR is read (CTRL_EXT.IAME)', { alias: { offset: R.E1000_IAM } }),
  row('ITR', R.E1000_ITR, 'RW', 'interrupt throttling of older parts: EITR[0]', {
    read: (device) => device.interrupts.readEITR(0),
    written: (device, _index, value, time) => device.interrupts.writeEITR(0, value, time),
  }),
  row('GPIE', R.E1000_GPIE, 'RW', 'general purpose interrupt enable: MSI-X mode, auto-mask, clear on read', {
    written: (device, _index, value) => device.interrupts.writeGPIE(value),
  }),
  row('EICR', R.E1000_EICR, 'RC', 'extended interrupt causes, one per vector; writing ones clears', {
    read: (device) => device.interrupts.readEICR(),
    written: (device, _index, value) => device.interrupts.clearEICR(value),
  }),
  row('EICS', R.E1000_EICS, 'RW1S', 'sets causes in EICR; reads as EICR without clearing', {
    read: (device) => device.interrupts.eicr >>> 0,
    written: (device, _index, value, time) => device.interrupts.setEICR(value, time),
    issued: onArrival,
  }),
  row('EIMS', R.E1000_EIMS, 'RW1S', 'enables vectors', {
    read: (device) => device.interrupts.eims >>> 0,
    written: (device, _index, value, time) => device.interrupts.setEIMS(value, time),
    issued: (device, _index, value, time) => device.interrupts.issuedEIMS(value, time),
  }),
  row('EIMC', R.E1000_EIMC, 'RW1S', 'disables vectors; reads as EIMS', {
    read: (device) => device.interrupts.eims >>> 0,
    written: (device, _index, value) => device.interrupts.clearEIMS(value),
  }),
  row('EIAC', R.E1000_EIAC, 'RW', 'vectors whose EICR bit is cleared when their message is sent', {
    written: (device, _index, value) => {
      device.interrupts.eiac = value;
    },
  }),
  row('EIAM', R.E1000_EIAM, 'RW', 'vectors that are disabled when their message is sent (GPIE.EIAME)', {
    written: (device, _index, value) => {
      device.interrupts.eiam = value;
    },
  }),
  row('EITR', R.E1000_EITR(0), 'RW', 'interval in µs (14:2) between interrupts of a vector, and its running counter', {
    count: 25,
    read: (device, index) => device.interrupts.readEITR(index),
    written: (device, index, value, time) => device.interrupts.writeEITR(index, value, time),
  }),
  row('IVAR', R.E1000_IVAR0, 'RW', 'vectors of RX i, TX i, RX i+8, TX i+8, a byte each, bit 7 valid', {
    count: 8,
    written: (device, index, value) => device.interrupts.writeIVAR(index, value),
  }),
  row('IVAR_MISC', R.E1000_IVAR_MISC, 'RW', 'vectors of the TCP timer (7:0) and of all other causes (15:8)', {
    written: (device, _index, value) => device.interrupts.writeIVARMisc(value),
  }),
  row('IMIR', R.E1000_IMIR(0), 'RW', 'immediate interrupt filters', { count: 8 }),
  row('IMIREXT', R.E1000_IMIREXT(0), 'RW', 'immediate interrupt filters, extended', { count: 8 }),
  row('IMIRVP', R.E1000_IMIRVP, 'RW', 'immediate interrupt by VLAN priority'),
];

const receive: RegisterRow[] = [
  row('RCTL', R.E1000_RCTL, 'RW', 'receive control: enable, promiscuous, long packets, loopback, filters', {
    written: (device, _index, value) => {
      device.rx.controlWritten(value);
      device.updateLink();
    },
  }),
  row('RXPBS', R.E1000_RXPBS, 'RW', 'receive packet buffer size in KiB', { reset: 0x40 }),
  row('QDE', R.E1000_QDE, 'RW', 'queues that drop packets when they have no descriptors', {}),
  row('DMACR', R.E1000_DMACR, 'RW', 'DMA coalescing'),
  row('RXCSUM', R.E1000_RXCSUM, 'RW', 'receive checksum control', { reset: 0x300 }),
  row('RLPML', R.E1000_RLPML, 'RW', 'longest long packet, FCS included', { reset: 0x2600 }),
  row('RFCTL', R.E1000_RFCTL, 'RW', 'receive filter control'),
  row('MTA', R.E1000_MTA, 'RW', 'multicast hash table: 4,096 bits', { count: 128 }),
  row('RA', R.E1000_RA, 'RW', 'receive addresses 0-15: low word, high word with AV', {
    count: 32,
    written: (device) => device.filter.addressesWritten(),
  }),
  row('RA2', R.E1000_RA2, 'RW', 'receive addresses 16-23', { count: 16, written: (device) => device.filter.addressesWritten() }),
  row('PSRTYPE', R.E1000_PSRTYPE(0), 'RW', 'which headers are split off, by pool', { count: 8, reset: 0x0006dbfe, writable: 0x0006dbfe }),
  row('VLAPQF', R.E1000_VLAPQF, 'RW', 'queue by VLAN priority'),
  row('VFTA', R.E1000_VFTA, 'RW', 'VLAN filter table: 4,096 bits', { count: 128 }),
  row('MRQC', R.E1000_MRQC, 'RW', 'multiple receive queues: RSS on, and over which fields'),
  row('RETA', R.E1000_RETA(0), 'RW', 'RSS redirection table: queue of each of 128 hash values', { count: 32 }),
  row('RSSRK', R.E1000_RSSRK(0), 'RW', 'RSS random key: 40 bytes', { count: 10, written: (device) => device.rss.keyWritten() }),
  row('UTA', R.E1000_UTA, 'WO', 'unicast hash table', { count: 128 }),
  row('SAQF', R.E1000_SAQF(0), 'RW', 'five-tuple filters: source address', { count: 8 }),
  row('DAQF', R.E1000_DAQF(0), 'RW', 'five-tuple filters: destination address', { count: 8 }),
  row('SPQF', R.E1000_SPQF(0), 'RW', 'five-tuple filters: source port', { count: 8 }),
  row('FTQF', R.E1000_FTQF(0), 'RW', 'five-tuple filters: protocol, queue, time stamp', { count: 8 }),
  row('SYNQF', R.E1000_SYNQF(0), 'RW', 'queue of SYN packets'),
  row('ETQF', R.E1000_ETQF(0), 'RW', 'Ethertype filters: queue, time stamp', { count: 8 }),
  queueRow('RDBAL', 'rx', 0x00, 'RW', 'descriptor base address, low', {
    writable: 0xffffff80,
    written: (device, i) => device.rx.ringWritten(i),
  }),
  queueRow('RDBAH', 'rx', 0x04, 'RW', 'descriptor base address, high', { written: (device, i) => device.rx.ringWritten(i) }),
  queueRow('RDLEN', 'rx', 0x08, 'RW', 'descriptor ring length in bytes', {
    writable: 0x000fff80,
    written: (device, i) => device.rx.ringWritten(i),
  }),
  queueRow('SRRCTL', 'rx', 0x0c, 'RW', 'buffer sizes, descriptor type, drop enable', {
    reset: 0x80000400,
    resetOfFirst: 0x00000400,
    written: (device, i, value) => device.rx.splitWritten(i, value),
  }),
  queueRow('RDH', 'rx', 0x10, 'RW', 'descriptor head', {
    read: (device, i) => device.rx.head(i),
    written: (device, i, value) => device.rx.headWritten(i, value),
  }),
  queueRow('RXCTL', 'rx', 0x14, 'RW', 'direct cache access of the queue', { reset: 0xa200 }),
  queueRow('RDT', 'rx', 0x18, 'RW', 'descriptor tail: the doorbell', {
    written: (device, i, value, time) => device.rx.tailWritten(i, value, time),
    issued: (device, i, _value, time) => device.rx.tailIssued(i, time),
  }),
  queueRow('RXDCTL', 'rx', 0x28, 'RW', 'descriptor thresholds and queue enable', {
    written: (device, i, value) => device.rx.enableWritten(i, value),
  }),
  row('RQDPC', R.E1000_RQDPC(0), 'RC', 'packets the queue dropped for want of descriptors', {
    count: 16,
    stride: 0x40,
    alias: { offset: 0x2830, stride: 0x100, count: 4 },
  }),
];

const transmit: RegisterRow[] = [
  row('TCTL', R.E1000_TCTL, 'RW', 'transmit control: enable, pad short packets, collisions', {
    reset: 0xa40400f8,
    written: (device) => device.tx.controlWritten(),
    issued: onArrival,
  }),
  row('TCTL_EXT', R.E1000_TCTL_EXT, 'RW', 'transmit control: early collisions', { reset: 0x0004_2a50 }),
  row('TIPG', R.E1000_TIPG, 'RW', 'inter-packet gap', { reset: 0x00601008 }),
  row('AIT', R.E1000_AIT, 'RW', 'adaptive inter-frame spacing'),
  row('TXPBS', R.E1000_TXPBS, 'RW', 'transmit packet buffer size in KiB', { reset: 0x28 }),
  row('TDFH', R.E1000_TDFH, 'RW', 'data FIFO head, for diagnostics'),
  row('TDFT', R.E1000_TDFT, 'RW', 'data FIFO tail, for diagnostics'),
  row('TDFHS', R.E1000_TDFHS, 'RW', 'data FIFO head saved, for diagnostics'),
  row('TDFPC', R.E1000_TDFPC, 'RO', 'packets in the transmit packet buffer', { read: (device) => device.tx.buffer.packets }),
  row('DTXCTL', R.E1000_DTXCTL, 'RW', 'transmit DMA control', { reset: 0x44 }),
  row('DTXTCPFLGL', R.E1000_DTXTCPFLGL, 'RW', 'TCP flags kept in the first (11:0) and middle (27:16) segments', { reset: 0x0f760ff6 }),
  row('DTXTCPFLGH', R.E1000_DTXTCPFLGH, 'RW', 'TCP flags kept in the last segment', { reset: 0x00000f7f }),
  row('DTXMXSZRQ', R.E1000_DTXMXSZRQ, 'RW', 'most bytes of DMA requests under way, in units of 256', {
    reset: 0x10,
    writable: 0xfff,
    written: (device) => device.tx.requestsWritten(),
  }),
  queueRow('TDBAL', 'tx', 0x00, 'RW', 'descriptor base address, low', {
    writable: 0xffffff80,
    written: (device, i) => device.tx.ringWritten(i),
  }),
  queueRow('TDBAH', 'tx', 0x04, 'RW', 'descriptor base address, high', { written: (device, i) => device.tx.ringWritten(i) }),
  queueRow('TDLEN', 'tx', 0x08, 'RW', 'descriptor ring length in bytes', {
    writable: 0x000fff80,
    written: (device, i) => device.tx.ringWritten(i),
  }),
  queueRow('TDH', 'tx', 0x10, 'RW', 'descriptor head', {
    read: (device, i) => device.tx.head(i),
    written: (device, i, value) => device.tx.headWritten(i, value),
  }),
  queueRow('TXCTL', 'tx', 0x14, 'RW', 'direct cache access of the queue', { reset: 0x2a00 }),
  queueRow('TDT', 'tx', 0x18, 'RW', 'descriptor tail: the doorbell', {
    written: (device, i, value, time) => device.tx.tailWritten(i, value, time),
    issued: (device, i, value, time) => device.tx.tailIssued(i, value, time),
  }),
  queueRow('TXDCTL', 'tx', 0x28, 'RW', 'descriptor thresholds, queue enable, priority', {
    written: (device, i, value) => device.tx.enableWritten(i, value),
    issued: onArrival,
  }),
  queueRow('TDWBAL', 'tx', 0x38, 'RW', 'head write-back address, low, and its enable', {
    written: (device, i) => device.tx.headWritebackWritten(i),
  }),
  queueRow('TDWBAH', 'tx', 0x3c, 'RW', 'head write-back address, high', { written: (device, i) => device.tx.headWritebackWritten(i) }),
];

const statistics: RegisterRow[] = [
  statistic('CRCERRS', R.E1000_CRCERRS, 'frames with a bad FCS'),
  statistic('ALGNERRC', R.E1000_ALGNERRC, 'alignment errors'),
  statistic('SYMERRS', R.E1000_SYMERRS, 'symbol errors'),
  statistic('RXERRC', R.E1000_RXERRC, 'frames with a receive error'),
  statistic('MPC', R.E1000_MPC, 'missed packets: the receive packet buffer was full'),
  statistic('SCC', R.E1000_SCC, 'single collisions'),
  statistic('ECOL', R.E1000_ECOL, 'excessive collisions'),
  statistic('MCC', R.E1000_MCC, 'multiple collisions'),
  statistic('LATECOL', R.E1000_LATECOL, 'late collisions'),
  statistic('COLC', R.E1000_COLC, 'collisions'),
  statistic('CBTMPC', R.E1000_CBTMPC, 'circuit breaker: transmit management packets'),
  statistic('DC', R.E1000_DC, 'deferred transmissions'),
  statistic('TNCRS', R.E1000_TNCRS, 'transmissions without carrier sense'),
  statistic('SEC', R.E1000_SEC, 'sequence errors'),
  statistic('HTDPMC', R.E1000_HTDPMC, 'host packets discarded by the MAC'),
  statistic('RLEC', R.E1000_RLEC, 'receive length errors: undersize, oversize'),
  statistic('XONRXC', R.E1000_XONRXC, 'XON received'),
  statistic('XONTXC', R.E1000_XONTXC, 'XON transmitted'),
  statistic('XOFFRXC', R.E1000_XOFFRXC, 'XOFF received'),
  statistic('XOFFTXC', R.E1000_XOFFTXC, 'XOFF transmitted'),
  statistic('FCRUC', R.E1000_FCRUC, 'unsupported MAC control frames received'),
  statistic('PRC64', R.E1000_PRC64, 'good frames received of 64 bytes'),
  statistic('PRC127', R.E1000_PRC127, 'good frames received of 65-127 bytes'),
  statistic('PRC255', R.E1000_PRC255, 'good frames received of 128-255 bytes'),
  statistic('PRC511', R.E1000_PRC511, 'good frames received of 256-511 bytes'),
  statistic('PRC1023', R.E1000_PRC1023, 'good frames received of 512-1023 bytes'),
  statistic('PRC1522', R.E1000_PRC1522, 'good frames received of 1024 bytes and more'),
  statistic('GPRC', R.E1000_GPRC, 'good packets received that passed the filters'),
  statistic('BPRC', R.E1000_BPRC, 'broadcasts received'),
  statistic('MPRC', R.E1000_MPRC, 'multicasts received'),
  statistic('GPTC', R.E1000_GPTC, 'good packets transmitted'),
  octetsLow('GORCL', R.E1000_GORCL, 'good octets received, low'),
  octetsHigh('GORCH', R.E1000_GORCH, 'good octets received, high; clears both'),
  octetsLow('GOTCL', R.E1000_GOTCL, 'good octets transmitted, low'),
  octetsHigh('GOTCH', R.E1000_GOTCH, 'good octets transmitted, high; clears both'),
  statistic('RNBC', R.E1000_RNBC, 'packets that found no buffer and waited in the packet buffer'),
  statistic('RUC', R.E1000_RUC, 'undersize frames with a good FCS'),
  statistic('RFC', R.E1000_RFC, 'undersize frames with a bad FCS'),
  statistic('ROC', R.E1000_ROC, 'oversize frames with a good FCS'),
  statistic('RJC', R.E1000_RJC, 'oversize frames with a bad FCS'),
  statistic('MGTPRC', R.E1000_MGTPRC, 'management packets received'),
  statistic('MGTPDC', R.E1000_MGTPDC, 'management packets dropped'),
  statistic('MGTPTC', R.E1000_MGTPTC, 'management packets transmitted'),
  octetsLow('TORL', R.E1000_TORL, 'all octets received, low'),
  octetsHigh('TORH', R.E1000_TORH, 'all octets received, high; clears both'),
  octetsLow('TOTL', R.E1000_TOTL, 'all octets transmitted, low'),
  octetsHigh('TOTH', R.E1000_TOTH, 'all octets transmitted, high; clears both'),
  statistic('TPR', R.E1000_TPR, 'all packets received'),
  statistic('TPT', R.E1000_TPT, 'all packets transmitted'),
  statistic('PTC64', R.E1000_PTC64, 'packets transmitted of 64 bytes'),
  statistic('PTC127', R.E1000_PTC127, 'packets transmitted of 65-127 bytes'),
  statistic('PTC255', R.E1000_PTC255, 'packets transmitted of 128-255 bytes'),
  statistic('PTC511', R.E1000_PTC511, 'packets transmitted of 256-511 bytes'),
  statistic('PTC1023', R.E1000_PTC1023, 'packets transmitted of 512-1023 bytes'),
  statistic('PTC1522', R.E1000_PTC1522, 'packets transmitted of 1024 bytes and more'),
  statistic('MPTC', R.E1000_MPTC, 'multicasts transmitted'),
  statistic('BPTC', R.E1000_BPTC, 'broadcasts transmitted'),
  statistic('TSCTC', R.E1000_TSCTC, 'TCP segmentation contexts transmitted'),
  statistic('CBRMPC', R.E1000_CBRMPC, 'circuit breaker: receive management packets'),
  statistic('IAC', R.E1000_IAC, 'interrupts asserted'),
  statistic('RPTHC', R.E1000_RPTHC, 'packets passed to the host'),
  statistic('ICRXATC', R.E1000_ICRXATC, 'receive absolute timer interrupts of older parts'),
  statistic('ICTXPTC', R.E1000_ICTXPTC, 'transmit packet timer interrupts of older parts'),
  statistic('ICTXATC', R.E1000_ICTXATC, 'transmit absolute timer interrupts of older parts'),
  statistic('HGPTC', R.E1000_HGPTC, 'good packets transmitted by the host'),
  statistic('ICTXQMTC', R.E1000_ICTXQMTC, 'transmit queue minimum threshold interrupts'),
  statistic('ICRXDMTC', R.E1000_ICRXDMTC, 'receive descriptor minimum threshold interrupts'),
  statistic('HTCBDPC', R.E1000_HTCBDPC, 'circuit breaker: host transmit packets dropped'),
  octetsLow('HGORCL', R.E1000_HGORCL, 'host good octets received, low'),
  octetsHigh('HGORCH', R.E1000_HGORCH, 'host good octets received, high; clears both'),
  octetsLow('HGOTCL', R.E1000_HGOTCL, 'host good octets transmitted, low'),
  octetsHigh('HGOTCH', R.E1000_HGOTCH, 'host good octets transmitted, high; clears both'),
  statistic('LENERRS', R.E1000_LENERRS, 'length errors of 802.3 frames'),
  statistic('B2OGPRC', R.E1000_B2OGPRC, 'packets from BMC to host'),
  statistic('O2BSPC', R.E1000_O2BSPC, 'packets from host to BMC'),
  statistic('SCVPC', R.E1000_SCVPC, 'code violations of SerDes or SGMII'),
  statistic('B2OSPC', R.E1000_B2OSPC, 'packets sent by BMC'),
  statistic('O2BGPTC', R.E1000_O2BGPTC, 'packets received by BMC'),
];

const others: RegisterRow[] = [
  row('PCS_CFG0', R.E1000_PCS_CFG0, 'RW', 'PCS configuration'),
  row('PCS_LCTL', R.E1000_PCS_LCTL, 'RW', 'PCS link control'),
  row('PCS_LSTAT', R.E1000_PCS_LSTAT, 'RO', 'PCS link status'),
  row('PCS_ANADV', R.E1000_PCS_ANADV, 'RW', 'PCS advertisement'),
  row('PCS_LPAB', R.E1000_PCS_LPAB, 'RO', 'PCS partner ability'),
  row('PCS_NPTX', R.E1000_PCS_NPTX, 'RW', 'PCS next page to send'),
  row('PCS_LPABNP', R.E1000_PCS_LPABNP, 'RO', 'PCS partner next page'),
  row('WUC', R.E1000_WUC, 'RW', 'wake-up control', { sticky: true }),
  row('WUFC', R.E1000_WUFC, 'RW', 'wake-up filters', { sticky: true }),
  row('WUS', R.E1000_WUS, 'RW1C', 'wake-up status', { sticky: true }),
  row('WUPL', R.E1000_WUPL, 'RO', 'length of the wake-up packet'),
  row('IPAV', R.E1000_IPAV, 'RW', 'which wake-up IP addresses are valid'),
  row('MANC', R.E1000_MANC, 'RW', 'management control: no management here'),
  row('VFLRE', R.E1000_VFLRE, 'RW1C', 'virtual functions that were reset'),
  row('VFRE', R.E1000_VFRE, 'RW', 'virtual functions that may receive', { reset: 0xff }),
  row('VFTE', R.E1000_VFTE, 'RW', 'virtual functions that may transmit', { reset: 0xff }),
  row('MBVFICR', R.E1000_MBVFICR, 'RW1C', 'mailbox causes'),
  row('MBVFIMR', R.E1000_MBVFIMR, 'RW', 'mailbox mask', { reset: 0xff }),
  row('DTXSWC', R.E1000_DTXSWC, 'RW', 'transmit switch control'),
  row('WVBR', R.E1000_WVBR, 'RC', 'wrong behaviour of virtual functions'),
  row('VT_CTL', R.E1000_VT_CTL, 'RW', 'VMDq control'),
  row('TXSWC', R.E1000_TXSWC, 'RW', 'transmit switch of later parts'),
  row('VMOLR', R.E1000_VMOLR(0), 'RW', 'offloads of a pool', { count: 8, reset: 0x80002600 }),
  row('RPLOLR', R.E1000_RPLOLR, 'RW', 'offloads of replicated packets', { reset: 0x80000000 }),
  row('VLVF', R.E1000_VLVF(0), 'RW', 'VLANs of pools', { count: 32 }),
  row('VMVIR', R.E1000_VMVIR(0), 'RW', 'VLAN tags pools insert', { count: 8 }),
  row('P2VMAILBOX', R.E1000_P2VMAILBOX(0), 'RW', 'mailboxes to virtual functions', { count: 8 }),
];

const time: RegisterRow[] = [
  row('SYSTIML', R.E1000_SYSTIML, 'RW', 'system time low; reading latches the high half', {
    read: (device) => device.clock.readLow(),
    written: (device, _index, value, at) => device.clock.writeLow(value, at),
  }),
  row('SYSTIMH', R.E1000_SYSTIMH, 'RW', 'system time high', {
    read: (device) => device.clock.readHigh(),
    written: (device, _index, value, at) => device.clock.writeHigh(value, at),
  }),
  row('SYSTIMR', R.E1000_SYSTIMR, 'RW', 'system time residue of later parts'),
  row('TIMINCA', R.E1000_TIMINCA, 'RW', 'increment (23:0) every INCPERIOD (31:24) times 16 ns', {
    written: (device, _index, value, at) => device.clock.writeIncrement(value, at),
  }),
  row('TIMADJL', R.E1000_TIMADJL, 'RW', 'time adjustment low'),
  row('TIMADJH', R.E1000_TIMADJH, 'RW', 'time adjustment high; bit 31 subtracts', {
    written: (device, _index, value, at) => device.clock.adjust(value, at),
  }),
  row('TSYNCRXCTL', R.E1000_TSYNCRXCTL, 'RW', 'time stamps of received packets: valid, type, enable', { writable: 0x1e }),
  row('TSYNCTXCTL', R.E1000_TSYNCTXCTL, 'RW', 'time stamps of transmitted packets: valid, enable', { writable: 0x10 }),
  row('TSYNCRXCFG', R.E1000_TSYNCRXCFG, 'RW', 'which PTP messages are stamped'),
  row('RXSTMPL', R.E1000_RXSTMPL, 'RO', 'receive time stamp low'),
  row('RXSTMPH', R.E1000_RXSTMPH, 'RO', 'receive time stamp high; reading frees the stamp', {
    read: (device, _index, value) => device.clock.freeReceive(value),
  }),
  row('RXSATRL', R.E1000_RXSATRL, 'RO', 'source of the stamped packet, low'),
  row('RXSATRH', R.E1000_RXSATRH, 'RO', 'source of the stamped packet, high, and its sequence'),
  row('TXSTMPL', R.E1000_TXSTMPL, 'RO', 'transmit time stamp low'),
  row('TXSTMPH', R.E1000_TXSTMPH, 'RO', 'transmit time stamp high; reading frees the stamp', {
    read: (device, _index, value) => device.clock.freeTransmit(value),
  }),
  row('TSAUXC', R.E1000_TSAUXC, 'RW', 'auxiliary time functions'),
  row('TSICR', R.E1000_TSICR, 'RC', 'time sync interrupt causes'),
  row('TSIM', R.E1000_TSIM, 'RW', 'time sync interrupt mask'),
];

export const registerTable: readonly RegisterRow[] = [
  ...general,
  ...pcie,
  ...interrupts,
  ...receive,
  ...transmit,
  ...statistics,
  ...others,
  ...time,
];

export const registerMap = new RegisterMap(registerTable);
