/** include/linux/module.h: a driver and its parameters. */
export interface module {
  readonly name: string;
  readonly version: string;
  readonly params: Record<string, number>;
}
