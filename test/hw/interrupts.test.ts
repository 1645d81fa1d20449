import { describe, expect, it } from 'vitest';
import { ipv4Packet, pattern } from './packets.ts';
import * as T from './test_driver.ts';

const packet = ipv4Packet(pattern(100));

/** As igb sets it up: MSI-X, auto-mask and auto-clear; vector 1 for RX 0, vector 2 for TX 0, vector 0 for the rest. */
function started(options: ConstructorParameters<typeof T.TestDriver>[0] = {}): T.TestDriver {
  const driver = new T.TestDriver(options);
  driver.write(T.GPIE, 0xc000_0011);
  driver.write(T.IVAR(0), 0x8281);
  driver.write(T.IVAR_MISC, 0x8000);
  driver.write(T.EIAC, 7);
  driver.write(T.EIAM, 7);
  driver.write(T.EIMS, 7);
  driver.start();
  driver.setupRx(0);
  driver.setupTx(0);
  driver.run(10_000);
  driver.machine.messages.length = 0;
  return driver;
}

describe('MSI-X', () => {
  it('sends the vector of the receive queue when the packet is in memory', () => {
    const driver = started();
    driver.arrive(packet);
    driver.run(10_000);
    expect(driver.machine.messages.map((message) => message.vector)).toEqual([1]);
    expect(driver.next(0)).not.toBeNull();
  });

  it('sends the vector of the transmit queue after the write-back', () => {
    const driver = started();
    driver.postData(0, [packet]);
    driver.ring(0);
    driver.run(10_000);
    expect(driver.machine.messages.map((message) => message.vector)).toEqual([2]);
  });

  it('masks itself when it fires, and fires again for what came meanwhile when software enables it', () => {
    const driver = started();
    driver.arrive(packet);
    driver.run(10_000);
    expect(driver.read(T.EIMS)).toBe(0b101);
    expect(driver.read(T.EICS)).toBe(0);
    driver.arrive(packet);
    driver.run(10_000);
    expect(driver.machine.messages).toHaveLength(1);
    expect(driver.read(T.EICS)).toBe(2);
    const enabled = driver.simulation.now;
    driver.write(T.EIMS, 2);
    driver.run(10_000);
    expect(driver.machine.messages).toHaveLength(2);
    expect(driver.machine.messages[1]!.time).toBe(enabled);
  });

  it('takes an enable that is still under way into account when the cause comes before it arrives', () => {
    const driver = started();
    driver.arrive(packet);
    driver.run(10_000);
    driver.device.writel(T.EIMS, 2, driver.simulation.now + 5_000);
    driver.arrive(packet);
    driver.run(4_999);
    expect(driver.machine.messages).toHaveLength(1);
    driver.run(10);
    expect(driver.machine.messages).toHaveLength(2);
  });

  it('keeps the interval of EITR: 648 is 162 µs', () => {
    const driver = started();
    driver.write(T.EITR(1), 0x8000_0000 | 648);
    for (let i = 0; i < 10; i++) {
      driver.arrive(packet);
      driver.run(50_000);
      driver.write(T.EIMS, 2);
    }
    const times = driver.machine.messages.map((message) => message.time);
    expect(times.length).toBe(4);
    for (let i = 1; i < times.length; i++) expect(times[i]! - times[i - 1]!).toBeGreaterThanOrEqual(162_000);
    expect(times[1]! - times[0]!).toBe(162_000);
  });

  it('leaves the running counter alone when EITR is written with CNT_INGR, and starts it anew without', () => {
    const driver = started();
    driver.write(T.EITR(1), 0x8000_0000 | (100 << 2));
    driver.arrive(packet);
    driver.run(10_000);
    const first = driver.machine.messages[0]!.time;
    driver.write(T.EITR(1), 0x8000_0000 | (1 << 2));
    driver.write(T.EIMS, 2);
    driver.arrive(packet);
    driver.run(200_000);
    expect(driver.machine.messages[1]!.time - first).toBe(100_000);
    driver.write(T.EITR(1), 500 << 2);
    driver.write(T.EIMS, 2);
    driver.arrive(packet);
    driver.run(2_000);
    expect(driver.machine.messages).toHaveLength(3);
  });

  it('disables with EIMC and raises by software with EICS', () => {
    const driver = started();
    driver.write(T.EIMC, 2);
    driver.arrive(packet);
    driver.run(10_000);
    expect(driver.machine.messages).toHaveLength(0);
    driver.write(T.EICS, 4);
    driver.run(1);
    expect(driver.machine.messages.map((message) => message.vector)).toEqual([2]);
  });

  it('reports a link change through the vector for other causes, and ICR names it', () => {
    const driver = started();
    driver.write(T.IMS, 4);
    driver.run(10);
    driver.read(T.ICR);
    driver.write(T.EIMS, 1);
    driver.run(10);
    driver.machine.messages.length = 0;
    driver.end.rateBps = 0;
    driver.device.linkChanged(0);
    driver.run(10);
    expect(driver.machine.messages.map((message) => message.vector)).toEqual([0]);
    expect(driver.read(T.STATUS) & 2).toBe(0);
    expect(driver.read(T.ICR)).toBe(0x8000_0004);
    expect(driver.read(T.ICR)).toBe(0);
  });

  it('applies writes in the order they were issued, even if their times are not', () => {
    const driver = started();
    const now = driver.simulation.now;
    driver.device.writel(T.RDT(0), 5, now + 9_000);
    driver.device.writel(T.RDT(0), 6, now + 1_000);
    driver.run(10_000);
    expect(driver.read(T.RDT(0))).toBe(6);
  });
});

