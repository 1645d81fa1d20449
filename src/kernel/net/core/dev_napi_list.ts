/** net/core/dev.c: the list of NAPI instances that NET_RX_SOFTIRQ polls on a CPU. */
import { NET_RX_SOFTIRQ } from '../../include/linux/interrupt.ts';
import type { napi_struct, softnet_data } from '../../include/linux/netdevice.ts';
import { __raise_softirq_irqoff } from '../../kernel/softirq.ts';

/** Puts an instance at the end of the list. net_rx_action() looks at the list before it ends, so it need not be raised while it runs. */
export function ____napi_schedule(softnet: softnet_data, napi: napi_struct): void {
  addToPollList(softnet, napi);
  if (!softnet.in_net_rx_action) __raise_softirq_irqoff(NET_RX_SOFTIRQ);
}

export function addToPollList(softnet: softnet_data, napi: napi_struct): void {
  napi.next = null;
  napi.scheduled = true;
  napi.list_owner = softnet;
  if (softnet.poll_list_tail === null) softnet.poll_list = napi;
  else softnet.poll_list_tail.next = napi;
  softnet.poll_list_tail = napi;
}

/** Takes an instance off the list that it is in. */
export function removeFromPollList(napi: napi_struct): void {
  const softnet = napi.list_owner;
  if (!napi.scheduled || softnet === null) return;
  let before: napi_struct | null = null;
  for (let at = softnet.poll_list; at !== null && at !== napi; at = at.next) before = at;
  if (before === null) softnet.poll_list = napi.next;
  else before.next = napi.next;
  if (softnet.poll_list_tail === napi) softnet.poll_list_tail = before;
  napi.next = null;
  napi.scheduled = false;
}
