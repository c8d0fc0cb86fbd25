type Fields = Record<string, string | number | boolean | null | undefined>;

/**
 * One JSON object a line on stdout, for whoever operates the worker. What a run did stands in its own
 * logs; prompts, answers and secrets stand in neither field.
 */
export const log = {
  info: (message: string, fields?: Fields) => write('info', message, fields),
  warning: (message: string, fields?: Fields) => write('warning', message, fields),
  error: (message: string, fields?: Fields) => write('error', message, fields),
};

function write(level: string, message: string, fields: Fields = {}): void {
  const line = { time: new Date().toISOString(), level, message, ...fields };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
