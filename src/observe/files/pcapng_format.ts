/** Numbers of the pcapng format (draft-ietf-opsawg-pcapng) that writer and reader share. */

export const BLOCK_SECTION_HEADER = 0x0a0d0d0a;
export const BLOCK_INTERFACE_DESCRIPTION = 1;
/** Obsolete since 2009, still found in old files (appendix A). */
export const BLOCK_PACKET = 2;
export const BLOCK_SIMPLE_PACKET = 3;
export const BLOCK_NAME_RESOLUTION = 4;
export const BLOCK_INTERFACE_STATISTICS = 5;
export const BLOCK_ENHANCED_PACKET = 6;

export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

export const OPT_ENDOFOPT = 0;
export const OPT_COMMENT = 1;
/** Binary custom option that tools may copy; its value starts with a Private Enterprise Number. */
export const OPT_CUSTOM_BINARY = 2989;

export const SHB_HARDWARE = 2;
export const SHB_OS = 3;
export const SHB_USERAPPL = 4;

export const IF_NAME = 2;
export const IF_DESCRIPTION = 3;
export const IF_IPV4ADDR = 4;
export const IF_MACADDR = 6;
export const IF_SPEED = 8;
export const IF_TSRESOL = 9;
export const IF_FILTER = 11;
export const IF_OS = 12;
export const IF_FCSLEN = 13;
export const IF_TSOFFSET = 14;
export const IF_HARDWARE = 15;

export const EPB_FLAGS = 2;
export const EPB_HASH = 3;
export const EPB_DROPCOUNT = 4;
export const EPB_PACKETID = 5;
export const EPB_QUEUE = 6;
export const EPB_VERDICT = 7;

/** epb_hash algorithm 5: Toeplitz, as NICs compute for receive side scaling. */
export const HASH_TOEPLITZ = 5;
/** epb_verdict types: the value is that of TC_ACT_* or XDP_*. */
export const VERDICT_TC = 1;
export const VERDICT_XDP = 2;

export const ISB_STARTTIME = 2;
export const ISB_ENDTIME = 3;
export const ISB_IFRECV = 4;
export const ISB_IFDROP = 5;
export const ISB_FILTERACCEPT = 6;
export const ISB_OSDROP = 7;
export const ISB_USRDELIV = 8;

export const NRB_RECORD_END = 0;
export const NRB_RECORD_IPV4 = 1;

/** epb_flags, section 4.3.1. */
export const PACKET_INBOUND = 1;
export const PACKET_OUTBOUND = 2;
export const PACKET_UNICAST = 1 << 2;
export const PACKET_MULTICAST = 2 << 2;
export const PACKET_BROADCAST = 3 << 2;
export const PACKET_PROMISCUOUS = 4 << 2;
export const PACKET_FCS_LENGTH_SHIFT = 5;
export const PACKET_CHECKSUM_NOT_READY = 1 << 9;
export const PACKET_CHECKSUM_VALID = 1 << 10;
export const PACKET_TCP_SEGMENTATION_OFFLOADED = 1 << 11;
export const PACKET_CRC_ERROR = 1 << 24;
export const PACKET_TOO_LONG = 1 << 25;
export const PACKET_TOO_SHORT = 1 << 26;

/** Link types (tcpdump.org/linktypes.html). */
export const LINKTYPE_ETHERNET = 1;
export const LINKTYPE_RAW = 101;

/** What tcpdump and Wireshark capture at most of a packet; longer ones are refused by readers. */
export const MAXIMUM_SNAPLEN = 262144;
