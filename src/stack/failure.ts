/**
 * A failure that a person can act on: the message says what happened and what to do next, so it is
 * shown without a stack.
 */
export class StackFailure extends Error {
  override name = 'StackFailure';
}
