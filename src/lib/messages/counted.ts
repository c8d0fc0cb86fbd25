const INTEGER = new Intl.NumberFormat('en-US');

/** `1 agent`, `1,523 agents`. */
export function counted(count: number, noun: string): string {
  return `${INTEGER.format(count)} ${noun}${count === 1 ? '' : 's'}`;
}
