/**
 * net/packet/af_packet.c: packets to those who want to see them all. Protocol handlers on ETH_P_ALL get a reference (received) or a clone (sent) of each.
 *
 * Simplified: there are no PF_PACKET sockets. Capture points (observe/capture) use `net_device.taps`, which see the same packets at the same places but take
 * neither references nor time, so that a run with captures is the same as one without.
 */
import type { net_device, packet_type } from '../../include/linux/netdevice.ts';
import type { sk_buff } from '../../include/linux/skbuff.ts';
import { ETH_P_ALL } from '../../uapi/if_ether.ts';
import { dev_add_pack, dev_remove_pack } from '../core/dev.ts';
import { consume_skb } from '../core/skbuff_free.ts';

/** Hands every packet of `dev` (null: of all devices) to `receive`, which must not keep it. Returns what packetRelease() takes. */
export function packetBind(dev: net_device | null, receive: (skb: sk_buff, dev: net_device) => void): packet_type {
  const hook: packet_type = {
    type: ETH_P_ALL,
    dev,
    func(skb: sk_buff, on: net_device): number {
      receive(skb, on);
      consume_skb(skb, 'packet_rcv');
      return 0;
    },
  };
  dev_add_pack(hook);
  return hook;
}

export function packetRelease(hook: packet_type): void {
  dev_remove_pack(hook);
}
