/** The program that offers events at a steady rate: it carries out its order and reports. */
import { carryOut } from '../http/program-run.js';
import { openLoop } from './open-loop.js';

await carryOut(openLoop);
