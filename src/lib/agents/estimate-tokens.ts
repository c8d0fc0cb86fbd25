/**
 * Roughly how many tokens a text is to a model, for orientation while writing. Byte pair encoders
 * average four characters a token in Latin scripts and about one in Chinese, Japanese and Korean;
 * the figure is within a fifth for prose and further off for code.
 */
export function estimateTokens(text: string): number {
  const wide = text.match(/[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]/g)?.length ?? 0;
  return Math.ceil((text.length - wide) / 4) + wide;
}
