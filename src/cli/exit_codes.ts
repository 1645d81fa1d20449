/** How truewire ends: the contract with scripts that call it. */
export const EXIT_OK = 0;
/** The run or the comparison says no. */
export const EXIT_NO = 1;
/** The input is wrong: nothing was written, or what was written says where it ends. */
export const EXIT_INPUT = 2;
/** A bug of ours (EX_SOFTWARE of sysexits.h). */
export const EXIT_BUG = 70;
