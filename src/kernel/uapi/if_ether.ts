/** uapi/linux/if_ether.h, if_arp.h: Ethernet and ARP headers and numbers. */
import { be16, be32, bytes, struct, u8 } from '../../machine/struct.ts';

export const ETH_ALEN = 6;
export const ETH_HLEN = 14;
export const ETH_ZLEN = 60;
export const ETH_FCS_LEN = 4;
export const ETH_DATA_LEN = 1500;
export const ETH_FRAME_LEN = 1514;
export const ETH_MIN_MTU = 68;
export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_8021Q = 0x8100;
export const ETH_P_IPV6 = 0x86dd;
export const ETH_P_ALL = 0x0003;
export const ETH_P_802_3_MIN = 0x0600;
export const ETH_P_802_2 = 0x0004;
export const VLAN_HLEN = 4;

/** Addresses are bytes at the offsets `h_dest` and `h_source`. */
export const ethhdr = struct('ethhdr', { h_dest: bytes(ETH_ALEN), h_source: bytes(ETH_ALEN), h_proto: be16 });
export type ethhdr = InstanceType<typeof ethhdr>;

export const ARPHRD_ETHER = 1;
export const ARPHRD_LOOPBACK = 772;
export const ARPHRD_NONE = 0xfffe;
export const ARPOP_REQUEST = 1;
export const ARPOP_REPLY = 2;

/** An ARP message for IPv4 over Ethernet (RFC 826): the fixed part and the four addresses. */
export const arphdr = struct('arphdr', {
  ar_hrd: be16,
  ar_pro: be16,
  ar_hln: u8,
  ar_pln: u8,
  ar_op: be16,
  ar_sha: bytes(ETH_ALEN),
  ar_sip: be32,
  ar_tha: bytes(ETH_ALEN),
  ar_tip: be32,
});
export type arphdr = InstanceType<typeof arphdr>;
