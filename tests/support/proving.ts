/** Whether this is `npm run prove`, where what tries a little in `npm test` tries much. */
export const isProving = process.env['PROVING'] !== undefined;
