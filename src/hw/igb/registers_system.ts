/** Registers of the port as a whole: control and status, EEPROM, PHY, PCIe, interrupts, and the clock. */
import { E1000_STATUS_PHYRA } from './e1000_defines.ts';
import * as R from './e1000_regs.ts';
import type { RegisterRow } from './register_file.ts';
import { onArrival, row } from './register_rows.ts';

export const general: readonly RegisterRow[] = [
  row('CTRL', R.E1000_CTRL, 'RW', 'device control: reset, link up, flow control, VLAN mode', {
    reset: 0x00100209,
    alias: { offset: R.E1000_CTRL + 4 },
    written: (device, _index, value, time) => device.controlWritten(value, time),
    issued: onArrival,
    effect: 'a write may reset the port (RST) or the PHY (PHY_RST), and changes the link',
  }),
  row('STATUS', R.E1000_STATUS, 'RW', 'device status: link, speed, master enable; of its bits only PHYRA can be written', {
    reset: 0x80080481,
    writable: E1000_STATUS_PHYRA,
    read: (device) => device.status(),
    effect: 'shows the state at the time of the read',
  }),
  row('CTRL_EXT', R.E1000_CTRL_EXT, 'RW', 'extended device control: driver loaded, link mode, EEPROM reset', {
    written: (device, _index, value) => device.extendedControlWritten(value),
    effect: 'EE_RST reads the EEPROM again and clears itself',
  }),
  row('CONNSW', R.E1000_CONNSW, 'RW', 'copper/fiber switch control', { inert: true }),
  row('SCTL', R.E1000_SCTL, 'RW', 'SerDes control', { inert: true }),
  row('VET', R.E1000_VET, 'RW', 'VLAN Ethertype', { reset: 0x81008100 }),
  row('LEDCTL', R.E1000_LEDCTL, 'RW', 'LED control', { reset: 0x07068302, inert: true }),
  row('PBA', R.E1000_PBA, 'RW', 'packet buffer allocation of older parts', { inert: true }),
  row('FRTIMER', R.E1000_FRTIMER, 'RO', 'free running timer: s 31:20, ms 19:10, µs 9:0', {
    read: (device) => device.clock.freeRunning(),
    effect: 'shows the time of the read',
  }),
  row('TCPTIMER', R.E1000_TCPTIMER, 'RW', 'TCP timer', { inert: true }),
  row('EECD', R.E1000_EECD, 'RW', 'EEPROM control: presence, size, auto-read done, bit-bang lines', {
    reset: 0x00001310,
    writable: 0x00000047,
    written: (device) => device.nvm.controlWritten(),
    effect: 'REQ is answered with GNT; then the lines drive the EEPROM',
  }),
  row('EERD', R.E1000_EERD, 'RW', 'EEPROM read: address and start in, data and done out', {
    written: (device, _index, value) => device.nvm.readWritten(value),
    effect: 'START reads a word and sets DONE',
  }),
  row('EEMNGCTL', R.E1000_EEMNGCTL, 'RW', 'EEPROM of management; configuration done bits', { reset: 0x800c0000, writable: 0, inert: true }),
  row('I2CCMD', R.E1000_I2CCMD, 'RW', 'I2C command of SFP modules', { inert: true }),
  row('I2CPARAMS', R.E1000_I2CPARAMS, 'RW', 'I2C parameters of SFP modules', { inert: true }),
  row('MDIC', R.E1000_MDIC, 'RW', 'MDI control: a read or write of a PHY register', {
    reset: 0x10000000,
    written: (device, _index, value, time) => device.phy.mdicWritten(value, time),
    issued: onArrival,
    effect: 'a write carries out the access and sets READY',
  }),
  row('MDICNFG', R.E1000_MDICNFG, 'RW', 'MDI configuration', { inert: true }),
  row('FCAL', R.E1000_FCAL, 'RW', 'flow control address low', { reset: 0x00c28001 }),
  row('FCAH', R.E1000_FCAH, 'RW', 'flow control address high', { reset: 0x00000100 }),
  row('FCT', R.E1000_FCT, 'RW', 'flow control Ethertype', { reset: 0x00008808 }),
  row('FCTTV', R.E1000_FCTTV, 'RW', 'flow control: time in sent pause frames'),
  row('FCRTL', R.E1000_FCRTL, 'RW', 'flow control receive threshold low: XON below it'),
  row('FCRTH', R.E1000_FCRTH, 'RW', 'flow control receive threshold high: XOFF above it'),
  row('FCRTV', R.E1000_FCRTV, 'RW', 'flow control refresh threshold', { inert: true }),
  row('FLA', R.E1000_FLA, 'RW', 'flash access by bit-banging', { inert: true }),
  row('EEMNGDATA', R.E1000_EEMNGDATA, 'RW', 'EEPROM data of management', { inert: true }),
  row('FLMNGCTL', R.E1000_FLMNGCTL, 'RW', 'flash control of management', { inert: true }),
  row('FLMNGDATA', R.E1000_FLMNGDATA, 'RW', 'flash data of management', { inert: true }),
  row('FLMNGCNT', R.E1000_FLMNGCNT, 'RW', 'flash counter of management', { inert: true }),
  row('EEARBC', R.E1000_EEARBC, 'RW', 'EEPROM auto-read bus control', { inert: true }),
  row('EEDIAG', R.E1000_EEDIAG, 'RO', 'EEPROM diagnostics', { inert: true }),
  row('FLASHOP', R.E1000_FLASHOP, 'RW', 'flash opcodes', { inert: true }),
  row('VPDDIAG', R.E1000_VPDDIAG, 'RO', 'vital product data diagnostics', { inert: true }),
  row('WDSTP', R.E1000_WDSTP, 'RW', 'software watchdog setup', { inert: true }),
  row('SWDSTS', R.E1000_SWDSTS, 'RW', 'software watchdog status', { inert: true }),
  row('CIRC', R.E1000_CIRC, 'RW', 'analog circuits control', { inert: true }),
];

