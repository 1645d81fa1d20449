/** Options and control messages as C programs see them: the bytes of what the emulated kernel reports as numbers, strings and objects. */
import { sock_exterr_skb } from '../../src/kernel/include/linux/errqueue.ts';
import type { cmsghdr } from '../../src/kernel/include/net/sock.ts';
import { tcp_info } from '../../src/kernel/net/ipv4/tcp_info.ts';
import type { in_pktinfo } from '../../src/kernel/uapi/in.ts';
import * as ip from '../../src/kernel/uapi/in.ts';
import * as so from '../../src/kernel/uapi/socket.ts';
import type { OptionValue } from './program.ts';

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

class Writer {
  readonly #bytes: number[] = [];
  u8(...values: number[]): this {
    for (const value of values) this.#bytes.push(value & 0xff);
    return this;
  }
  u32(...values: number[]): this {
    for (const value of values) this.u8(value, value >>> 8, value >>> 16, value >>> 24);
    return this;
  }
  u64(...values: (number | bigint)[]): this {
    for (const value of values) {
      const whole = BigInt.asUintN(64, BigInt(value));
      this.u32(Number(whole & 0xffff_ffffn), Number(whole >> 32n));
    }
    return this;
  }
  be16(value: number): this {
    return this.u8(value >>> 8, value);
  }
  be32(value: number): this {
    return this.u8(value >>> 24, value >>> 16, value >>> 8, value);
  }
  get hex(): string {
    return toHex(Uint8Array.from(this.#bytes));
  }
}

/** An option's value as setsockopt() takes it here. */
export function optionValue(level: number, option: number, value: OptionValue): unknown {
  if (typeof value === 'number') return value;
  if ('str' in value) return value.str;
  if ('timeval' in value) return { tv_sec: value.timeval[0], tv_usec: value.timeval[1] };
  if ('linger' in value) return { l_onoff: value.linger[0], l_linger: value.linger[1] };
  if (level === so.SOL_IP && option === ip.IP_LOCAL_PORT_RANGE) return value;
  return fromHex(value.hex);
}

/** What getsockopt() reported, as bytes. */
export function optionHex(level: number, option: number, value: unknown): string {
  if (typeof value === 'number') return numberHex(level, option, value);
  if (typeof value === 'string') return stringHex(level, value);
  if (value instanceof Uint8Array) return toHex(value);
  if (value instanceof tcp_info) return tcpInfoHex(value);
  // IP_LOCAL_PORT_RANGE: two ports in a u32.
  if (Array.isArray(value)) return new Writer().u8(value[0], value[0] >> 8, value[1], value[1] >> 8).hex;
  if (value === null) return '';
  return structureHex(value as Record<string, number>);
}

/** Most are ints; a pacing rate is a long, of which all ones mean none, and SO_TIMESTAMPING has a clock's number behind its flags. */
function numberHex(level: number, option: number, value: number): string {
  if (level !== so.SOL_SOCKET) return new Writer().u32(value).hex;
  if (option === so.SO_MAX_PACING_RATE) return new Writer().u64(value === 0xffff_ffff ? -1 : value).hex;
  if (option === so.SO_COOKIE) return new Writer().u64(value).hex;
  if (option === so.SO_TIMESTAMPING) return new Writer().u32(value, 0).hex;
  return new Writer().u32(value).hex;
}

/** TCP_CONGESTION has room for 16, SO_BINDTODEVICE ends with a zero. */
const stringHex = (level: number, value: string): string =>
  toHex(Buffer.from(level === so.SOL_TCP ? value.padEnd(16, '\0') : value === '' ? '' : `${value}\0`));

function structureHex(value: Record<string, number>): string {
  if ('sin_family' in value) return sockaddrHex(value as unknown as ip.sockaddr_in);
  if ('tv_sec' in value) return new Writer().u64(value['tv_sec']!, value['tv_usec']!).hex;
  return new Writer().u32(...Object.values(value)).hex;
}

/** Octets before the first 32-bit field, of which two hold several fields each, and the widths of the others. */
function tcpInfoHex(info: tcp_info): string {
  const out = new Writer();
  out.u8(info.tcpi_state, info.tcpi_ca_state, info.tcpi_retransmits, info.tcpi_probes, info.tcpi_backoff, info.tcpi_options);
  out.u8(info.tcpi_snd_wscale | (info.tcpi_rcv_wscale << 4), info.tcpi_delivery_rate_app_limited | (info.tcpi_fastopen_client_fail << 1));
  const fields = Object.entries(info).slice(10) as [string, number][];
  for (const [name, value] of fields) {
    if (/pacing_rate|bytes_acked|bytes_received|delivery_rate$|busy_time|rwnd_limited|sndbuf_limited|bytes_sent|bytes_retrans/.test(name))
      out.u64(value === Number.MAX_SAFE_INTEGER ? -1 : value);
    else if (/total_rto$|total_rto_recoveries/.test(name)) out.u8(value, value >>> 8);
    else out.u32(value);
  }
  return out.hex;
}

/* Control messages */

export function cmsgHex({ cmsg_level, cmsg_type, data }: cmsghdr): string {
  if (data instanceof sock_exterr_skb) return exterrHex(data);
  if (cmsg_level === so.SOL_IP && cmsg_type === ip.IP_PKTINFO) {
    const { ipi_ifindex, ipi_spec_dst, ipi_addr } = data as in_pktinfo;
    return new Writer().u32(ipi_ifindex).be32(ipi_spec_dst).be32(ipi_addr).hex;
  }
  if (cmsg_level === so.SOL_IP && cmsg_type === ip.IP_TOS) return new Writer().u8(data as number).hex;
  if (data instanceof Uint8Array) return toHex(data);
  if (typeof data === 'object' && data !== null && 'sin_port' in data) return sockaddrHex(data as ip.sockaddr_in);
  return new Writer().u32(data as number).hex;
}

const sockaddrHex = ({ sin_family, sin_port, sin_addr }: ip.sockaddr_in): string =>
  new Writer().u8(sin_family, 0).be16(sin_port).be32(sin_addr).u64(0).hex;

/** struct sock_extended_err, and the offender's address behind it. */
function exterrHex(error: sock_exterr_skb): string {
  const out = new Writer().u32(error.ee_errno).u8(error.ee_origin, error.ee_type, error.ee_code, 0).u32(error.ee_info, error.ee_data);
  const known = error.ee_origin === 2;
  return out
    .u8(known ? so.AF_INET : 0, 0)
    .be16(0)
    .be32(known ? error.offender : 0)
    .u64(0).hex;
}

/** A control message of a program's, as sendmsg() takes it here. */
export function cmsgOf([level, type, hex]: readonly [number, number, string]): cmsghdr {
  const bytes = fromHex(hex);
  const view = new DataView(bytes.buffer);
  if (level === so.SOL_IP && type === ip.IP_PKTINFO && bytes.length === 12) {
    const data: in_pktinfo = { ipi_ifindex: view.getInt32(0, true), ipi_spec_dst: view.getUint32(4), ipi_addr: view.getUint32(8) };
    return { cmsg_level: level, cmsg_type: type, data };
  }
  const data =
    bytes.length === 4 ? view.getInt32(0, true) : bytes.length === 2 ? view.getUint16(0, true) : bytes.length === 1 ? bytes[0] : bytes;
  return { cmsg_level: level, cmsg_type: type, data };
}
