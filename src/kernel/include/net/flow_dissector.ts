/** include/net/flow_dissector.h: what identifies a flow, read from a packet's headers. */

export class flow_keys {
  n_proto = 0;
  ip_proto = 0;
  src = 0;
  dst = 0;
  /** Source and destination port in one word; 0 when there are none (fragments, protocols without). */
  ports = 0;

  reset(): void {
    this.n_proto = this.ip_proto = this.src = this.dst = this.ports = 0;
  }
}
