/** Colours and shapes of a generated picture: the same seed gives the same one everywhere. */
export type Fingerprint = {
  hue: number;
  otherHue: number;
  /** Four quarters: each a disc or a quarter circle, turned, in one of two colours. */
  tiles: { turns: number; isDisc: boolean; isSecond: boolean }[];
};

export function fingerprint(seed: string): Fingerprint {
  let bits = hash(seed);
  const take = (choices: number) => {
    const choice = bits % choices;
    bits = Math.floor(bits / choices);
    return choice;
  };
  const hue = take(24) * 15;
  const otherHue = (hue + 90 + take(4) * 45) % 360;
  const tiles = Array.from({ length: 4 }, () => ({
    turns: take(4),
    isDisc: take(4) === 0,
    isSecond: take(2) === 0,
  }));
  return { hue, otherHue, tiles };
}

/** Up to `count` initials: `Ada Lovelace` gives `AL`. */
export function initialsOf(name: string, count: number): string {
  const words = name
    .trim()
    .split(/[\s\-_.]+/u)
    .filter(Boolean);
  return words
    .slice(0, count)
    .map((word) => [...word][0]!.toUpperCase())
    .join('');
}

/** FNV-1a, then one round of mixing: neighbouring slugs must not look alike. */
function hash(text: string): number {
  let bits = 0x811c9dc5;
  for (const character of text) bits = Math.imul(bits ^ character.codePointAt(0)!, 0x01000193);
  bits = Math.imul(bits ^ (bits >>> 15), 0x2c1b3c6d);
  bits = Math.imul(bits ^ (bits >>> 13), 0x297a2d39);
  return (bits ^ (bits >>> 16)) >>> 0;
}
