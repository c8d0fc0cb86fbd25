import adapter from '@sveltejs/adapter-node';

/** @type {import('@sveltejs/kit').Config} */
const config = {
  compilerOptions: {
    // Ours is runes only; packages decide for themselves.
    runes: ({ filename }) => (filename.split(/[/\\]/).includes('node_modules') ? undefined : true),
  },
  kit: {
    // src/stack/build.ts says which.
    adapter: adapter({ out: 'build', precompress: process.env.PRECOMPRESS === '1' }),
    csp: {
      mode: 'auto',
      directives: {
        'default-src': ['self'],
        'script-src': ['self'],
        // Positioned popovers, charts and the prompt editor write style attributes and elements.
        'style-src': ['self', 'unsafe-inline'],
        'font-src': ['self'],
        'object-src': ['none'],
        'base-uri': ['none'],
        'form-action': ['self'],
        'frame-ancestors': ['none'],
        // connect-src and img-src name the gateway, known only at run time: src/hooks.server.ts.
      },
    },
  },
};

export default config;
