import { CALLERS, type World } from './tenants.ts';
import { tryCell } from './attempts.ts';
import type { Line, Matrix } from './matrix.ts';

/** One way to break the rules of a table, and how to mend it again. */
export type Mutant = {
  /** The lines of the matrix that it concerns: those of a table, a bucket or a channel. */
  subject: string;
  /** The command whose cells should change. */
  command: string | undefined;
  name: string;
  apply: string;
  undo: string;
};

type Policy = {
  table: string;
  subject: string;
  name: string;
  command: string;
  isPermissive: boolean;
  roles: string;
  using: string | null;
  check: string | null;
  /** Whether a caller may write a column that the policy reads. */
  readsWritable: boolean;
};

/** Mutants that change nothing that a caller could notice, and why. */
export const EQUIVALENT: Record<string, string> = {
  'agents_update_editor with check (true)':
    'of what it reads only visibility can be written, and a trigger refuses the same',
  'schedules_update_scope using (true)': 'its check asks the same of the row that comes of it',
  ...Object.fromEntries(
    ['collections', 'conversations', 'favorites', 'review_reports'].map((table) => [
      `${table}_insert_own with check (true)`,
      'user_id cannot be written: it is always the caller',
    ]),
  ),
  ...Object.fromEntries(
    [
      ...['agent_parameters', 'agent_tags', 'collection_items', 'eval_results', 'eval_test_cases'],
      ...['execution_approvals', 'execution_artifacts', 'execution_events', 'execution_logs'],
      ...['execution_steps', 'messages', 'schedule_runs', 'team_agents', 'workflow_versions'],
    ].flatMap((table) =>
      anyhow(
        `${table}_select_scope`,
        'the row above, without which none of these is seen, has the same scope',
      ),
    ),
  ),
  ...Object.fromEntries([
    ...anyhow('collections_select_scope', 'the other policy asks for the scopes as well'),
    ...anyhow('review_reports_update_scope', 'only moderators update, and no key is one'),
  ]),
};

function anyhow(policy: string, why: string): [mutant: string, why: string][] {
  return ['dropped', 'using (true)'].map((how) => [`${policy} ${how}`, why]);
}

/**
 * Every policy dropped, opened and left without its check, those of files and channels as well; every table
 * without its rules, and granted.
 */
export async function mutantsOf(world: World): Promise<Mutant[]> {
  const policies = await world.sql<Policy[]>`
    select
      p.polrelid::regclass::text as table,
      case n.nspname
        when 'public' then c.relname
        when 'storage' then 'storage.' || split_part(p.polname, '_', 2)
        else 'realtime.execution'
      end as subject,
      p.polname as name,
      case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' else 'delete' end
        as command,
      p.polpermissive as "isPermissive",
      (select string_agg(r::text, ', ') from unnest(p.polroles::regrole[]) as r) as roles,
      pg_get_expr(p.polqual, p.polrelid) as using,
      pg_get_expr(p.polwithcheck, p.polrelid) as check,
      exists (
        select
        from pg_depend as d
        where d.classid = 'pg_policy'::regclass and d.objid = p.oid
          and d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid > 0
          and has_column_privilege('authenticated', c.oid, d.refobjsubid::smallint, 'UPDATE')
      ) as "readsWritable"
    from pg_policy as p
      join pg_class as c on c.oid = p.polrelid
      join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('public', 'storage', 'realtime')
    order by n.nspname, c.relname, p.polname`;
  const tables = world.catalogue.relations.filter((relation) => !relation.isView);
  return [
    ...policies.flatMap((policy) => policyMutants(policy)),
    ...tables.flatMap(({ name, anon }): Mutant[] => {
      const commands = ['select', 'insert', 'update', 'delete'];
      const withheld = commands.filter((command) => !anon.includes(command)).join(', ');
      const mutant = { subject: name, command: undefined };
      return [
        {
          ...mutant,
          name: `${name} without row level security`,
          apply: `alter table public.${name} disable row level security`,
          undo: `alter table public.${name} enable row level security`,
        },
        {
          ...mutant,
          name: `${name} granted to anon`,
          apply: `grant ${withheld} on public.${name} to anon`,
          undo: `revoke ${withheld} on public.${name} from anon`,
        },
      ];
    }),
  ];
}

function policyMutants(policy: Policy): Mutant[] {
  const { table, subject, name, command, using, check } = policy;
  const drop = `drop policy ${name} on ${table}`;
  const mutant = { subject, command, undo: `${drop}; ${create(policy)}` };
  const mutants: Mutant[] = [
    { ...mutant, name: `${name} dropped`, apply: drop, undo: create(policy) },
  ];
  if (using !== null && using !== 'true') {
    const open = create({ ...policy, using: 'true' });
    mutants.push({ ...mutant, name: `${name} using (true)`, apply: `${drop}; ${open}` });
  }
  // An update's check sees what its `using` saw before, unless a column that it reads can be written.
  if (command === 'insert' || (check !== null && policy.readsWritable)) {
    const open = create({ ...policy, check: 'true' });
    mutants.push({ ...mutant, name: `${name} with check (true)`, apply: `${drop}; ${open}` });
  }
  return mutants;
}

function create({ table, name, command, isPermissive, roles, using, check }: Policy): string {
  return [
    `create policy ${name} on ${table} as ${isPermissive ? 'permissive' : 'restrictive'}`,
    `for ${command} to ${roles}`,
    using === null ? '' : `using (${using})`,
    check === null ? '' : `with check (${check})`,
  ].join(' ');
}

/**
 * Breaks the rules as the mutant says, tries the lines of its subject until one differs from the matrix,
 * and mends them. Answers with that line; undefined when nobody noticed.
 */
export async function killerOf(
  world: World,
  matrix: Matrix,
  mutant: Mutant,
): Promise<string | undefined> {
  await world.sql.unsafe(mutant.apply);
  try {
    for (const line of linesFor(matrix, mutant)) {
      const killed = await Promise.all(CALLERS.map((caller) => differs(world, line, caller)));
      if (killed.includes(true)) return `${line.command} ${line.subject}`;
    }
    return undefined;
  } finally {
    await world.sql.unsafe(mutant.undo);
  }
}

/** The lines of its subject, those of its command first. */
function linesFor(matrix: Matrix, { subject, command }: Mutant): Line[] {
  const lines = matrix.lines.filter((line) => line.subject === subject);
  const isFirst = (line: Line): boolean => line.command.split(' ')[0] === command;
  return [...lines.filter(isFirst), ...lines.filter((line) => !isFirst(line))];
}

async function differs(
  world: World,
  { cells, ...question }: Line,
  caller: (typeof CALLERS)[number],
): Promise<boolean> {
  try {
    return (await tryCell(world, question, caller)) !== cells[caller];
  } catch {
    return true; // A secret came out.
  }
}