describe('the registers of causes', () => {
  const CTRL_EXT = 0x0018;
  const [ICS, IMC, IAM] = [0x1504, 0x150c, 0x1510] as const;

  it('EICR is cleared by reading it, or by writing ones', () => {
    const driver = started();
    driver.write(T.EIMC, 7);
    driver.write(T.EICS, 0b110);
    expect(driver.read(T.EICS)).toBe(0b110);
    driver.write(T.EICR, 0b010);
    expect(driver.read(T.EICR)).toBe(0b100);
    expect(driver.read(T.EICR)).toBe(0);
  });

  it('without auto-clear and auto-mask a vector stays pending and enabled', () => {
    const driver = started();
    driver.write(T.EIAC, 0);
    driver.write(T.EIAM, 0);
    driver.arrive(packet);
    driver.run(10_000);
    expect([driver.read(T.EICS), driver.read(T.EIMS)]).toEqual([0b010, 0b111]);
  });

  it('ICR is kept while nothing of it is enabled, unless GPIE.NSICR clears it at every read', () => {
    const driver = started();
    driver.write(T.IMS, 0x10);
    driver.read(T.ICR);
    driver.write(ICS, 0x4);
    expect([driver.read(T.ICR), driver.read(T.ICR)]).toEqual([0x4, 0]);
    driver.write(T.GPIE, 0xc000_0010);
    driver.write(ICS, 0x4);
    expect([driver.read(T.ICR), driver.read(T.ICR)]).toEqual([0x4, 0x4]);
    driver.write(T.ICR, 0x4);
    expect(driver.read(T.ICR)).toBe(0);
  });

  it('reading ICR disables what IAM says when CTRL_EXT.IAME is set', () => {
    const driver = started();
    driver.write(T.IMS, 0x14);
    driver.write(IAM, 0x10);
    driver.write(CTRL_EXT, 1 << 27);
    driver.read(T.ICR);
    expect(driver.read(T.IMS)).toBe(0x04);
    driver.write(IMC, 0x04);
    expect(driver.read(IMC)).toBe(0);
  });

  it('EITR shows how long its vector has to wait: bits 30:21 count in steps of 8 µs', () => {
    const driver = started();
    driver.write(T.EITR(1), 800 << 2);
    driver.arrive(packet);
    driver.run(10_000);
    const fired = driver.machine.messages[0]!.time;
    const counter = (): number => (driver.read(T.EITR(1)) >>> 21) & 0x3ff;
    expect(counter()).toBe(Math.floor((800_000 - (driver.simulation.now - fired)) / 8000));
    driver.run(800_000);
    expect(counter()).toBe(0);
  });
});

describe('without MSI-X', () => {
  it('one message tells of all causes, and ICR which', () => {
    const driver = new T.TestDriver();
    driver.start();
    driver.setupRx(0);
    driver.read(T.ICR);
    driver.write(T.IMS, 0x80);
    driver.run(1000);
    driver.arrive(packet);
    driver.run(10_000);
    expect(driver.machine.messages.map((message) => message.vector)).toEqual([0]);
    expect(driver.read(T.ICR)).toBe(0x8000_0080);
  });

  it.each(['msi', 'intx'] as const)('%s: one message at a time, moderated by EITR[0]', (interrupts) => {
    const driver = new T.TestDriver({ interrupts });
    driver.write(T.EITR(0), 100 << 2);
    driver.start();
    driver.setupRx(0);
    driver.setupTx(0);
    driver.read(T.ICR);
    driver.write(T.IMS, 0x81);
    driver.run(200_000);
    driver.machine.messages.length = 0;
    driver.arrive(packet);
    driver.run(20_000);
    driver.postData(0, [packet]);
    driver.ring(0);
    driver.run(20_000);
    expect(driver.machine.messages).toHaveLength(1);
    driver.run(200_000);
    expect(driver.machine.messages.map(({ vector }) => vector)).toEqual([0, 0]);
    expect(driver.machine.messages[1]!.time - driver.machine.messages[0]!.time).toBeGreaterThanOrEqual(100_000);
    expect(driver.read(T.ICR)).toBe(0x8000_0081);
    expect(driver.device.msixVectors).toBe(0);
  });
});

describe('moderation as QEMU does it', () => {
  /** Instants of the messages of vector 1, from the first on. */
  const instants = (driver: T.TestDriver): number[] => {
    const times = driver.machine.messages.filter(({ vector }) => vector === 1).map(({ time }) => time);
    return times.map((time) => time - times[0]!);
  };

  it('sends again when the interval ends, whatever there is, and starts none then', () => {
    const driver = started({ moderation: 'qemu' });
    driver.write(T.EITR(1), 648);
    driver.arrive(packet);
    driver.run(1_000_000);
    expect(instants(driver)).toEqual([0, 162_000]);
    expect(driver.read(T.EIMS)).toBe(0b111);
  });

  it('keeps causes waiting while the interval lasts, and serves the next after it at once', () => {
    const driver = started({ moderation: 'qemu' });
    driver.write(T.EITR(1), 648);
    driver.arrive(packet);
    driver.run(100_000);
    driver.arrive(packet);
    driver.run(70_000);
    expect(instants(driver)).toEqual([0, 162_000]);
    driver.arrive(packet);
    driver.run(5_000);
    expect(instants(driver)).toHaveLength(3);
    expect(instants(driver)[2]!).toBeGreaterThanOrEqual(170_000);
    expect(instants(driver)[2]!).toBeLessThan(175_000);
  });
});