export const pcie: readonly RegisterRow[] = [
  row('GCR', R.E1000_GCR, 'RW', 'PCIe control: completion timeout, capability version', { reset: 0x06850200, inert: true }),
  row('FACTPS', R.E1000_FACTPS, 'RO', 'active functions and power states', { reset: 0x24000104, inert: true }),
  row('GIOCTL', R.E1000_GIOCTL, 'RW', 'PCIe analog control', { reset: 0x80000000, inert: true }),
  row('CCMCTL', R.E1000_CCMCTL, 'RW', 'CCM control', { reset: 0x80000000, inert: true }),
  row('SCCTL', R.E1000_SCCTL, 'RW', 'PCIe PLL configuration', { reset: 0x80000000, inert: true }),
  row('SWSM', R.E1000_SWSM, 'RW', 'software semaphore (4.7.1)', {
    sticky: true,
    read: (device, _index, value) => device.takeSemaphore(value),
    effect: 'reading sets SMBI',
  }),
  row('FWSM', R.E1000_FWSM, 'RO', 'firmware semaphore: no management firmware', { inert: true }),
  row('SW_FW_SYNC', R.E1000_SW_FW_SYNC, 'RW', 'which resources software and firmware own', { sticky: true, inert: true }),
  row('DCA_CTRL', R.E1000_DCA_CTRL, 'RW', 'direct cache access', { inert: true }),
  row('PCIEMISC', R.E1000_PCIEMISC, 'RW', 'PCIe miscellaneous', { inert: true }),
  row('IOVTCL', R.E1000_IOVTCL, 'RW', 'virtualization control', { inert: true }),
  row('PBACL', R.E1000_PBACL, 'RW1C', 'clears MSI-X pending bits', { inert: true }),
  row('GSCL_1', R.E1000_GSCL_1, 'RW', 'PCIe statistic control 1', { inert: true }),
  row('GSCL_2', R.E1000_GSCL_2, 'RW', 'PCIe statistic control 2: events', { inert: true }),
  row('GSCL_3', R.E1000_GSCL_3, 'RW', 'PCIe statistic control 3: thresholds', { inert: true }),
  row('GSCL_4', R.E1000_GSCL_4, 'RW', 'PCIe statistic control 4: thresholds', { inert: true }),
  row('GSCN', R.E1000_GSCN(0), 'RO', 'PCIe statistic counters', { count: 4, inert: true }),
  row('GIOANACTL', R.E1000_GIOANACTL(0), 'RW', 'PCIe analog control of a lane', { count: 4, inert: true }),
  row('DCA_ID', R.E1000_DCA_ID, 'RO', 'direct cache access requester', { inert: true }),
  row('UFUSE', R.E1000_UFUSE, 'RO', 'fuses', { inert: true }),
];

