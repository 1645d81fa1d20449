/** The code without private names; throws on what only a private name can do (`#name in value`). */
export function withOrdinaryFields(code: string): string;
