import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

export default defineConfig(
  {
    ignores: [
      'build/',
      '.svelte-kit/',
      '.data/',
      'src/lib/supabase/database.types.ts',
      'src/lib/supabase/database.kysely.ts',
    ],
  },
  js.configs.recommended,
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser, ...globals.node } },
    rules: {
      // TypeScript itself knows every name.
      'no-undef': 'off',
      // The app stands at the root of its address; there is no base path to resolve.
      'svelte/no-navigation-without-resolve': 'off',
      '@typescript-eslint/consistent-type-definitions': ['error', 'type'],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ImportDeclaration[source.value="@lucide/svelte"]',
          message: 'Import one icon from @lucide/svelte/icons/<name>; the barrel is 1.5 MB.',
        },
      ],
    },
  },
  {
    // SvelteKit, Vite, Vitest, Playwright and ESLint ask for default exports; nothing else has one.
    files: ['src/**/*.ts', 'tests/**/*.ts'],
    ignores: ['**/*.config.ts', '**/global-setup.ts'],
    rules: {
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true } }],
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: {
      parserOptions: {
        parser: ts.parser,
        svelteConfig,
      },
    },
  },
);
