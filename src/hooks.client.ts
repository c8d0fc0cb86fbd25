import type { HandleClientError } from '@sveltejs/kit';

export const handleError: HandleClientError = ({ error, status, message }) => {
  console.error(error);
  return { message, code: status >= 500 ? 'page_failed' : `http_${status}` };
};
