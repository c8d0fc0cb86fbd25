import type { CallerName, Row, World } from './tenants.ts';

/** How a function of the API is called in the matrix. */
type Call = {
  /** Once for each kind of row of this table, with the row in its arguments. */
  on?: string;
  /** Of which rows; the living ones by default. */
  where?: (row: Row) => boolean;
  /** It answers with rows, and without any when it has nothing to tell. */
  answersRows?: boolean;
  arguments?: (of: { world: World; caller: CallerName; row: Row }) => Record<string, unknown>;
};

const isDeleted = (row: Row): boolean => row.kind === 'deleted';

/** By the name of the function, and by a second word where a function does two things. */
export const CALLS: Record<string, Call> = {
  // Identity
  accept_invitation: { arguments: () => ({ token: 'kestrel-invitation' }) },
  create_api_key: {
    arguments: ({ world }) => ({
      organization_id: world.kestrel.organizationId,
      name: 'probe',
      scopes: ['agents:read'],
    }),
  },
  create_organization: { arguments: () => ({ name: 'probe' }) },
  delete_my_account: {},
  delete_organization: {
    on: 'organizations',
    arguments: ({ row }) => ({ organization_id: row.values['id'] }),
  },
  export_my_data: {},
  invite_member: {
    arguments: ({ world }) => ({
      organization_id: world.kestrel.organizationId,
      email: 'probe@example.com',
      role: 'member',
    }),
  },
  'invite_member as owner': {
    arguments: ({ world }) => ({
      organization_id: world.kestrel.organizationId,
      email: 'probe@example.com',
      role: 'owner',
    }),
  },
  leave_organization: {
    arguments: ({ world }) => ({ organization_id: world.kestrel.organizationId }),
  },
  list_deleted: {},
  'list_deleted in the organization': {
    arguments: ({ world }) => ({ organization_id: world.kestrel.organizationId }),
  },
  my_account: {},
  my_sessions: {},
  resend_invitation: {
    on: 'organization_invitations',
    arguments: ({ row }) => ({ invitation_id: row.values['id'] }),
  },
  restore_organization: {
    on: 'organizations',
    where: isDeleted,
    arguments: ({ row }) => ({ organization_id: row.values['id'] }),
  },
  revoke_api_key: { on: 'api_keys', arguments: ({ row }) => ({ api_key_id: row.values['id'] }) },
  revoke_invitation: {
    on: 'organization_invitations',
    arguments: ({ row }) => ({ invitation_id: row.values['id'] }),
  },
  revoke_session: { arguments: ({ world }) => ({ session_id: world.sessionId }) },
  transfer_ownership: {
    arguments: ({ world }) => ({
      organization_id: world.kestrel.organizationId,
      user_id: world.personId('kestrel-heir'),
    }),
  },

  // Agents
  delete_agent: { on: 'agents', arguments: ({ row }) => ({ agent_id: row.values['id'] }) },
  export_agent: { on: 'agents', arguments: ({ row }) => ({ agent_id: row.values['id'] }) },
  fork_agent: {
    on: 'agents',
    arguments: ({ world, caller, row }) => ({
      agent_id: row.values['id'],
      organization_id: world.organizationOf(caller),
    }),
  },
  import_agent: {
    arguments: ({ world }) => ({
      organization_id: world.kestrel.organizationId,
      document: { name: 'probe' },
    }),
  },
  import_agents: {
    arguments: ({ world }) => ({
      organization_id: world.kestrel.organizationId,
      documents: [{ name: 'probe' }],
    }),
  },
  publish_agent_version: { on: 'agents', arguments: ({ row }) => ({ agent_id: row.values['id'] }) },
  restore_agent: {
    on: 'agents',
    // What went with its organization comes back with it only.
    where: (row) => isDeleted(row) && !String(row.values['slug']).endsWith('-closed'),
    arguments: ({ row }) => ({ agent_id: row.values['id'] }),
  },
  restore_agent_version: {
    on: 'agent_versions',
    arguments: ({ row }) => ({ agent_version_id: row.values['id'] }),
  },

  // Orchestration
  delete_team: { on: 'teams', arguments: ({ row }) => ({ team_id: row.values['id'] }) },
  restore_team: {
    on: 'teams',
    where: isDeleted,
    arguments: ({ row }) => ({ team_id: row.values['id'] }),
  },
  delete_workflow: { on: 'workflows', arguments: ({ row }) => ({ workflow_id: row.values['id'] }) },
  restore_workflow: {
    on: 'workflows',
    where: isDeleted,
    arguments: ({ row }) => ({ workflow_id: row.values['id'] }),
  },
  preview_schedule: {
    on: 'schedules',
    arguments: ({ row }) => ({ schedule_id: row.values['id'] }),
  },

  // Catalog
  inspect_revision: {
    on: 'listing_revisions',
    arguments: ({ row }) => ({ revision_id: row.values['id'] }),
  },
  install_listing: {
    on: 'marketplace_listings',
    arguments: ({ world, caller, row }) => ({
      listing_id: row.values['id'],
      organization_id: world.organizationOf(caller),
    }),
  },
  listing_facets: {},
  record_agent_event: {
    on: 'agents',
    arguments: ({ row }) => ({ agent_id: row.values['id'], event_type: 'view' }),
  },
  reinstate_listing: {
    on: 'marketplace_listings',
    arguments: ({ row }) => ({ listing_id: row.values['id'] }),
  },
  reply_to_review: {
    on: 'agent_reviews',
    arguments: ({ row }) => ({ review_id: row.values['id'], reply: 'probe' }),
  },
  review_listing: {
    on: 'listing_revisions',
    where: (row) => row.values['status'] === 'pending_review',
    arguments: ({ row }) => ({ revision_id: row.values['id'], approve: true }),
  },
  search_listings: {},
  submit_listing: {
    on: 'marketplace_listings',
    where: (row) => row.values['live_revision_id'] === null,
    arguments: ({ row }) => ({ listing_id: row.values['id'] }),
  },
  suspend_listing: {
    on: 'marketplace_listings',
    where: (row) => row.values['live_revision_id'] !== null,
    arguments: ({ row }) => ({ listing_id: row.values['id'], notes: 'probe' }),
  },
  uninstall_listing: {
    on: 'marketplace_installs',
    arguments: ({ row }) => ({ install_id: row.values['id'] }),
  },
  update_install: {
    on: 'marketplace_installs',
    arguments: ({ row }) => ({ install_id: row.values['id'] }),
  },
  withdraw_listing: {
    on: 'marketplace_listings',
    where: (row) => row.values['live_revision_id'] === null,
    arguments: ({ row }) => ({ listing_id: row.values['id'] }),
  },

  // Conversations
  send_message: {
    on: 'conversations',
    arguments: ({ row }) => ({ conversation_id: row.values['id'], content: 'probe' }),
  },

  // Executions
  run_team: { on: 'teams', arguments: ({ row }) => ({ team_id: row.values['id'] }) },
  run_workflow: { on: 'workflows', arguments: ({ row }) => ({ workflow_id: row.values['id'] }) },
  run_agent: { on: 'agents', arguments: ({ row }) => ({ agent_id: row.values['id'] }) },
  'run_agent as a draft': {
    on: 'agents',
    arguments: ({ row }) => ({ agent_id: row.values['id'], draft: true }),
  },
  cancel_execution: {
    on: 'executions',
    arguments: ({ row }) => ({ execution_id: row.values['id'] }),
  },
  retry_execution: {
    on: 'executions',
    where: (row) => row.values['status'] === 'failed',
    arguments: ({ row }) => ({ execution_id: row.values['id'] }),
  },
  decide_approval: {
    on: 'execution_approvals',
    where: (row) => row.values['status'] === 'pending',
    arguments: ({ row }) => ({ approval_id: row.values['id'], approve: true }),
  },

  // Integrations
  set_token: { arguments: () => ({ key: 'PROBE', value: 'probe' }) },
  'set_token of the organization': {
    arguments: ({ world }) => ({
      key: 'PROBE',
      value: 'probe',
      organization_id: world.kestrel.organizationId,
    }),
  },
  delete_token: { arguments: () => ({ key: 'ZQKESTREL' }) },
  'delete_token of the organization': {
    arguments: ({ world }) => ({
      key: 'ZQKESTREL',
      organization_id: world.kestrel.organizationId,
    }),
  },
  connect_integration: {
    arguments: ({ world }) => ({
      organization_id: world.kestrel.organizationId,
      provider: 'probe',
      provider_account_id: 'probe',
      credentials: { access_token: 'probe' },
    }),
  },
  disconnect_integration: {
    on: 'integrations',
    arguments: ({ row }) => ({ integration_id: row.values['id'] }),
  },
  create_webhook: {
    arguments: ({ world }) => ({
      organization_id: world.kestrel.organizationId,
      url: 'https://example.com/probe',
      events: ['execution.completed'],
    }),
  },
  rotate_webhook_secret: {
    on: 'webhooks',
    arguments: ({ row }) => ({ webhook_id: row.values['id'] }),
  },
  redeliver: {
    on: 'webhook_deliveries',
    arguments: ({ row }) => ({ delivery_id: row.values['id'] }),
  },

  // Billing
  apply_stripe_event: {
    arguments: () => ({
      event: { id: 'evt_probe', type: 'probe', created: 1, data: { object: {} } },
    }),
  },
  current_usage: {
    arguments: ({ world }) => ({ organization_id: world.kestrel.organizationId }),
  },

  // Memory
  match_memories: {
    on: 'agents',
    answersRows: true,
    arguments: ({ row }) => ({ agent_id: row.values['id'], query: 'zqkestrel' }),
  },

  // Evaluation
  run_eval_suite: {
    on: 'eval_suites',
    arguments: ({ row }) => ({ suite_id: row.values['id'] }),
  },

  // Audit
  verify_audit_log: {
    arguments: ({ world }) => ({ organization_id: world.kestrel.organizationId }),
  },
};
