/**
 * A driver for tests: knows the 82576 by its registers only. All constants are retyped from the datasheet (section 8 and 7.2.2, 7.1.5), so that a
 * wrong one in the sources cannot hide behind itself.
 */
import { IgbDevice, type IgbOptions } from '../../src/hw/igb/igb_device.ts';
import { Dma } from '../../src/machine/dma.ts';
import { type MemorySection, PhysicalMemory, SECTION_SIZE } from '../../src/machine/memory.ts';
import { type PciDevice, type PcieTiming, type PciHost, pcieDefaults } from '../../src/machine/pci.ts';
import type { ByteHeap } from '../../src/sim/byte_heap.ts';
import { Simulation } from '../../src/sim/simulation.ts';
import { type Frame, FramePool } from '../../src/wire/frame.ts';
import type { WireEnd } from '../../src/wire/port.ts';

export const CTRL = 0x0000;
export const STATUS = 0x0008;
export const RCTL = 0x0100;
export const TCTL = 0x0400;
export const EITR = (n: number) => 0x1680 + 4 * n;
export const EIMS = 0x1524;
export const EIMC = 0x1528;
export const EIAC = 0x152c;
export const EIAM = 0x1530;
export const EICR = 0x1580;
export const EICS = 0x1520;
export const GPIE = 0x1514;
export const IVAR = (n: number) => 0x1700 + 4 * n;
export const IVAR_MISC = 0x1740;
export const ICR = 0x1500;
export const IMS = 0x1508;
export const RXCSUM = 0x5000;
export const RLPML = 0x5004;
export const MTA = 0x5200;
export const RAL0 = 0x5400;
export const RAH0 = 0x5404;
export const VFTA = 0x5600;
export const MRQC = 0x5818;
export const RETA = 0x5c00;
export const RSSRK = 0x5c80;
export const VET = 0x0038;
export const RXPBS = 0x2404;
const rx = (n: number, at: number) => 0xc000 + 0x40 * n + at;
const tx = (n: number, at: number) => 0xe000 + 0x40 * n + at;
export const RDBAL = (n: number) => rx(n, 0x00);
export const RDBAH = (n: number) => rx(n, 0x04);
export const RDLEN = (n: number) => rx(n, 0x08);
export const SRRCTL = (n: number) => rx(n, 0x0c);
export const RDH = (n: number) => rx(n, 0x10);
export const RDT = (n: number) => rx(n, 0x18);
export const RXDCTL = (n: number) => rx(n, 0x28);
export const RQDPC = (n: number) => rx(n, 0x30);
export const TDBAL = (n: number) => tx(n, 0x00);
export const TDBAH = (n: number) => tx(n, 0x04);
export const TDLEN = (n: number) => tx(n, 0x08);
export const TDH = (n: number) => tx(n, 0x10);
export const TDT = (n: number) => tx(n, 0x18);
export const TXDCTL = (n: number) => tx(n, 0x28);
export const TDWBAL = (n: number) => tx(n, 0x38);
export const TDWBAH = (n: number) => tx(n, 0x3c);

export const SLU = 1 << 6;
export const RFCE = 1 << 27;
export const TFCE = 1 << 28;
export const VME = 1 << 30;
export const RCTL_EN = 1 << 1;
export const RCTL_SBP = 1 << 2;
export const RCTL_UPE = 1 << 3;
export const RCTL_MPE = 1 << 4;
export const RCTL_LPE = 1 << 5;
export const RCTL_LBM_MAC = 1 << 6;
export const RCTL_BAM = 1 << 15;
export const RCTL_VFE = 1 << 18;
export const RCTL_SECRC = 1 << 26;
export const DROP_EN = 0x8000_0000;

/** Advanced data descriptor: DTYP 0011b, DEXT; EOP, IFCS, RS. */
export const DATA = 0x2030_0000;
export const CONTEXT = 0x2020_0000;
export const EOP = 0x0100_0000;
export const IFCS = 0x0200_0000;
export const RS = 0x0800_0000;
export const VLE = 0x4000_0000;
export const TSE = 0x8000_0000;
export const IXSM = 0x100;
export const TXSM = 0x200;
/** Context descriptor: type of packet. */
export const TUCMD_IPV4 = 0x400;
export const TUCMD_TCP = 0x800;
export const TUCMD_SCTP = 0x1000;

export const RING = 16;
export const BUFFER = 2048;
export const mac = Uint8Array.of(0x02, 0x00, 0x00, 0x00, 0x01, 0x0a);

