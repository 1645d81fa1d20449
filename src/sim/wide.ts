/**
 * The first value of a field that will hold more than 31 bits: an instant, a sequence number, a count of bytes. It is zero in every sum and comparison,
 * but a double from the start. The engine keeps small integers and doubles differently, and gives an object whose field changes from one to the other a new
 * shape: all code that knows the old one is thrown away and compiled anew, in the middle of a run, when the first number passes 2^31.
 */
export const WIDE = -0;
