/** Where the time of all packets of a run (or of some) went: the sums by stage. One pass over the event log. */
import { type LogRecord, readEventLog } from './event_log_reader.ts';
import { Surroundings } from './life.ts';
import { STAGE_NAMES, STAGES, stageOf } from './stages.ts';

export interface StageSum {
  readonly stage: string;
  ns: number;
  /** How many packets went through it. */
  packets: number;
  longest: number;
}

/** Where a packet was last seen. */
interface Seen {
  time: number;
  event: string;
}

/** `wanted` null: all packets. */
export async function sumWaits(path: string, wanted: ReadonlySet<number> | null): Promise<StageSum[]> {
  const sums = new Map<string, StageSum>(STAGE_NAMES.map((stage) => [stage, { stage, ns: 0, packets: 0, longest: 0 }]));
  const surroundings = new Surroundings();
  const seen = new Map<number, Seen>();
  await readEventLog(path, (record) => {
    const stage = record.packet > 0 ? stageOf(record.event.system, record.event.name) : null;
    if (stage !== null)
      for (let id = record.packet; id < record.packet + record.packets; id++)
        if (wanted === null || wanted.has(id)) visit(sums, surroundings, seen, record, id, stage.name);
    surroundings.note(record);
  });
  return [...sums.values()].filter(({ packets }) => packets > 0);
}

function visit(
  sums: ReadonlyMap<string, StageSum>,
  surroundings: Surroundings,
  seen: Map<number, Seen>,
  record: LogRecord,
  id: number,
  stage: string,
): void {
  const { name } = record.event;
  const last = seen.get(id);
  if (last === undefined) {
    seen.set(id, { time: record.time, event: name });
    return;
  }
  const go = (time: number, title: string): void => {
    const sum = sums.get(title)!;
    const wait = Math.max(0, time - last.time);
    sum.ns += wait;
    sum.packets++;
    sum.longest = Math.max(sum.longest, wait);
    last.time = Math.max(time, last.time);
  };
  if (name === 'frame') go(Number(record.field('departed')), STAGES.serialisation);
  if (name === 'napi_gro_receive_entry') {
    const irq = surroundings.interruptAfter(record.cpu, last.time);
    if (irq !== null) go(irq.time, STAGES.moderation);
  }
  // The instant at which a frame is at the NIC is that at which it is through the wire.
  if (name !== 'receive') go(record.time, name === 'net_dev_queue' && last.event === 'netif_receive_skb' ? STAGES.forward : stage);
  last.event = name;
  if (name === 'skb_copy_datagram_iovec') seen.delete(id);
}
