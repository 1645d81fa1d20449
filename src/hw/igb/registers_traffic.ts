/** Registers of the two ways that packets take: filters, buffers and queues. */
import * as R from './e1000_regs.ts';
import type { RegisterRow } from './register_file.ts';
import { onArrival, queueRow, row } from './register_rows.ts';

export const receive: readonly RegisterRow[] = [
  row('RCTL', R.E1000_RCTL, 'RW', 'receive control: enable, promiscuous, long packets, loopback, filters', {
    written: (device, _index, value) => {
      device.rx.controlWritten(value);
      device.updateLink();
    },
    effect: 'starts or stops the receiver; LBM changes the link',
  }),
  row('RXPBS', R.E1000_RXPBS, 'RW', 'receive packet buffer size in KiB', { reset: 0x40 }),
  row('QDE', R.E1000_QDE, 'RW', 'queues that drop packets when they have no descriptors', {}),
  row('DMACR', R.E1000_DMACR, 'RW', 'DMA coalescing', { inert: true }),
  row('RXCSUM', R.E1000_RXCSUM, 'RW', 'receive checksum control', { reset: 0x300 }),
  row('RLPML', R.E1000_RLPML, 'RW', 'longest long packet, FCS included', { reset: 0x2600 }),
  row('RFCTL', R.E1000_RFCTL, 'RW', 'receive filter control'),
  row('MTA', R.E1000_MTA, 'RW', 'multicast hash table: 4,096 bits', { count: 128 }),
  row('RA', R.E1000_RA, 'RW', 'receive addresses 0-15: low word, high word with AV', {
    count: 32,
    written: (device) => device.filter.addressesWritten(),
    effect: 'the filter follows',
  }),
  row('RA2', R.E1000_RA2, 'RW', 'receive addresses 16-23', {
    count: 16,
    written: (device) => device.filter.addressesWritten(),
    effect: 'the filter follows',
  }),
  row('PSRTYPE', R.E1000_PSRTYPE(0), 'RW', 'which headers are split off, by pool', { count: 8, reset: 0x0006dbfe, writable: 0x0006dbfe }),
  row('VLAPQF', R.E1000_VLAPQF, 'RW', 'queue by VLAN priority', { inert: true }),
  row('VFTA', R.E1000_VFTA, 'RW', 'VLAN filter table: 4,096 bits', { count: 128 }),
  row('MRQC', R.E1000_MRQC, 'RW', 'multiple receive queues: RSS on, and over which fields'),
  row('RETA', R.E1000_RETA(0), 'RW', 'RSS redirection table: queue of each of 128 hash values', { count: 32 }),
  row('RSSRK', R.E1000_RSSRK(0), 'RW', 'RSS random key: 40 bytes', {
    count: 10,
    written: (device) => device.rss.keyWritten(),
    effect: 'the hash follows',
  }),
  row('UTA', R.E1000_UTA, 'WO', 'unicast hash table', { count: 128, inert: true }),
  row('SAQF', R.E1000_SAQF(0), 'RW', 'five-tuple filters: source address', { count: 8 }),
  row('DAQF', R.E1000_DAQF(0), 'RW', 'five-tuple filters: destination address', { count: 8 }),
  row('SPQF', R.E1000_SPQF(0), 'RW', 'five-tuple filters: source port', { count: 8 }),
  row('FTQF', R.E1000_FTQF(0), 'RW', 'five-tuple filters: protocol, queue, time stamp', {
    count: 8,
    effect: 'frames go to these queues from then on',
    written: (device) => device.queueFilters.changed(),
  }),
  row('SYNQF', R.E1000_SYNQF(0), 'RW', 'queue of SYN packets', {
    effect: 'SYNs go to this queue from then on',
    written: (device) => device.queueFilters.changed(),
  }),
  row('ETQF', R.E1000_ETQF(0), 'RW', 'Ethertype filters: queue, time stamp', {
    count: 8,
    effect: 'frames go to these queues from then on',
    written: (device) => device.queueFilters.changed(),
  }),
  queueRow('RDBAL', 'rx', 0x00, 'RW', 'descriptor base address, low', {
    writable: 0xffffff80,
    written: (device, i) => device.rx.ringWritten(i),
    effect: 'moves the ring',
  }),
  queueRow('RDBAH', 'rx', 0x04, 'RW', 'descriptor base address, high', {
    written: (device, i) => device.rx.ringWritten(i),
    effect: 'moves the ring',
  }),
  queueRow('RDLEN', 'rx', 0x08, 'RW', 'descriptor ring length in bytes', {
    writable: 0x000ffff0,
    written: (device, i) => device.rx.ringWritten(i),
    effect: 'resizes the ring',
  }),
  queueRow('SRRCTL', 'rx', 0x0c, 'RW', 'buffer sizes, descriptor type, drop enable', {
    reset: 0x80000400,
    resetOfFirst: 0x00000400,
    written: (device, i, value) => device.rx.splitWritten(i, value),
    effect: 'holds for the next packets',
  }),
  queueRow('RDH', 'rx', 0x10, 'RW', 'descriptor head', {
    read: (device, i) => device.rx.head(i),
    written: (device, i, value) => device.rx.headWritten(i, value),
    effect: 'reading shows where the device is',
  }),
  queueRow('RXCTL', 'rx', 0x14, 'RW', 'direct cache access of the queue', { reset: 0xa200, inert: true }),
  queueRow('RDT', 'rx', 0x18, 'RW', 'descriptor tail: the doorbell', {
    written: (device, i, value, time) => device.rx.tailWritten(i, value, time),
    issued: (device, i, _value, time) => device.rx.tailIssued(i, time),
    effect: 'hands descriptors to the device',
  }),
  queueRow('RXDCTL', 'rx', 0x28, 'RW', 'descriptor thresholds and queue enable', {
    written: (device, i, value) => device.rx.enableWritten(i, value),
    effect: 'starts or stops the queue; SWFLSH writes back what is held and clears itself',
  }),
  row('RQDPC', R.E1000_RQDPC(0), 'RC', 'packets the queue dropped for want of descriptors', {
    count: 16,
    stride: 0x40,
    alias: { offset: 0x2830, stride: 0x100, count: 4 },
  }),
  row('RPLPSRTYPE', R.E1000_RPLPSRTYPE, 'RW', 'which headers are split off replicated packets', { inert: true }),
  row('DRXMXOD', R.E1000_DRXMXOD, 'RW', 'most bytes of received data under way', { inert: true }),
  row('PBRWAC', R.E1000_PBRWAC, 'RO', 'times the receive packet buffer wrapped around', { inert: true }),
  row('RDFH', R.E1000_RDFH, 'RW', 'receive data FIFO head, for diagnostics', { inert: true }),
  row('RDFT', R.E1000_RDFT, 'RW', 'receive data FIFO tail, for diagnostics', { inert: true }),
  row('RDFHS', R.E1000_RDFHS, 'RW', 'receive data FIFO head saved, for diagnostics', { inert: true }),
  row('RDFTS', R.E1000_RDFTS, 'RW', 'receive data FIFO tail saved, for diagnostics', { inert: true }),
  row('RDFPC', R.E1000_RDFPC, 'RO', 'packets in the receive data FIFO, for diagnostics', { inert: true }),
  row('RPBECCSTS', R.E1000_RPBECCSTS, 'RW', 'receive packet buffer ECC', { inert: true }),
  row('FCSTS0', R.E1000_FCSTS0, 'RO', 'flow control status', { inert: true }),
  row('RDHESTS', R.E1000_RDHESTS, 'RW', 'receive descriptor handler ECC', { inert: true }),
  row('RXBDC', R.E1000_RXBDC, 'RC', 'receive DMA bursts and descriptors', { inert: true }),
  row('RXIDLE', R.E1000_RXIDLE, 'RC', 'receive DMA idle cycles', { inert: true }),
];

