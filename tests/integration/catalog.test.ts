import { beforeAll, expect, test } from 'vitest';
import { type Person, operator, signUp, visitor } from '../support/stack.ts';

/**
 * The catalog as people meet it over REST: one publishes, one moderates, one installs, and somebody who
 * is not signed in looks around. The tests follow one listing, in order.
 */
let publisher: Person;
let moderator: Person;
let buyer: Person;
let agentId: string;
let listingId: string;
let installId: string;
let copyId: string;
/** In no other test's texts: the stack is shared. */
const word = `quokka${Math.random().toString(36).slice(2, 8).replace(/\d/g, 'x')}`;

beforeAll(async () => {
  [publisher, moderator, buyer] = await Promise.all([
    signUp('pia'),
    signUp('mona'),
    signUp('bert'),
  ]);
  await operator()
    .from('profiles')
    .update({ is_superuser: true })
    .eq('id', moderator.id)
    .throwOnError();
});

test('a publisher writes a listing, with a picture, and submits it', async () => {
  const { client, organizationId } = publisher;
  const agent = await client
    .from('agents')
    .insert({
      organization_id: organizationId,
      name: 'Minutes writer',
      system_prompt: 'Write minutes in a {{tone}} tone.',
    })
    .select('id')
    .single()
    .throwOnError();
  agentId = agent.data.id;
  await client
    .from('agent_parameters')
    .insert({ agent_id: agentId, name: 'tone', default_value: 'calm' })
    .throwOnError();
  await client.from('agent_tags').insert({ agent_id: agentId, tag: word }).throwOnError();
  await client.rpc('publish_agent_version', { agent_id: agentId }).throwOnError();

  const path = `${organizationId}/minutes.png`;
  const pixel = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  );
  const upload = await client.storage
    .from('screenshots')
    .upload(path, pixel, { contentType: 'image/png' });
  expect(upload.error).toBeNull();
  const { publicUrl } = client.storage.from('screenshots').getPublicUrl(path).data;
  expect((await fetch(publicUrl)).status).toBe(200);

  const listing = await client
    .from('marketplace_listings')
    .insert({ organization_id: organizationId, agent_id: agentId })
    .select('id,status')
    .single()
    .throwOnError();
  expect(listing.data.status).toBe('draft');
  listingId = listing.data.id;
  await client
    .from('listing_revisions')
    .insert({
      listing_id: listingId,
      title: `Minutes by ${word}`,
      short_description: 'Minutes of any meeting.',
      long_description: 'Listens to what was said and writes down what was decided.',
      category: 'Office',
      screenshots: [publicUrl],
    })
    .throwOnError();
  const { data } = await client.rpc('submit_listing', { listing_id: listingId }).throwOnError();
  expect(data.status).toBe('pending_review');
});

test('nobody finds it before a moderator has approved it, and nobody else approves', async () => {
  const { data: none } = await visitor().rpc('search_listings', { query: word }).throwOnError();
  expect(none).toEqual([]);
  const { data: waiting } = await moderator.client
    .from('listing_revisions')
    .select('id')
    .eq('listing_id', listingId)
    .single()
    .throwOnError();
  const refused = await publisher.client.rpc('review_listing', {
    revision_id: waiting.id,
    approve: true,
  });
  expect([refused.status, refused.error?.details]).toEqual([403, 'moderators_only']);
  const { data } = await moderator.client
    .rpc('review_listing', { revision_id: waiting.id, approve: true })
    .throwOnError();
  expect(data).toMatchObject({ status: 'approved', reviewed_by_id: moderator.id });
});

