/** include/linux/types.h, limits, bit helpers: documentation in the form of types, and unsigned arithmetic. */
export type u8 = number;
export type u16 = number;
export type u32 = number;
export type u64 = number;
export type s32 = number;
export type s64 = number;
export type int = number;
export type dma_addr_t = number;
export type gfp_t = number;
/** IPv4 address, in the host's order: see docs/architecture.md. */
export type be32 = number;
/** Port or protocol number, in the host's order. */
export type be16 = number;

export const GFP_ATOMIC: gfp_t = 0x820;
export const GFP_KERNEL: gfp_t = 0xcc0;

export const U32_MAX = 0xffff_ffff;
export const INT_MAX = 0x7fff_ffff;

export const BIT = (n: number): u32 => (1 << n) >>> 0;
export const min = (a: number, b: number): number => (a < b ? a : b);
export const max = (a: number, b: number): number => (a > b ? a : b);
export const clamp = (value: number, low: number, high: number): number => (value < low ? low : value > high ? high : value);
export const DIV_ROUND_UP = (n: number, d: number): number => Math.floor((n + d - 1) / d);
export const ALIGN = (n: number, to: number): number => Math.ceil(n / to) * to;
/** Integer division of non-negative numbers. */
export const div = (n: number, d: number): number => Math.floor(n / d);
/** 2^floor(log2 n); n must be positive. */
export const rounddown_pow_of_two = (n: number): number => (1 << ilog2(n)) >>> 0;
/** The smallest power of two from n on; n from 1 to 2^31. */
export const roundup_pow_of_two = (n: number): number => (1 << (32 - Math.clz32(n - 1))) >>> 0;
/** Of a positive u32. */
export const ilog2 = (n: number): number => 31 - Math.clz32(n);