export const transmit: readonly RegisterRow[] = [
  row('TCTL', R.E1000_TCTL, 'RW', 'transmit control: enable, pad short packets, collisions', {
    reset: 0xa40400f8,
    written: (device) => device.tx.controlWritten(),
    issued: onArrival,
    effect: 'starts or stops transmission',
  }),
  row('TCTL_EXT', R.E1000_TCTL_EXT, 'RW', 'transmit control: early collisions', { reset: 0x0004_2a50, inert: true }),
  row('TIPG', R.E1000_TIPG, 'RW', 'inter-packet gap', { reset: 0x00601008, inert: true }),
  row('AIT', R.E1000_AIT, 'RW', 'adaptive inter-frame spacing', { inert: true }),
  row('TXPBS', R.E1000_TXPBS, 'RW', 'transmit packet buffer size in KiB', { reset: 0x28 }),
  row('TDFH', R.E1000_TDFH, 'RW', 'data FIFO head, for diagnostics', { inert: true }),
  row('TDFT', R.E1000_TDFT, 'RW', 'data FIFO tail, for diagnostics', { inert: true }),
  row('TDFHS', R.E1000_TDFHS, 'RW', 'data FIFO head saved, for diagnostics', { inert: true }),
  row('TDFPC', R.E1000_TDFPC, 'RO', 'packets in the transmit packet buffer', {
    read: (device) => device.tx.buffer.packets,
    effect: 'shows how many wait at the time of the read',
  }),
  row('DTXCTL', R.E1000_DTXCTL, 'RW', 'transmit DMA control', { reset: 0x44, inert: true }),
  row('DTXTCPFLGL', R.E1000_DTXTCPFLGL, 'RW', 'TCP flags kept in the first (11:0) and middle (27:16) segments', { reset: 0x0f760ff6 }),
  row('DTXTCPFLGH', R.E1000_DTXTCPFLGH, 'RW', 'TCP flags kept in the last segment', { reset: 0x00000f7f }),
  row('DTXMXSZRQ', R.E1000_DTXMXSZRQ, 'RW', 'most bytes of DMA requests under way, in units of 256', {
    reset: 0x10,
    writable: 0xfff,
    written: (device) => device.tx.requestsWritten(),
    effect: 'bounds the rate of reads where latency is high',
  }),
  queueRow('TDBAL', 'tx', 0x00, 'RW', 'descriptor base address, low', {
    writable: 0xffffff80,
    written: (device, i) => device.tx.ringWritten(i),
    effect: 'moves the ring',
  }),
  queueRow('TDBAH', 'tx', 0x04, 'RW', 'descriptor base address, high', {
    written: (device, i) => device.tx.ringWritten(i),
    effect: 'moves the ring',
  }),
  queueRow('TDLEN', 'tx', 0x08, 'RW', 'descriptor ring length in bytes', {
    writable: 0x000ffff0,
    written: (device, i) => device.tx.ringWritten(i),
    effect: 'resizes the ring',
  }),
  queueRow('TDH', 'tx', 0x10, 'RW', 'descriptor head', {
    read: (device, i) => device.tx.head(i),
    written: (device, i, value) => device.tx.headWritten(i, value),
    effect: 'reading shows where the device is',
  }),
  queueRow('TXCTL', 'tx', 0x14, 'RW', 'direct cache access of the queue', { reset: 0x2a00, inert: true }),
  queueRow('TDT', 'tx', 0x18, 'RW', 'descriptor tail: the doorbell', {
    written: (device, i, value, time) => device.tx.tailWritten(i, value, time),
    issued: (device, i, value, time) => device.tx.tailIssued(i, value, time),
    effect: 'hands descriptors to the device',
  }),
  queueRow('TXDCTL', 'tx', 0x28, 'RW', 'descriptor thresholds, queue enable, priority', {
    written: (device, i, value) => device.tx.enableWritten(i, value),
    issued: onArrival,
    effect: 'starts or stops the queue',
  }),
  queueRow('TDWBAL', 'tx', 0x38, 'RW', 'head write-back address, low, and its enable', {
    written: (device, i) => device.tx.headWritebackWritten(i),
    effect: 'the head is written there from then on',
  }),
  queueRow('TDWBAH', 'tx', 0x3c, 'RW', 'head write-back address, high', {
    written: (device, i) => device.tx.headWritebackWritten(i),
    effect: 'the head is written there from then on',
  }),
  row('RETX_CTL', R.E1000_RETX_CTL, 'RW', 'retry buffer control', { inert: true }),
  row('TDFTS', R.E1000_TDFTS, 'RW', 'data FIFO tail saved, for diagnostics', { inert: true }),
  row('TPBECCSTS', R.E1000_TPBECCSTS, 'RW', 'transmit packet buffer ECC', { inert: true }),
  row('PBTWAC', R.E1000_PBTWAC, 'RO', 'times the transmit packet buffer wrapped around', { inert: true }),
  row('DTXMXPKTSZ', R.E1000_DTXMXPKTSZ, 'RW', 'longest packet, in units of 64 bytes', { reset: 0x98, inert: true }),
  row('TDHESTS', R.E1000_TDHESTS, 'RW', 'transmit descriptor handler ECC', { inert: true }),
  row('TXBDC', R.E1000_TXBDC, 'RC', 'transmit DMA bursts and descriptors', { inert: true }),
  row('TXIDLE', R.E1000_TXIDLE, 'RC', 'transmit DMA idle cycles', { inert: true }),
  row('TDHMP', R.E1000_TDHMP, 'RW', 'transmit descriptor handler memory page', { inert: true }),
];
