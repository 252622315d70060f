/** The load program: sends what its order says, and reports. */
import { closedLoop } from './closed-loop.js';
import { carryOut } from './program-run.js';

await carryOut(closedLoop);
