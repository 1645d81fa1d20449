/**
 * What the card can do, feature by feature, and the tests that send and receive through it with a driver that knows registers only (test_driver.ts). The
 * table is checked: each test it names exists.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** Feature → file (in test/hw) and words of the test's title. */
const FEATURES: Record<string, readonly (readonly [file: string, title: string])[]> = {
  'PCI identity': [['link', 'the card says who it is']],
  'reset by software and of the port': [
    ['registers', 'CTRL.RST brings back reset values'],
    ['link', 'is done anew when software restarts it or resets the PHY'],
    ['eeprom', 'a changed address is taken at the next reset'],
  ],
  'EEPROM with address and checksum': [
    ['registers', 'the EEPROM holds the address'],
    ['eeprom', 'read the same bytes as EERD'],
    ['eeprom', 'write words, after a write enable only'],
  ],
  'MDIC, PHY, auto-negotiation, link events': [
    ['registers', 'the PHY answers through MDIC'],
    ['link', 'takes its time, then the link is up'],
    ['link', 'follows the cable: 100 and 10 Mbit/s'],
    ['link', 'changes raise LSC, down and up'],
    ['interrupts', 'reports a link change through the vector for other causes'],
  ],
  'CTRL, STATUS, CTRL_EXT': [
    ['registers', 'CTRL.GIO_MASTER_DISABLE shows in STATUS'],
    ['link', 'without CTRL.SLU the MAC has no link'],
    ['interrupts', 'reading ICR disables what IAM says when CTRL_EXT.IAME is set'],
  ],
  '16 transmit and 16 receive queues': [
    ['queues', 'each transmit queue sends'],
    ['queues', 'each receive queue takes what RETA gives it'],
    ['transmit', 'takes turns among queues'],
    ['stress', 'every packet leaves once and in its queue’s order'],
  ],
  'head and tail': [
    ['queues', 'a queue that is disabled forgets its pointers'],
    ['receive', 'writes a frame and its descriptor to memory'],
    ['stress', 'every frame that arrives is delivered or counted'],
  ],
  'PTHRESH, HTHRESH, WTHRESH': [
    ['thresholds', 'with PTHRESH the next descriptors come while the others are worked on'],
    ['thresholds', 'HTHRESH keeps the device from fetching few'],
    ['thresholds', 'with PTHRESH and enough in memory'],
    ['thresholds', 'collects descriptors while the vector is quiet'],
    ['transmit', 'collects write-backs up to WTHRESH'],
  ],
  'head write-back (TDWBAL)': [['transmit', 'writes the head to memory instead of DD']],
  'legacy and advanced descriptors': [
    ['transmit', 'sends legacy descriptors with checksum insertion'],
    ['receive', 'writes legacy descriptors when SRRCTL asks for them'],
    ['transmit', 'gathers pieces at odd offsets'],
  ],
  'two contexts a queue': [
    ['offloads', 'a queue keeps two, and each packet names its own'],
    ['offloads', 'one descriptor replaces a context'],
  ],
  'TSO: headers, IP id, sequence, flags on first, middle and last segment': [
    ['transmit', 'cuts a large send into segments that are byte for byte those of software'],
    ['transmit', 'segments UDP'],
    ['offloads', 'cuts a large send: payload length, sequence and checksum'],
    ['offloads', 'chooses the flags of first, middle and last segments'],
  ],
  'checksums of TCP, UDP, SCTP and IP': [
    ['transmit', 'puts in the TCP checksum'],
    ['transmit', 'puts in IP and UDP checksums'],
    ['transmit', 'puts in the SCTP CRC32c'],
    ['offloads', 'puts in the TCP checksum'],
  ],
  'VLAN insert and strip': [
    ['transmit', 'inserts the VLAN tag of the context'],
    ['offloads', 'every segment of a large send carries the tag'],
    ['receive', 'filters VLANs and strips their tags'],
  ],
  'receive checksums and packet types': [
    ['receive', 'are verified for TCP and UDP over IPv4'],
    ['receive', 'say which one is wrong'],
    ['receive', 'are given as identification and sum over the packet'],
    ['offloads', 'what a received packet is'],
  ],
  'RSS: Toeplitz, RSSRK, RETA, hash types': [
    ['receive', 'hashes IPv4'],
    ['receive', 'hashes IPv6'],
    ['receive', 'hashes UDP over IPv4'],
    ['receive', 'hashes UDP over IPv6'],
    ['receive', 'where extension headers name the addresses'],
    ['receive', 'sends what it cannot hash to the first entry'],
  ],
  'filters that name a queue: ETQF, SYNQF, FTQF': [
    ['queues', 'an Ethertype, also behind a tag'],
    ['queues', 'TCP SYN without ACK'],
    ['queues', 'the five of a flow'],
  ],
  'SRRCTL: buffer sizes, drop enable': [
    ['queues', 'SRRCTL.BSIZEPACKET in KiB'],
    ['queues', 'RCTL.BSIZE where SRRCTL gives none'],
    ['queues', 'RDMTS asks for more descriptors'],
    ['receive', 'drops at once when the queue says so (SRRCTL.DROP_EN)'],
  ],
  'header split and replication': [
    ['header_split', 'puts the headers into the header buffer'],
    ['header_split', 'puts a packet that fits there as a whole'],
    ['header_split', 'always (011b)'],
    ['header_split', 'of large packets only (100b)'],
    ['header_split', 'splits after layer 3 what it does not split after layer 4'],
  ],
  'filters: unicast, multicast, broadcast, promiscuous': [
    ['receive', 'takes its own address from the EEPROM'],
    ['receive', 'takes a second exact address, all unicast when promiscuous'],
    ['receive', 'takes multicasts whose hash is in the table'],
    ['queues', 'all twenty-four receive addresses count'],
    ['queues', 'takes the hash from bit %i'],
  ],
  'VLAN filter table': [
    ['receive', 'filters VLANs and strips their tags'],
    ['queues', 'the canonical form bit of a tag'],
  ],
  'RLPML and jumbo frames to 9,216': [
    ['receive', 'drops long frames: over 1,518 bytes, or over RLPML'],
    ['queues', 'of 9,216 bytes leave as they are'],
    ['queues', 'of RLPML bytes arrive'],
  ],
  'EICR, EICS, EIMS, EIMC, EIAC, EIAM, GPIE, IVAR': [
    ['interrupts', 'masks itself when it fires'],
    ['interrupts', 'disables with EIMC and raises by software with EICS'],
    ['interrupts', 'EICR is cleared by reading it'],
    ['interrupts', 'without auto-clear and auto-mask'],
    ['interrupts', 'unless GPIE.NSICR clears it'],
    ['queues', 'reports to the vector that IVAR gives it'],
  ],
  'EITR with its counter': [
    ['interrupts', 'keeps the interval of EITR'],
    ['interrupts', 'leaves the running counter alone'],
    ['interrupts', 'EITR shows how long its vector has to wait'],
  ],
  'MSI-X, MSI and legacy': [
    ['interrupts', 'sends the vector of the receive queue'],
    ['interrupts', 'one message at a time, moderated by EITR[0]'],
  ],
  'packet buffers with overflow: MPC, RNBC, RQDPC': [
    ['receive', 'waits in the packet buffer for descriptors'],
    ['receive', 'misses packets when the packet buffer is full'],
    ['transmit', 'has no more than the packet buffer in flight'],
  ],
  'pause frames both ways': [
    ['receive', 'asks the partner to pause above FCRTH'],
    ['receive', 'stops transmitting while the partner pauses it'],
  ],
  'statistics that reading clears': [
    ['registers', 'count frames, octets with FCS and sizes, and are cleared by reading'],
    ['bad_frames', 'counters stop at their greatest value'],
  ],
  loopback: [
    ['receive', 'hands its own frames to its receiver'],
    ['link', 'the PHY’s loopback hands frames back'],
  ],
  'PTP clock and stamps': [
    ['ptp', 'is set by writing it and stepped by TIMADJ'],
    ['ptp', 'are given to a frame that asks for one'],
    ['ptp', 'version 2 over both of one kind'],
    ['ptp', 'say whose message it was'],
  ],
  'bad frames: CRC, length, alignment': [
    ['bad_frames', 'a wrong FCS'],
    ['bad_frames', 'one that ends within a byte'],
    ['bad_frames', 'a length field that says more'],
    ['bad_frames', 'RCTL.SBP hands up what is bad'],
  ],
  'PCIe latency and bandwidth, concurrency of the DMA engines': [
    ['transmit', 'sends a packet of one descriptor as it is, after descriptor fetch, payload fetch and no more'],
    ['receive', 'to memory when the last byte can be there'],
    ['thresholds', 'DTXMXSZRQ bounds the rate of reads'],
  ],
};

const sources = new Map<string, string>();
const source = (file: string): string => {
  const known = sources.get(file) ?? readFileSync(new URL(`${file}.test.ts`, import.meta.url), 'utf8');
  sources.set(file, known);
  return known;
};

it.each(Object.entries(FEATURES))('%s', (_feature, tests) => {
  for (const [file, title] of tests) expect(source(file), `${file}.test.ts`).toContain(title);
});