/** A cable's end that keeps what it is given: 1 Gbit/s, one frame after the other. */
export class RecordingEnd implements WireEnd {
  rateBps = 1e9;
  freeAt = 0;
  readonly sent: { bytes: Uint8Array; time: number; id: number; queue: number }[] = [];
  readonly #simulation: Simulation;
  readonly #pool: FramePool;
  constructor(simulation: Simulation, pool: FramePool) {
    this.#simulation = simulation;
    this.#pool = pool;
  }
  send(frame: Frame): void {
    const start = Math.max(this.#simulation.now, this.freeAt);
    if (frame.summed > 0 && frame.block.sum(frame.sumFrom, frame.summed) !== frame.sum) throw new Error('the remembered sum is wrong');
    this.sent.push({ bytes: frame.bytes().slice(), time: start, id: frame.id, queue: frame.queue });
    this.freeAt = start + frame.wireBytes * 8;
    this.#pool.release(frame);
  }
  signal(): void {}
  damage(): void {}
}

export interface Message {
  vector: number;
  time: number;
}

/** A machine with one slot: memory, DMA, and a list of the interrupts that came. */
export class TestMachine implements PciHost {
  readonly memory: PhysicalMemory;
  readonly dma: Dma;
  readonly timing: PcieTiming;
  readonly messages: Message[] = [];
  readonly section: MemorySection;
  #next = 0;
  constructor(timing: PcieTiming, heap: ByteHeap) {
    this.memory = new PhysicalMemory('test', SECTION_SIZE, heap);
    this.dma = new Dma(this.memory);
    this.timing = timing;
    this.section = this.memory.grow()!;
  }
  msix(_device: PciDevice, vector: number, time: number): void {
    this.messages.push({ vector, time });
  }
  /** Offset of fresh memory in the section, page by page. */
  allocate(bytes: number): number {
    const offset = this.#next;
    this.#next += (bytes + 4095) & ~4095;
    return offset;
  }
}

/** What a received descriptor says. */
export interface Received {
  bytes: Uint8Array;
  pktInfo: number;
  rss: number;
  status: number;
  vlan: number;
  lengths: number[];
  tag: number;
}

export class TestDriver {
  readonly simulation = new Simulation(1);
  readonly pool = new FramePool(this.simulation.bytes);
  readonly machine: TestMachine;
  readonly device: IgbDevice;
  readonly end: RecordingEnd;
  readonly #txRings: { base: number; tail: number }[] = [];
  readonly #rxRings: { base: number; buffers: number; next: number }[] = [];

  constructor(options: Partial<IgbOptions> = {}, timing: Partial<PcieTiming> = {}) {
    this.machine = new TestMachine({ ...pcieDefaults, ...timing }, this.simulation.bytes);
    this.device = new IgbDevice('nic', this.simulation, this.pool, { mac, autonegotiationNs: 1000, ...options });
    this.end = new RecordingEnd(this.simulation, this.pool);
    this.device.attach(this.machine);
    this.device.connect(this.end);
  }

  read(offset: number): number {
    return this.device.readl(offset);
  }

  write(offset: number, value: number): void {
    this.device.writel(offset, value >>> 0, this.simulation.now);
  }

  run(ns: number): void {
    this.simulation.run(this.simulation.now + ns);
  }

  /** Link up, receiver and transmitter on. */
  start(rctl = RCTL_BAM | RCTL_SECRC): void {
    this.write(CTRL, this.read(CTRL) | SLU);
    this.write(RCTL, rctl | RCTL_EN);
    this.write(TCTL, 0xa50400fa);
    this.run(10_000);
  }

  /** `thresholds`: PTHRESH, HTHRESH and WTHRESH as TXDCTL has them. */
  setupTx(queue: number, wthresh = 0, thresholds = 0x0108): void {
    const base = this.machine.allocate(RING * 16);
    this.machine.dma.map(this.machine.section, base, RING * 16);
    this.#txRings[queue] = { base, tail: 0 };
    this.write(TDBAL(queue), this.machine.section.base + base);
    this.write(TDBAH(queue), 0);
    this.write(TDLEN(queue), RING * 16);
    this.write(TDH(queue), 0);
    this.write(TDT(queue), 0);
    this.write(TXDCTL(queue), 0x0200_0000 | thresholds | (wthresh << 16));
  }

  /** `filled`: descriptors handed over at once; the ring is never quite full. `thresholds`: those of RXDCTL. */
  setupRx(queue: number, filled = RING - 1, srrctl = 0x0200_0002, thresholds = 0x0001_0808): void {
    const base = this.machine.allocate(RING * 16);
    const buffers = this.machine.allocate(RING * BUFFER);
    this.machine.dma.map(this.machine.section, base, RING * 16);
    this.machine.dma.map(this.machine.section, buffers, RING * BUFFER);
    this.#rxRings[queue] = { base, buffers, next: 0 };
    this.write(RDBAL(queue), this.machine.section.base + base);
    this.write(RDBAH(queue), 0);
    this.write(RDLEN(queue), RING * 16);
    this.write(SRRCTL(queue), srrctl);
    this.write(RXDCTL(queue), 0x0200_0000 | thresholds);
    for (let i = 0; i < RING; i++) this.#refill(queue, i);
    this.write(RDT(queue), filled);
  }

