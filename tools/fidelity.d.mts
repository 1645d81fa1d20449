/** The list made from the sources' `Simplified:` comments. */
export function simplifiedList(): string;
/** The list as docs/fidelity.md has it. */
export function documentedList(): string;
