export {
  LateError,
  pause,
  poll,
  type PollBounds,
  retry,
  type RetryBounds,
  valueOrTimeout,
  withTimeout,
} from './deadline.js';
