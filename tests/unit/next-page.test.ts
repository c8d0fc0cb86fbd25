import { expect, test } from 'vitest';
import { nextPage } from '../../src/lib/identity/next-page.ts';

test.each(['/runs', '/agents/x?tab=runs', '/settings#keys'])('%s is a page of ours', (path) => {
  expect(nextPage(path)).toBe(path);
});

test.each([
  null,
  '',
  'runs',
  'https://evil.example',
  '//evil.example',
  '/\\evil.example',
  '/\t/evil.example',
  '/.//evil.example',
  '/..//evil.example',
  'javascript:alert(1)',
])('%s leads nowhere but home', (wanted) => {
  expect(nextPage(wanted)).toBe('/agents');
});
