export {
  LateError,
  pause,
  poll,
  type PollBounds,
  retry,
  type RetryBounds,
  settledWithin,
  withinMs,
} from './deadline.js';
