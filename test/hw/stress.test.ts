import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bytesOf, get16, ipv4Packet, pattern, put16 } from './packets.ts';
import * as T from './test_driver.ts';

const pause = new Uint8Array(60);
pause.set(bytesOf('0180c2000001 02000000010b 8808 0001 0040'));

it('whatever the times of doorbells, every packet leaves once and in its queue’s order', () => {
  const action = fc.record({
    queue: fc.constantFrom(0, 1, 7),
    size: fc.integer({ min: 0, max: 1400 }),
    large: fc.boolean(),
    delay: fc.integer({ min: 0, max: 20_000 }),
    wait: fc.integer({ min: 0, max: 30_000 }),
    paused: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(action, { minLength: 1, maxLength: 15 }), (actions) => {
      const driver = new T.TestDriver();
      driver.start();
      for (const queue of [0, 1, 7]) driver.setupTx(queue);
      driver.write(T.CTRL, driver.read(T.CTRL) | T.RFCE);
      driver.write(0x3404, 8);
      driver.run(1000);
      const expected = new Map<number, number[]>([
        [0, []],
        [1, []],
        [7, []],
      ]);
      let id = 1;
      let tailTime = driver.simulation.now;
      const tails = new Map<number, number>();
      for (const { queue, size, large, delay, wait, paused } of actions) {
        const tail = tails.get(queue) ?? 0;
        if (tail > 12) continue;
        const payload = pattern(large ? size + 3000 : size);
        const packet = ipv4Packet(payload, { check: 'tso' });
        put16(packet, 24, 0);
        driver.postContext(queue, 14, 20, 32, 1000, T.TUCMD_IPV4 | T.TUCMD_TCP);
        driver.postData(queue, [packet], large ? T.TSE : 0, T.TXSM | T.IXSM, payload.length, id);
        const segments = large ? Math.ceil(payload.length / 1000) : 1;
        for (let i = 0; i < segments; i++) expected.get(queue)!.push(id + i);
        id += segments;
        tails.set(queue, tail + 2);
        tailTime = Math.max(driver.simulation.now, tailTime) + delay;
        driver.device.writel(T.TDT(queue), tail + 2, tailTime);
        if (paused) driver.arrive(pause);
        driver.run(wait);
      }
      driver.run(5_000_000);
      for (const queue of [0, 1, 7]) {
        const sent = driver.end.sent.filter((frame) => frame.queue === queue).map((frame) => frame.id);
        expect(sent).toEqual(expected.get(queue));
        expect(driver.read(T.TDH(queue))).toBe(tails.get(queue) ?? 0);
      }
      for (let i = 1; i < driver.end.sent.length; i++) {
        const before = driver.end.sent[i - 1]!;
        expect(driver.end.sent[i]!.time).toBeGreaterThanOrEqual(before.time + (Math.max(before.bytes.length, 60) + 24) * 8);
      }
      expect(driver.pool.live).toBe(0);
      expect(driver.simulation.pendingEvents).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

it('every frame that arrives is delivered or counted, however descriptors come', () => {
  const [CRCERRS, MPC, GPRC] = [0x4000, 0x4010, 0x4074] as const;
  const action = fc.record({
    frames: fc.integer({ min: 0, max: 12 }),
    size: fc.integer({ min: 60, max: 1400 }),
    bad: fc.boolean(),
    refill: fc.boolean(),
    delay: fc.integer({ min: 0, max: 20_000 }),
    wait: fc.integer({ min: 0, max: 50_000 }),
  });
  fc.assert(
    fc.property(fc.array(action, { minLength: 1, maxLength: 30 }), fc.boolean(), (actions, drops) => {
      const driver = new T.TestDriver();
      driver.start();
      driver.setupRx(0, 3, drops ? T.DROP_EN | 0x0200_0002 : 0x0200_0002);
      driver.write(T.RXPBS, 8);
      driver.run(1000);
      let arrived = 0;
      let delivered = 0;
      let tail = 3;
      const take = (): void => {
        for (let got = driver.next(0); got !== null; got = driver.next(0)) {
          expect(get16(got.bytes, 18)).toBe(0x1234);
          delivered++;
        }
      };
      for (const { frames, size, bad, refill, delay, wait } of actions) {
        for (let i = 0; i < frames; i++) driver.arrive(ipv4Packet(pattern(size)), bad);
        arrived += frames;
        driver.run(wait);
        take();
        if (!refill) continue;
        const target = (driver.read(T.RDH(0)) + T.RING - 1) % T.RING;
        driver.refill(0, tail, target);
        tail = target;
        driver.device.writel(T.RDT(0), tail, driver.simulation.now + delay);
      }
      driver.run(1_000_000);
      take();
      const lost = driver.read(CRCERRS) + driver.read(MPC) + driver.read(T.RQDPC(0));
      expect(delivered + lost + driver.pool.live).toBe(arrived);
      expect(driver.read(GPRC)).toBeLessThanOrEqual(arrived);
      if (drops) expect(driver.pool.live).toBe(0);
    }),
    { numRuns: 200 },
  );
});
