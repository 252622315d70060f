/** The load program: it carries out its order and reports. */
import { closedLoop } from './closed-loop.js';
import { carryOut } from './program-run.js';

await carryOut(closedLoop);
