import { sveltekit } from '@sveltejs/kit/vite';
import tailwindcss from '@tailwindcss/vite';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [tailwindcss(), sveltekit()],
  build: {
    // One stylesheet and fonts as files: inlined fonts would be fetched again with every page.
    assetsInlineLimit: 1024,
  },
});
