/** IPv4 addresses as programs write them: the C library's inet_addr() and inet_ntoa(), and socket addresses. */
import type { sockaddr_in } from '../kernel/uapi/in.ts';
import { AF_INET } from '../kernel/uapi/socket.ts';

/** `10.0.0.1` → 0x0a000001; null when it is no dotted address. */
export function inet_addr(text: string): number | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  const bytes = match.slice(1).map(Number);
  if (bytes.some((byte) => byte > 255)) return null;
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

export function inet_ntoa(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** An address for bind(), connect(), sendto(); without arguments an empty one to be filled by accept() or recvfrom(). */
export function sockaddr(address: string | number = 0, port = 0): sockaddr_in {
  const number = typeof address === 'number' ? address : inet_addr(address);
  if (number === null) throw new RangeError(`'${address}' is not an IPv4 address`);
  return { sin_family: AF_INET, sin_port: port, sin_addr: number };
}