export const interrupts: readonly RegisterRow[] = [
  row('ICR', R.E1000_ICR_82576, 'RC', 'interrupt causes; reading clears (GPIE.NSICR), writing ones clears', {
    alias: { offset: R.E1000_ICR },
    read: (device) => device.interrupts.readICR(),
    written: (device, _index, value) => device.interrupts.clearICR(value),
    effect:
      'reading clears it if a cause was asserted, none is enabled or GPIE.NSICR is set; with CTRL_EXT.IAME it clears the bits of IAM in IMS',
  }),
  row('ICS', R.E1000_ICS_82576, 'RW1S', 'sets causes in ICR; reads as ICR without clearing', {
    alias: { offset: R.E1000_ICS },
    read: (device) => device.interrupts.icr,
    written: (device, _index, value, time) => device.interrupts.causeOther(value, time),
    issued: onArrival,
    effect: 'may interrupt at once',
  }),
  row('IMS', R.E1000_IMS_82576, 'RW1S', 'enables causes of ICR', {
    alias: { offset: R.E1000_IMS },
    read: (device) => device.interrupts.ims,
    written: (device, _index, value, time) => device.interrupts.setIMS(value, time),
    issued: onArrival,
    effect: 'pending causes interrupt at once',
  }),
  row('IMC', R.E1000_IMC_82576, 'RW1S', 'disables causes of ICR; reads as IMS', {
    alias: { offset: R.E1000_IMC },
    read: (device) => device.interrupts.ims,
    written: (device, _index, value) => device.interrupts.clearIMS(value),
    effect: 'clears bits of IMS',
  }),
  row('IAM', R.E1000_IAM_82576, 'RW', 'causes that are disabled when ICR is read (CTRL_EXT.IAME)', { alias: { offset: R.E1000_IAM } }),
  row('ITR', R.E1000_ITR, 'RW', 'interrupt throttling of older parts: EITR[0]', {
    read: (device) => device.interrupts.readEITR(0),
    written: (device, _index, value, time) => device.interrupts.writeEITR(0, value, time),
    effect: 'is EITR[0]',
  }),
  row('GPIE', R.E1000_GPIE, 'RW', 'general purpose interrupt enable: MSI-X mode, auto-mask, clear on read', {
    written: (device, _index, value) => device.interrupts.writeGPIE(value),
    effect: 'chooses how causes become interrupts',
  }),
  row('EICR', R.E1000_EICR, 'RC', 'extended interrupt causes, one per vector; writing ones clears', {
    read: (device) => device.interrupts.readEICR(),
    written: (device, _index, value) => device.interrupts.clearEICR(value),
    effect: 'reading clears all, writing ones those',
  }),
  row('EICS', R.E1000_EICS, 'RW1S', 'sets causes in EICR; reads as EICR without clearing', {
    read: (device) => device.interrupts.eicr >>> 0,
    written: (device, _index, value, time) => device.interrupts.setEICR(value, time),
    issued: onArrival,
    effect: 'may interrupt at once',
  }),
  row('EIMS', R.E1000_EIMS, 'RW1S', 'enables vectors', {
    read: (device) => device.interrupts.eims >>> 0,
    written: (device, _index, value, time) => device.interrupts.setEIMS(value, time),
    issued: (device, _index, value, time) => device.interrupts.issuedEIMS(value, time),
    effect: 'pending vectors interrupt at once',
  }),
  row('EIMC', R.E1000_EIMC, 'RW1S', 'disables vectors; reads as EIMS', {
    read: (device) => device.interrupts.eims >>> 0,
    written: (device, _index, value) => device.interrupts.clearEIMS(value),
    effect: 'clears bits of EIMS',
  }),
  row('EIAC', R.E1000_EIAC, 'RW', 'vectors whose EICR bit is cleared when their message is sent', {
    written: (device, _index, value) => {
      device.interrupts.eiac = value;
    },
    effect: 'bits of EICR that a message clears',
  }),
  row('EIAM', R.E1000_EIAM, 'RW', 'vectors that are disabled when their message is sent (GPIE.EIAME)', {
    written: (device, _index, value) => {
      device.interrupts.eiam = value;
    },
    effect: 'bits of EIMS that a message clears',
  }),
  row('EITR', R.E1000_EITR(0), 'RW', 'interval in µs (14:2) between interrupts of a vector, and its running counter', {
    count: 25,
    read: (device, index) => device.interrupts.readEITR(index),
    written: (device, index, value, time) => device.interrupts.writeEITR(index, value, time),
    effect: 'reading shows the running counter; a write without CNT_IGNR sets it',
  }),
  row('IVAR', R.E1000_IVAR0, 'RW', 'vectors of RX i, TX i, RX i+8, TX i+8, a byte each, bit 7 valid', {
    count: 8,
    written: (device, index, value) => device.interrupts.writeIVAR(index, value),
    effect: 'causes go to these vectors from then on',
  }),
  row('IVAR_MISC', R.E1000_IVAR_MISC, 'RW', 'vectors of the TCP timer (7:0) and of all other causes (15:8)', {
    written: (device, _index, value) => device.interrupts.writeIVARMisc(value),
    effect: 'causes go to this vector from then on',
  }),
  row('IMIR', R.E1000_IMIR(0), 'RW', 'immediate interrupt filters (not modelled); destination port of five-tuple filters', { count: 8 }),
  row('IMIREXT', R.E1000_IMIREXT(0), 'RW', 'immediate interrupt filters, extended', { count: 8, inert: true }),
  row('IMIRVP', R.E1000_IMIRVP, 'RW', 'immediate interrupt by VLAN priority', { inert: true }),
];

