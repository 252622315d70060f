export {
  bigintColumn,
  booleanColumn,
  instantColumn,
  jsonbColumn,
  textColumn,
  timestampColumn,
} from './column.js';
export { readBigints } from './bigint-list.js';
