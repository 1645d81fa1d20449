/** trace.pftrace in the eyes of Perfetto's own trace processor: it has nothing against it, and SQL finds in it what happened. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { hasTraceProcessor, type Row, TraceProcessor } from '../../support/trace_processor.ts';
import { linesOf, runBusy } from './traced_run.ts';

describe.skipIf(!hasTraceProcessor)('Perfetto’s trace processor (skipped where .ci/run has not fetched it)', () => {
  const outcome = runBusy('all', ['text', 'perfetto']);
  const lines = linesOf(outcome);
  let processor: TraceProcessor;

  beforeAll(async () => {
    // The UI's engine is a little older than the trace processor, and says so with each answer.
    vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
    processor = await TraceProcessor.open(`${outcome.directory}/trace.pftrace`);
  });

  const query = (sql: string): Promise<Row[]> => processor.query(sql);
  const number = async (sql: string): Promise<number> => Number(Object.values((await query(sql))[0]!)[0]);
  const seen = (event: string): number => lines.filter((line) => line.event === event).length;

  it('reads it without an error and without a loss', async () => {
    expect(await query("select name, value from stats where severity in ('error', 'data_loss') and value > 0")).toEqual([]);
  });

  it('finds the hosts as processes', async () => {
    expect((await query('select name from process where name is not null order by name')).map(({ name }) => name)).toEqual([
      'client',
      'server',
    ]);
  });

  it('finds each event once, and slices that are closed and nest', async () => {
    for (const event of ['net_dev_queue', 'netif_receive_skb', 'kfree_skb']) {
      expect(seen(event), event).toBeGreaterThan(0);
      expect(await number(`select count(*) from slice where name = '${event}'`), event).toBe(seen(event));
    }
    expect(await number("select count(*) from slice where name like 'NET_RX' or name like 'NET_TX' or name = 'TIMER'")).toBeGreaterThan(10);
    expect(await number('select count(*) from slice where dur < 0')).toBe(0);
    expect(
      await query('select s.name from slice s join slice p on s.parent_id = p.id where s.ts < p.ts or s.ts + s.dur > p.ts + p.dur'),
    ).toEqual([]);
  });

  it('finds the connection’s states and its congestion window', async () => {
    const states = await query(
      "select s.name from slice s join track t on s.track_id = t.id where t.name like '10.0.0.1:% > 10.0.0.2:5001' and s.dur > 0 order by s.ts",
    );
    expect(states.map(({ name }) => name)).toEqual(expect.arrayContaining(['SYN_SENT', 'ESTABLISHED', 'FIN_WAIT1']));
    expect(
      await number("select max(c.value) from counter c join track t on c.track_id = t.id where t.name = 'snd_cwnd'"),
    ).toBeGreaterThanOrEqual(10);
  });

  it('joins what happens to a packet by arrows, forward in time', async () => {
    expect(await number('select count(*) from flow')).toBeGreaterThan(500);
    expect(
      await number('select count(*) from flow f join slice a on f.slice_out = a.id join slice b on f.slice_in = b.id where b.ts < a.ts'),
    ).toBe(0);
    // From one host to the other.
    expect(
      await number(`select count(*) from flow f join slice a on f.slice_out = a.id join slice b on f.slice_in = b.id
        where a.name = 'transmit' and b.name like '% bytes'`),
    ).toBeGreaterThan(10);
  });
});