test('a visitor finds it, also misspelled, with its publisher, inputs, tags and counts', async () => {
  const misspelled = word.slice(0, 3) + word[4] + word[3] + word.slice(5);
  for (const query of [word, misspelled]) {
    const { data } = await visitor().rpc('search_listings', { query }).throwOnError();
    expect(data.map((found) => found.listing_id)).toEqual([listingId]);
  }
  const { data: facets } = await visitor()
    .rpc('listing_facets', { query: word, category: 'Law' })
    .throwOnError();
  expect(facets).toContainEqual({ facet: 'category', value: 'Office', count: 1 });
  const { data: page } = await visitor()
    .from('marketplace_listings')
    .select('title,parameters,publisher,tags,stats(install_count,avg_rating)')
    .eq('id', listingId)
    .single()
    .throwOnError();
  expect(page).toMatchObject({
    parameters: [{ name: 'tone', default_value: 'calm' }],
    publisher: { id: publisher.organizationId },
    tags: [word],
    stats: { install_count: 0, avg_rating: null },
  });
  const { data: prompts } = await visitor()
    .from('agent_versions')
    .select('id')
    .eq('agent_id', agentId)
    .throwOnError();
  expect(prompts).toEqual([]);
});

test('pages follow each other by cursor, also in a GET; one of another sort is refused', async () => {
  const { data } = await visitor()
    .rpc('search_listings', { sort: 'newest', page_size: 1 }, { get: true })
    .throwOnError();
  const after = data[0]!.cursor!;
  const next = await visitor()
    .rpc('search_listings', { sort: 'newest', after, page_size: 1 }, { get: true })
    .throwOnError();
  expect(next.data.map((found) => found.listing_id)).not.toContain(data[0]!.listing_id);
  const refused = await visitor().rpc('search_listings', { sort: 'rating', after });
  expect([refused.status, refused.error?.details]).toEqual([400, 'bad_cursor']);
});

test('an organization installs it with defaults of its own and runs its copy', async () => {
  const { data } = await buyer.client
    .rpc('install_listing', {
      listing_id: listingId,
      organization_id: buyer.organizationId,
      parameters: { tone: 'dry' },
    })
    .throwOnError();
  installId = data.id;
  copyId = data.cloned_agent_id!;
  const { data: run } = await buyer.client
    .rpc('run_agent', { agent_id: copyId, input: { message: 'We met.' } })
    .throwOnError();
  expect(run).toMatchObject({
    organization_id: buyer.organizationId,
    credited_agent_id: agentId,
    input: { parameters: { tone: 'dry' } },
  });
  const again = await buyer.client.rpc('install_listing', {
    listing_id: listingId,
    organization_id: buyer.organizationId,
  });
  expect([again.status, again.error?.details]).toEqual([409, 'already_installed']);
});

test('who installed it reviews it, the publisher answers, and everyone reads both', async () => {
  const own = await publisher.client.from('agent_reviews').insert({ agent_id: agentId, rating: 5 });
  expect([own.status, own.error?.details]).toEqual([403, 'own_agent']);
  const { data: review } = await buyer.client
    .from('agent_reviews')
    .insert({ agent_id: agentId, rating: 4, body: 'Does what it says.' })
    .select('id,is_verified_install')
    .single()
    .throwOnError();
  expect(review.is_verified_install).toBe(true);
  await publisher.client
    .rpc('reply_to_review', { review_id: review.id, reply: 'Glad to hear.' })
    .throwOnError();
  const { data: seen } = await visitor()
    .from('agent_reviews')
    .select('rating,author_reply')
    .eq('agent_id', agentId)
    .throwOnError();
  expect(seen).toEqual([{ rating: 4, author_reply: 'Glad to hear.' }]);
});

test("views count once an hour for each caller, and not the publisher's own", async () => {
  for (const { client } of [buyer, buyer, publisher]) {
    await client
      .rpc('record_agent_event', { agent_id: agentId, event_type: 'view' })
      .throwOnError();
  }
  const { data } = await visitor()
    .from('agent_stats')
    .select('view_count,install_count,avg_rating')
    .eq('agent_id', agentId)
    .single()
    .throwOnError();
  expect(data).toEqual({ view_count: 1, install_count: 1, avg_rating: 4 });
});

test('uninstalled, the copy is archived and does not run', async () => {
  await buyer.client.rpc('uninstall_listing', { install_id: installId }).throwOnError();
  const refused = await buyer.client.rpc('run_agent', { agent_id: copyId });
  expect([refused.status, refused.error?.details]).toEqual([409, 'agent_not_active']);
});
