/** Files that a script can leave: the packets of its interface, and what the kernel's tracepoints told. */

import type { sk_buff } from '../kernel/include/linux/skbuff.ts';
import { skb_copy_bits } from '../kernel/net/core/skbuff_bits.ts';
import { this_cpu } from '../machine/cpu.ts';
import { CaptureBuffers } from '../observe/files/capture_buffers.ts';
import { LINKTYPE_RAW, PACKET_INBOUND, PACKET_OUTBOUND } from '../observe/files/pcapng_format.ts';
import { PcapngWriter } from '../observe/files/pcapng_writer.ts';
import { HOST_OS } from '../observe/identity.ts';
import { selectEvents } from '../observe/trace/event_selection.ts';
import { numberHosts } from '../observe/trace/trace_context.ts';
import { TraceSession } from '../observe/trace/trace_session.ts';
import { blockOf } from '../sim/byte_heap.ts';
import { TUN_NAME } from './defaults.ts';
import type { ScriptHost } from './host.ts';

const TRACED = 'tcp,sock,skb,net,qdisc,syscalls';

export class Recording {
  readonly #host: ScriptHost;
  readonly #writer: PcapngWriter;
  readonly #buffers: CaptureBuffers;
  readonly #trace: TraceSession;

  /** `path`: without ending. Throws CaptureWriteError. */
  constructor(host: ScriptHost, path: string) {
    this.#host = host;
    const { simulation } = host;
    this.#buffers = new CaptureBuffers(simulation.bytes);
    this.#writer = new PcapngWriter(`${path}.pcapng`, {
      os: HOST_OS,
      application: 'truewire packetdrill',
      buffers: this.#buffers,
    });
    this.#writer.addInterface(
      { name: TUN_NAME, linkType: LINKTYPE_RAW, os: HOST_OS, description: 'the interface that the script plays the network behind' },
      simulation.now,
    );
    host.tun.taps.push((skb, outgoing) => this.#packet(skb, outgoing));
    const hosts = numberHosts([{ name: 'packetdrill', kernel: host.kernel }]);
    this.#trace = new TraceSession(hosts, selectEvents(TRACED), { text: `${path}.trace.txt` }, () => simulation.now);
  }

  #packet(skb: sk_buff, outgoing: boolean): void {
    const bytes = new Uint8Array(skb.len);
    skb_copy_bits(skb, 0, bytes, 0, skb.len);
    const flags = outgoing ? PACKET_OUTBOUND : PACKET_INBOUND;
    this.#writer.packet(0, this_cpu.clock, blockOf(bytes), 0, bytes.length, bytes.length, flags, skb.packetId, -1, -1, null);
  }

  close(): void {
    this.#writer.setStatistics(0, { received: this.#writer.packets(0), dropped: 0 });
    this.#writer.close(this.#host.simulation.now);
    this.#buffers.close();
    this.#trace.close();
  }
}