  #refill(queue: number, index: number): void {
    const ring = this.#rxRings[queue]!;
    const view = this.machine.section.view;
    view.setUint32(ring.base + index * 16, this.machine.section.base + ring.buffers + index * BUFFER, true);
    view.setUint32(ring.base + index * 16 + 4, 0, true);
    view.setUint32(ring.base + index * 16 + 8, 0, true);
    view.setUint32(ring.base + index * 16 + 12, 0, true);
  }

  /** Puts bytes into mapped memory and returns their bus address. */
  buffer(bytes: Uint8Array, tag = 0): number {
    const offset = this.machine.allocate(bytes.length);
    this.machine.section.u8.set(bytes, offset);
    return this.machine.dma.map(this.machine.section, offset, bytes.length, tag);
  }

  /** Writes one descriptor of four words at the tail; no doorbell yet. Returns its index. */
  post(queue: number, word0: number, word1: number, word2: number, word3: number): number {
    const ring = this.#txRings[queue]!;
    const index = ring.tail;
    const at = ring.base + index * 16;
    const { view } = this.machine.section;
    for (const [i, word] of [word0, word1, word2, word3].entries()) view.setUint32(at + 4 * i, word >>> 0, true);
    ring.tail = (index + 1) % RING;
    return index;
  }

  postContext(queue: number, macLength: number, ipLength: number, l4Length: number, mss: number, tucmd: number, vlan = 0, index = 0): void {
    this.post(queue, (vlan << 16) | (macLength << 9) | ipLength, 0, CONTEXT | tucmd, (mss << 16) | (l4Length << 8) | (index << 4));
  }

  /** A packet in one or several pieces. */
  postData(queue: number, pieces: readonly Uint8Array[], command = 0, options = 0, payload = -1, tag = 0): number {
    const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
    let last = 0;
    pieces.forEach((piece, i) => {
      const end = i === pieces.length - 1 ? EOP | RS : 0;
      const olinfo = options | ((payload < 0 ? total : payload) << 14);
      last = this.post(queue, this.buffer(piece, i === 0 ? tag : 0), 0, DATA | IFCS | command | end | piece.length, olinfo);
    });
    return last;
  }

  ring(queue: number): void {
    this.write(TDT(queue), this.#txRings[queue]!.tail);
  }

  done(queue: number, index: number): boolean {
    return (this.machine.section.view.getUint32(this.#txRings[queue]!.base + index * 16 + 12, true) & 1) !== 0;
  }

  /** A frame arrives from the wire, now. */
  arrive(bytes: Uint8Array, badFcs = false, id = 0): void {
    const frame = this.pool.take(bytes.length);
    frame.u8.set(bytes, frame.start);
    frame.badFcs = badFcs;
    frame.id = id;
    this.device.receive(frame);
  }

  /** Takes the next whole packet off a receive ring; null when none is done. Its descriptors are not given back. */
  next(queue: number): Received | null {
    const ring = this.#rxRings[queue]!;
    const { view, u8, base } = this.machine.section;
    const pieces: Uint8Array[] = [];
    const first = ring.next;
    for (let i = first; ; i = (i + 1) % RING) {
      const at = ring.base + i * 16;
      const status = view.getUint32(at + 8, true);
      if ((status & 1) === 0) return null;
      const length = view.getUint16(at + 12, true);
      pieces.push(u8.slice(ring.buffers + i * BUFFER, ring.buffers + i * BUFFER + length));
      if ((status & 2) === 0) continue;
      ring.next = (i + 1) % RING;
      for (let k = first; k !== ring.next; k = (k + 1) % RING) view.setUint8(ring.base + k * 16 + 8, 0);
      const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
      let to = 0;
      for (const piece of pieces) {
        bytes.set(piece, to);
        to += piece.length;
      }
      return {
        bytes,
        pktInfo: view.getUint16(at, true),
        rss: view.getUint32(at + 4, true),
        status,
        vlan: view.getUint16(at + 14, true),
        lengths: pieces.map((piece) => piece.length),
        tag: this.machine.dma.tag(base + ring.buffers + first * BUFFER),
      };
    }
  }

  /** Hands descriptors that were taken off the ring back to the device: the tail moves on. */
  giveBack(queue: number, tail: number): void {
    this.refill(queue, this.read(RDT(queue)), tail);
    this.write(RDT(queue), tail);
  }

  /** Writes fresh descriptors from `from` up to `to`; no doorbell. */
  refill(queue: number, from: number, to: number): void {
    for (let i = from; i !== to; i = (i + 1) % RING) this.#refill(queue, i);
  }
}