export const time: readonly RegisterRow[] = [
  row('SYSTIML', R.E1000_SYSTIML, 'RW', 'system time low; reading latches the high half', {
    read: (device) => device.clock.readLow(),
    written: (device, _index, value, at) => device.clock.writeLow(value, at),
    effect: 'reading latches SYSTIMH; a write sets the clock',
  }),
  row('SYSTIMH', R.E1000_SYSTIMH, 'RW', 'system time high', {
    read: (device) => device.clock.readHigh(),
    written: (device, _index, value, at) => device.clock.writeHigh(value, at),
    effect: 'reading shows what was latched; a write sets the clock',
  }),
  row('SYSTIMR', R.E1000_SYSTIMR, 'RW', 'system time residue of later parts', { inert: true }),
  row('TIMINCA', R.E1000_TIMINCA, 'RW', 'increment (23:0) every INCPERIOD (31:24) times 16 ns', {
    written: (device, _index, value, at) => device.clock.writeIncrement(value, at),
    effect: 'the clock goes on with this increment',
  }),
  row('TIMADJL', R.E1000_TIMADJL, 'RW', 'time adjustment low'),
  row('TIMADJH', R.E1000_TIMADJH, 'RW', 'time adjustment high; bit 31 subtracts', {
    written: (device, _index, value, at) => device.clock.adjust(value, at),
    effect: 'a write steps the clock by TIMADJH:TIMADJL',
  }),
  row('TSYNCRXCTL', R.E1000_TSYNCRXCTL, 'RW', 'time stamps of received packets: valid, type, enable', { writable: 0x1e }),
  row('TSYNCTXCTL', R.E1000_TSYNCTXCTL, 'RW', 'time stamps of transmitted packets: valid, enable', { writable: 0x10 }),
  row('TSYNCRXCFG', R.E1000_TSYNCRXCFG, 'RW', 'which PTP messages are stamped'),
  row('RXSTMPL', R.E1000_RXSTMPL, 'RO', 'receive time stamp low'),
  row('RXSTMPH', R.E1000_RXSTMPH, 'RO', 'receive time stamp high; reading frees the stamp', {
    read: (device, _index, value) => device.clock.freeReceive(value),
    effect: 'reading frees the stamp',
  }),
  row('RXSATRL', R.E1000_RXSATRL, 'RO', 'source of the stamped packet, low'),
  row('RXSATRH', R.E1000_RXSATRH, 'RO', 'source of the stamped packet, high, and its sequence'),
  row('TXSTMPL', R.E1000_TXSTMPL, 'RO', 'transmit time stamp low'),
  row('TXSTMPH', R.E1000_TXSTMPH, 'RO', 'transmit time stamp high; reading frees the stamp', {
    read: (device, _index, value) => device.clock.freeTransmit(value),
    effect: 'reading frees the stamp',
  }),
  row('TSAUXC', R.E1000_TSAUXC, 'RW', 'auxiliary time functions', { inert: true }),
  row('TSICR', R.E1000_TSICR, 'RC', 'time sync interrupt causes', { inert: true }),
  row('TSIM', R.E1000_TSIM, 'RW', 'time sync interrupt mask', { inert: true }),
];
