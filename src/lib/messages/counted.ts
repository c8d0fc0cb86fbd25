const INTEGER = new Intl.NumberFormat('en-US');

/** `1,523`. */
export function integer(count: number): string {
  return INTEGER.format(count);
}

/** `1 agent`, `1,523 agents`. */
export function counted(count: number, noun: string): string {
  return `${integer(count)} ${noun}${count === 1 ? '' : 's'}`;
}
