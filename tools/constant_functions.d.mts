/** The code with constants for the functions that are declared at its top and that nothing is assigned to. Its lines stay what they are. */
export function withConstantFunctions(code: string): string;
