import { goto } from '$app/navigation';

/** The address with some parameters set, or removed where the value is null or empty. */
export function withParameters(
  url: URL,
  changes: Record<string, string | string[] | null>,
): string {
  const next = new URL(url);
  for (const [key, value] of Object.entries(changes)) {
    next.searchParams.delete(key);
    for (const one of [value ?? []].flat()) if (one !== '') next.searchParams.append(key, one);
  }
  return `${next.pathname}${next.search}`;
}

/** Moves to the same page with other parameters, keeping focus and place; Back returns. */
export async function setParameters(
  url: URL,
  changes: Record<string, string | string[] | null>,
  options: { replace?: boolean } = {},
): Promise<void> {
  await goto(withParameters(url, changes), {
    keepFocus: true,
    noScroll: true,
    replaceState: options.replace ?? false,
  });
}
